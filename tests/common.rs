//! Shared parts: the gateway and the providers as processes, and clients that expose every byte.

pub(crate) mod answer;
pub(crate) mod api;
#[cfg(feature = "otel")]
pub(crate) mod collector;
pub(crate) mod gateway;
pub(crate) mod manager;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod reference;
pub(crate) mod reply;
pub(crate) mod scrape;
pub(crate) mod scripted;
pub(crate) mod upstream;

pub(crate) use answer::{Answer, Frames, Said};
pub(crate) use api::Api;
pub(crate) use gateway::{Gateway, Provider, Setup, activated, prompt};
pub(crate) use manager::Manager;
pub(crate) use reply::{Finish, Reply};
pub(crate) use upstream::Upstream;

/// Held by tests that open thousands of connections: together they would exceed the descriptor limit.
pub(crate) static LOAD: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
