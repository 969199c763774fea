//! The Responses API.

pub(super) mod read_content;
pub(super) mod read_items;
pub(super) mod read_parameters;
pub(super) mod read_request;
pub(super) mod read_tools;
pub(super) mod write_items;
pub(super) mod write_request;
