//! Moonrelay: a local LLM gateway. It sends each request to Kimi and fails over to the next model of the chain.
//!
//! A request passes through these modules in order, and its response in reverse: [`gateway`] → [`routing`] →
//! [`provider`] → [`upstream`]; [`stream`] passes the response on. See `docs/explanation/architecture.md`.
//!
//! The order of this list is part of the architecture: a module imports only modules above it.

pub mod failure;
pub mod secret;
pub mod credentials;
pub mod protocol;
pub mod service;
pub mod catalog;
pub mod record;
pub mod config;
pub mod provider;
pub mod upstream;
pub mod state;
pub mod usage;
pub mod telemetry;
pub mod stream;
pub mod routing;
pub mod assistant;
pub mod doctor;
pub mod dashboard;
pub mod gateway;
pub mod runtime;
pub mod cli;
