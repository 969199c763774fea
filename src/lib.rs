//! Moonrelay: a personal LLM gateway. Kimi answers first; when it cannot, the next model of the chain does.
//!
//! A request goes one way through these rooms and its answer comes back the same way:
//! [`http`] → [`relay`] → [`dialect`] → [`upstream`]. `docs/explanation/architecture.md` draws it.

pub mod agent;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod failure;
pub mod future;
pub mod http;
pub mod ledger;
pub mod login;
pub mod observe;
pub mod policy;
pub mod record;
pub mod relay;
pub mod search;
pub mod secret;
pub mod service;
pub mod simulator;
pub mod upstream;
pub mod wire;
