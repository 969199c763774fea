//! When to wait, when to rest a target, when to give up. Pure: the clock and the dice are passed in.

pub mod affinity;
pub mod backoff;
pub mod cooldown;
pub mod retry;
