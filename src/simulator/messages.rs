//! Anthropic's Messages on the wire.

pub(super) mod error;
pub(super) mod request;
pub(super) mod request_rules;
pub(super) mod response;
pub(super) mod stream;
