//! What is answered, whatever face asked: a request in one shape, and the answer to it.
//!
//! The providers' own services work like that: their other faces are translated to Chat Completions, as texts such as
//! `reasoning_content is missing in assistant tool call message` on the Messages face show. So the shape is that of chat.

pub(super) mod answer;
pub(super) mod event;
pub(super) mod order;
pub(super) mod request;
pub(super) mod sample;

use super::face::Face;
use super::provider::Provider;
use super::roster::Model;

/// What every object of one answer repeats.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Who answers.
    pub(super) provider: Provider,
    /// In which protocol.
    pub(super) face: Face,
    /// With which model.
    pub(super) model: &'static Model,
    /// The model id of the answer: the requested one, which Kimi Code echoes even when it is an alias.
    pub(super) shown: String,
    /// `chatcmpl-…`, `msg_…`, `resp_…`, or `gen-…` on all faces of OpenRouter.
    pub(super) id: String,
    /// Unix time, seconds.
    pub(super) created: u64,
}

impl Exchange {
    /// US dollars for the prompt and for the completion, to the millionth.
    pub(super) fn cost(&self, usage: &answer::Usage) -> (f64, f64) {
        let [hit, miss, output] = self.model.price;
        let cost = |tokens: u64, price: f64| (tokens as f64 * price).round() / 1e6;
        let prompt = cost(usage.cached, hit) + cost(usage.prompt - usage.cached, miss);
        (prompt, cost(usage.completion, output))
    }
}
