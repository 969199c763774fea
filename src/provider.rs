//! What is peculiar to one provider: how its requests must look, what its answers and errors mean. Pure functions.
//!
//! A provider's file (`moonshot`, `kimi_code`, `openrouter`, `generic`) says which rules hold for it, in which
//! order; the rules themselves stand under [`rewrite`], one file per meaning, and what refusals mean under [`classify`].

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
