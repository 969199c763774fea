//! The three APIs of clients and providers: bytes and their spans. No I/O, no async, no dependency on other modules.
//!
//! [`request`] indexes a body, [`edit`] changes spans of it. [`translate`] converts between APIs: `chat`, `messages`
//! and `responses` read into [`model`] and write from it.

pub mod amount;
pub mod api;
pub mod json;
pub mod memory_budget;
pub mod sse;

pub mod edit;
pub mod object;

mod writer;

pub mod error;
pub mod request;
pub mod usage;

pub mod model;

mod codec;

pub mod chat;
mod messages;
mod responses;

pub mod translate;
