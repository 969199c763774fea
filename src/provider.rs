//! Provider adapters: how requests to one provider must look, and what its responses and errors mean. Pure
//! functions.
//!
//! A provider's file (`moonshot`, `kimi_code`, `openrouter`, `generic`) lists its rules and their order. The
//! rules are in [`rewrite`], one file each. The meaning of error responses is in [`classify`].

pub mod answer;
pub mod classify;
mod generic;
mod kimi_code;
mod moonshot;
mod openrouter;
pub mod quota;
pub mod rewrite;
pub mod token_counter;
pub mod unsupported_content;

pub use kimi_code::{KIMI_CODE_MAX_MESSAGE_BYTES, count_message_bytes};
