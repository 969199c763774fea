//! A chat completion on the wire.

pub(super) mod reply;
pub(super) mod stream;
