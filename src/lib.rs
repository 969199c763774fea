//! Moonrelay: a personal LLM gateway. Kimi answers first; when it cannot, the next model of the chain does.
//!
//! A request goes one way through these rooms and its answer comes back the same way:
//! [`gateway`] → [`routing`] → [`provider`] → [`upstream`]. `docs/explanation/architecture.md` draws it.

pub mod assistant;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod failure;
pub mod future;
pub mod gateway;
pub mod policy;
pub mod protocol;
pub mod provider;
pub mod record;
pub mod routing;
pub mod runtime;
pub mod secret;
pub mod service;
pub mod simulator;
pub mod telemetry;
pub mod upstream;
pub mod usage;
