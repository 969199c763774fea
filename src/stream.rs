//! Owns one response on its way to the client: reads events, counts tokens, translates, keeps the connection
//! alive, and splices a second stream onto an interrupted one.
//!
//! It must not know routes, targets or cooldowns. [`crate::routing`] opens each stream and feeds it to a [`Pump`].

mod chunks;
mod meter;
mod splice;
#[cfg(test)]
mod tests;
mod translator;
mod encoder;
mod body;
mod pump;

pub use body::{ClientStream, StreamBody};
pub use chunks::{Timeout, budget_exceeded, read_within_budget};
pub use encoder::ClientEncoder;
pub use meter::{InterruptedUsage, estimate_event_usage, estimate_usage, measure_usage};
pub use pump::{OpenStream, Pump, PumpFailure};
pub use splice::{
    ContinuationSupport, Interrupted, ResumeBuffer, ResumeConditions, SpliceStage, Splicer, may_continue,
    may_continue_on_same_target,
};
pub use translator::{ResponseTranslator, build_echo};
