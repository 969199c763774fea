//! The answer to a request, independent of the API: one shape for requests and one for answers.
//!
//! The providers' own services work like that: they translate their other APIs to Chat Completions, as texts
//! such as `reasoning_content is missing in assistant tool call message` on the Messages API show. So the shape
//! is that of Chat Completions.

pub(super) mod answer;
pub(super) mod event;
pub(super) mod prompt_command;
pub(super) mod request;
pub(super) mod schema_sample;
pub(super) mod web_search;

use serde_json::Value;

use super::api::Api;
use super::models::SimulatedModel;
use super::provider::Provider;

/// What an answer costs, in millionths of millionths of a US dollar: tokens times the price of a million of them in
/// millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResponseCost {
    /// Of the prompt.
    pub(super) prompt: u64,
    /// Of the completion.
    pub(super) completion: u64,
    /// The cost of both together that the answer reports, where its provider reports one.
    pub(super) reported: u64,
}

impl ResponseCost {
    /// An amount in dollars as a JSON number. Below a thousand dollars it keeps all digits.
    pub(super) fn dollars_from_picos(picos: u64) -> Value {
        (picos as f64 / 1e12).into()
    }
}

/// What every object of one answer repeats.
#[derive(Clone, Debug)]
pub(super) struct ResponseContext {
    /// The provider that answers.
    pub(super) provider: Provider,
    /// In which protocol.
    pub(super) api: Api,
    /// With which model.
    pub(super) model: &'static SimulatedModel,
    /// The model id of the answer: the requested one, which Kimi Code echoes even when it is an alias.
    pub(super) echoed_model: String,
    /// `chatcmpl-…`, `msg_…`, `resp_…`, or `gen-…` on all APIs of OpenRouter.
    pub(super) id: String,
    /// Unix time, seconds.
    pub(super) created: u64,
}

impl ResponseContext {
    /// What an answer costs.
    pub(super) fn cost(&self, usage: &answer::TokenUsage) -> ResponseCost {
        let [hit, miss, output] = self.model.price;
        let prompt = usage.cached * hit + (usage.prompt - usage.cached) * miss;
        let completion = usage.completion * output;
        let told = if self.provider == Provider::OpenRouter { prompt + completion } else { 0 };
        ResponseCost { prompt, completion, reported: told }
    }
}
