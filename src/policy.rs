//! Owns the decisions about waits, cooldowns and retries. Pure: time and random numbers are parameters.

pub mod affinity;
pub mod backoff;
pub mod cooldown;
pub mod retry;
