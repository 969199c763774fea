//! Usage of the answers as a provider would bill it, counted here to be compared with what a gateway counted.
//!
//! An answer counts when all figures of its usage were sent. One that ends before that is counted separately,
//! because its usage cannot be known.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::engine::answer::{ResponseContext, TokenUsage};
use crate::provider::{Api, Provider};

/// Decimal places of a cost.
const COST_DECIMALS: usize = 12;

/// What the answers of one model used together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelUsage {
    /// Answers whose usage was sent.
    pub answers: u64,
    /// Tokens of their prompts.
    pub prompt: u64,
    /// Of those, read from the cache.
    pub cached: u64,
    /// Of those, written to the cache; no simulated model does that.
    pub cache_write: u64,
    /// Tokens of output, reasoning included.
    pub completion: u64,
    /// Of those, reasoning.
    pub reasoning: u64,
    /// The cost where the answer reports it, in millionths of millionths of a dollar.
    pub cost: u128,
    /// Answers that began, and whose usage was never sent.
    pub unreported_answers: u64,
}

/// Provider, requested model, API.
type UsageKey = (&'static str, String, &'static str);

/// The usage counters. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct UsageCounters(Arc<Mutex<BTreeMap<UsageKey, ModelUsage>>>);

impl UsageCounters {
    /// An answer in preparation, for a request to this model. Its usage is sent after so many bytes of the
    /// body.
    pub(super) fn start_answer(
        &self,
        exchange: &ResponseContext,
        model: &str,
        usage: TokenUsage,
        behind: Option<usize>,
    ) -> PendingUsage {
        let key = (exchange.provider.as_str(), model.to_owned(), exchange.api.as_str());
        let cost = exchange.cost(&usage);
        PendingUsage {
            counters: self.clone(),
            key,
            usage,
            cost: if exchange.is_openrouter() { cost.0 + cost.1 } else { 0 },
            usage_end: behind,
            sent_bytes: 0,
        }
    }

    /// The counters as JSON.
    pub(super) fn to_json(&self) -> Value {
        let row = |(key, used): (&UsageKey, &ModelUsage)| {
            let (provider, model, api) = key;
            json!({
                "provider": provider,
                "model": model,
                "face": api,
                "answers": used.answers,
                "promptTokens": used.prompt,
                "cachedTokens": used.cached,
                "cacheWriteTokens": used.cache_write,
                "completionTokens": used.completion,
                "reasoningTokens": used.reasoning,
                "cost": format_picos(used.cost),
                "untold": used.unreported_answers,
            })
        };
        json!({ "rows": self.lock().iter().map(row).collect::<Vec<_>>() })
    }

    /// Resets the counters.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The usage of a model's answers on an API.
    pub(super) fn usage_of(&self, provider: Provider, model: &str, api: Api) -> ModelUsage {
        let key = (provider.as_str(), model.to_owned(), api.as_str());
        self.lock().get(&key).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<UsageKey, ModelUsage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The usage of an answer in progress. If it is dropped before the usage was sent, the answer counts as
/// unreported.
pub(super) struct PendingUsage {
    counters: UsageCounters,
    key: UsageKey,
    usage: TokenUsage,
    cost: u64,
    /// The position in the body where the usage ends; none if it is not sent.
    usage_end: Option<usize>,
    sent_bytes: usize,
}

impl PendingUsage {
    /// Counts so many more bytes as sent.
    pub(super) fn add_sent_bytes(&mut self, bytes: usize) {
        self.sent_bytes += bytes;
    }
}

impl Drop for PendingUsage {
    fn drop(&mut self) {
        let mut auth = self.counters.lock();
        let used = auth.entry(std::mem::take(&mut self.key)).or_default();
        if self.usage_end.is_none_or(|behind| self.sent_bytes < behind) {
            used.unreported_answers += 1;
            return;
        }
        used.answers += 1;
        used.prompt += self.usage.prompt;
        used.cached += self.usage.cached;
        used.completion += self.usage.completion;
        used.reasoning += self.usage.reasoning;
        used.cost += u128::from(self.cost);
    }
}

/// All digits of an amount of millionths of millionths.
fn format_picos(picos: u128) -> String {
    let digits = format!("{picos:0>width$}", width = COST_DECIMALS + 1);
    let (whole, part) = digits.split_at(digits.len() - COST_DECIMALS);
    format!("{whole}.{part}")
}
