//! A chat completion: what is answered, and its shape on the wire.

pub(super) mod answer;
pub(super) mod order;
pub(super) mod reply;
pub(super) mod request;
pub(super) mod sample;
pub(super) mod stream;

use super::provider::Provider;
use super::roster::Model;

/// What every object of one answer repeats.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Who answers.
    pub(super) provider: Provider,
    /// With which model.
    pub(super) model: &'static Model,
    /// The model id of the answer: the requested one, which Kimi Code echoes even when it is an alias.
    pub(super) shown: String,
    /// `chatcmpl-…` or `gen-…`.
    pub(super) id: String,
    /// Unix time, seconds.
    pub(super) created: u64,
}
