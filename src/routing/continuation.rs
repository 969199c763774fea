//! Owns stream continuation as pure state: the events that the client has, those held back, and the join with
//! another stream.
//!
//! A [`ResumeBuffer`] tracks the first stream. It keeps the released text, and holds back what an interruption
//! would spoil: tool calls until their finish, and half characters. When the stream is interrupted, the buffer
//! becomes an [`Interrupted`], from which the continuation request is made. A [`Splicer`] rewrites the second
//! stream to continue the first.

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

/// The processing of a stream's events before they are sent to the client.
pub(super) enum Continuation {
    /// None: this stream cannot be continued.
    Disabled,
    /// The first stream of a response.
    Buffering(Box<ResumeBuffer>),
    /// The continuation of a response.
    Splicing(Box<Splicer>),
}

impl Continuation {
    /// Returns the events to send, and the reason if the stream must stop after them.
    pub(super) fn process(&mut self, out: Segments) -> (Segments, Option<Failure>) {
        match self {
            Self::Disabled => (out, None),
            Self::Buffering(guard) => (guard.process(out), None),
            Self::Splicing(joiner) => joiner.process(out),
        }
    }
}

/// Whether a stream that failed for this reason may be continued: not after a provider refusal, nor after the
/// deadline.
pub(super) const fn may_continue(failure: &Failure) -> bool {
    matches!(
        failure.reason,
        Reason::Network | Reason::Truncated | Reason::Timeout | Reason::Server | Reason::Overloaded
    ) && !failure.is_gateway_limit
}

/// Whether the interrupted target itself may continue: only if the network path to it failed.
pub(super) const fn may_continue_on_same_target(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::Network | Reason::Truncated)
}
