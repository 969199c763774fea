//! What is peculiar to one provider: how its requests must look, what its answers and errors mean. Pure functions.
//!
//! A provider's file (`moonshot`, `kimi_code`, `openrouter`, `generic`) says which rules hold for it, in which
//! order; the rules themselves stand under [`rewrite`], one file per meaning, and what refusals mean under [`classify`].

pub mod answer;
pub mod classify;
pub mod content;
pub mod counting;
mod generic;
mod kimi_code;
mod moonshot;
mod openrouter;
pub mod quota;
pub mod rewrite;

pub use kimi_code::{KIMI_CODE_MESSAGE_LIMIT, message_bytes};
