//! Provider adapters: how requests to one provider must look, and what its answers and errors mean. Pure functions.
//!
//! A provider's file (`moonshot`, `kimi_code`, `openrouter`, `generic`) lists its rules and their order. `rule` has one
//! function per rule, [`rules`] explains each. [`rewrite`], [`classify`] and [`quota`] choose the provider's file.

pub mod rules;
pub mod token_counter;
pub mod unsupported_content;
mod wait_time;

mod errors;
mod rule;

mod anthropic;
mod openai;

mod generic;
mod moonshot;

mod kimi_code;
mod openrouter;

pub mod classify;
pub mod quota;
pub mod rewrite;

pub mod answer;

pub use kimi_code::{KIMI_CODE_MAX_MESSAGE_BYTES, check_message_size, count_message_bytes};
pub use openrouter::find_restriction;
