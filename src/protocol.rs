//! What clients and providers put on the wire: bytes and their spans. No I/O, no async, no rooms of ours.

pub mod alike;
pub mod amount;
pub mod chunk;
pub mod edit;
pub mod error;
pub mod face;
pub mod held;
pub mod json;
pub mod object;
pub mod pattern;
pub mod request;
pub mod sse;
pub mod translate;
pub mod usage;
