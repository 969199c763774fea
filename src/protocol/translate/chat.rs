//! The Chat Completions API.

pub(super) mod read_content;
pub(super) mod read_parameters;
pub(super) mod read_request;
pub(super) mod write_request;
