//! Moonrelay: a local LLM gateway. It sends each request to Kimi and fails over to the next model of the chain.
//!
//! A request passes through these modules in order, and its response in reverse: [`gateway`] → [`routing`] →
//! [`provider`] → [`upstream`]. See `docs/explanation/architecture.md`.

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
