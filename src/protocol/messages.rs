//! The Anthropic Messages API.

mod blocks;
pub(super) mod decoder;
pub(super) mod encoder;
pub(super) mod read_request;
pub(super) mod write_request;
