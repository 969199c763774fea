//! Faults: the requests that they apply to, and their effects.

pub(crate) mod kind;
pub(crate) mod spec;
pub(crate) mod queue;
pub(crate) mod apply;

#[cfg(test)]
mod tests;

pub use crate::fault::kind::{FaultDescription, list_faults};
pub use crate::fault::spec::{Fault, FaultError};
