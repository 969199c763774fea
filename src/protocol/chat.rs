//! The OpenAI Chat Completions API.

pub mod chunk;
pub(super) mod decoder;
pub(super) mod encoder;
pub(super) mod read_request;
pub(super) mod write_request;
