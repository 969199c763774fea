//! Owns stream continuation as pure state: the events that the client has, those held back, and the join with
//! another stream.
//!
//! A [`ResumeBuffer`] tracks the first stream. It keeps the released text, and holds back what an interruption
//! would spoil: tool calls until their finish, and half characters. When the stream is interrupted, the buffer
//! becomes an [`Interrupted`], from which the continuation request is made. A [`Splicer`] rewrites the second
//! stream to continue the first.

mod event_content;
mod interruption;
mod resume_buffer;
mod splicer;
#[cfg(test)]
mod tests;

use crate::failure::{Failure, Reason};
use crate::protocol::edit::Segments;

pub(super) use event_content::read_frames;
pub use interruption::{ContinuationSupport, Interrupted, ResumeConditions};
pub use resume_buffer::ResumeBuffer;
pub use splicer::Splicer;

/// The processing of a stream's events before they are sent to the client.
pub enum SpliceStage {
    /// None: this stream cannot be continued.
    Disabled,
    /// The first stream of a response.
    Buffering(Box<ResumeBuffer>),
    /// The continuation of a response.
    Splicing(Box<Splicer>),
}

impl SpliceStage {
    /// Returns the events to send, and the reason if the stream must stop after them.
    pub fn process(&mut self, out: Segments) -> (Segments, Option<Failure>) {
        match self {
            Self::Disabled => (out, None),
            Self::Buffering(buffer) => (buffer.process(out), None),
            Self::Splicing(splicer) => splicer.process(out),
        }
    }
}

/// Whether a stream that failed for this reason may be continued: not after a provider refusal, nor after the
/// deadline.
#[must_use]
pub const fn may_continue(failure: &Failure) -> bool {
    matches!(
        failure.reason,
        Reason::Network | Reason::Truncated | Reason::Timeout | Reason::Server | Reason::Overloaded
    ) && !failure.is_gateway_limit
}

/// Whether the interrupted target itself may continue: only if the network path to it failed.
#[must_use]
pub const fn may_continue_on_same_target(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::Network | Reason::Truncated)
}
