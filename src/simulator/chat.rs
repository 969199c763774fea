//! A chat completion on the wire.

pub(super) mod response;
pub(super) mod stream;
