//! Wire formats of clients and providers: bytes and their spans. No I/O, no async, no dependency on other
//! modules.

pub mod amount;
pub mod api;
pub mod chunk;
pub mod edit;
pub mod error;
pub mod event_template;
pub mod json;
pub mod memory_budget;
pub mod object;
pub mod request;
pub mod sse;
pub mod template_learner;
pub mod translate;
pub mod usage;
