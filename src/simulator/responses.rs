//! OpenAI's Responses on the wire.

pub(super) mod check;
pub(super) mod error;
pub(super) mod read;
pub(super) mod reply;
pub(super) mod stream;
