//! The OpenAI Responses API.

pub(super) mod decoder;
pub(super) mod encoder;
mod item;
mod output;
pub(super) mod read_request;
pub(super) mod write_request;
