//! Going on with an answer that broke off, as pure state: what the client has, what is held back from it, and how the
//! rest of another stream joins it.
//!
//! A [`Guard`] stands over the first stream. It keeps what was released, and holds back what a break would spoil: tool
//! calls until their finish, half a character. When the stream breaks it becomes a [`Broken`], of which the request
//! for the rest is made; a [`Joiner`] makes that stream look like more of the first.

mod event_content;
mod identity;
mod interrupted_usage;
mod resume_buffer;
mod resume_conditions;
mod splice_point;
mod splicer;
#[cfg(test)]
mod tests;

pub(super) use event_content::{frame_reader, read_frames};
pub(super) use interrupted_usage::{InterruptedUsage, estimate_event_usage, estimate_usage};
pub(super) use resume_buffer::{ContinuationSupport, Interrupted, ResumeBuffer, withholds_nothing};
pub(super) use resume_conditions::ResumeConditions;
pub(super) use splicer::Splicer;

use crate::failure::{Failure, Reason};
use crate::protocol::edit::Segments;

/// What a stream's events go through on their way to the client.
pub(super) enum Continuation {
    /// Nothing: when this one breaks nobody can go on.
    Disabled,
    /// The first stream of an answer.
    Buffering(Box<ResumeBuffer>),
    /// The rest of an answer.
    Splicing(Box<Splicer>),
}

impl Continuation {
    /// What the client gets of these events, and why nothing may follow it.
    pub(super) fn process(&mut self, out: Segments) -> (Segments, Option<Failure>) {
        match self {
            Self::Disabled => (out, None),
            Self::Buffering(guard) => (guard.process(out), None),
            Self::Splicing(joiner) => joiner.process(out),
        }
    }
}

/// Whether a stream that broke for this reason may go on: not when the provider refused, nor when no time is left.
pub(super) const fn may_continue(failure: &Failure) -> bool {
    matches!(
        failure.reason,
        Reason::Network | Reason::Truncated | Reason::Timeout | Reason::Server | Reason::Overloaded
    ) && !failure.is_gateway_limit
}

/// Whether the target that broke may be asked for the rest: what failed was the way to it.
pub(super) const fn may_continue_on_same_target(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::Network | Reason::Truncated)
}
