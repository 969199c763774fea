//! Going on with an answer that broke off, as pure state: what the client has, what is held back from it, and how the
//! rest of another stream joins it.
//!
//! A [`Guard`] stands over the first stream. It keeps what was released, and holds back what a break would spoil: tool
//! calls until their finish, half a character. When the stream breaks it becomes a [`Broken`], of which the request
//! for the rest is made; a [`Joiner`] makes that stream look like more of the first.

mod event;
mod guard;
mod identity;
mod joiner;
mod seam;
mod spent;
mod terms;
#[cfg(test)]
mod tests;

pub(super) use event::{frames, reader};
pub(super) use guard::{Broken, Guard, Reach, lets_pass};
pub(super) use joiner::Joiner;
pub(super) use spent::{Spent, estimate, estimate_of};
pub(super) use terms::Terms;

use crate::failure::{Failure, Reason};
use crate::protocol::edit::Segments;

/// What a stream's events go through on their way to the client.
pub(super) enum Through {
    /// Nothing: when this one breaks nobody can go on.
    Nothing,
    /// The first stream of an answer.
    Guard(Box<Guard>),
    /// The rest of an answer.
    Joiner(Box<Joiner>),
}

impl Through {
    /// What the client gets of these events, and why nothing may follow it.
    pub(super) fn pass(&mut self, out: Segments) -> (Segments, Option<Failure>) {
        match self {
            Self::Nothing => (out, None),
            Self::Guard(guard) => (guard.pass(out), None),
            Self::Joiner(joiner) => joiner.pass(out),
        }
    }
}

/// Whether a stream that broke for this reason may go on: not when the provider refused, nor when no time is left.
pub(super) const fn may_go_on(failure: &Failure) -> bool {
    matches!(
        failure.reason,
        Reason::Network | Reason::Truncated | Reason::Timeout | Reason::Server | Reason::Overloaded
    ) && !failure.out_of_time
}

/// Whether the target that broke may be asked for the rest: what failed was the way to it.
pub(super) const fn same_may_go_on(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::Network | Reason::Truncated)
}
