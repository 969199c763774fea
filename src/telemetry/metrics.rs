//! Metrics for Prometheus. Requests are counted as each ends; the state of the gateway is read at each scrape.
//!
//! Names and units follow Prometheus' conventions. Every label has few values, whatever clients send: see
//! `model_labels`. Metrics do not distinguish clients; the usage database does.

pub mod family;
mod model_labels;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use prometheus::Registry;
use prometheus::{CounterVec, HistogramVec, IntCounterVec, TextEncoder};

use self::model_labels::{ModelLabels, OTHER_MODEL};
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptOutcome, Record};

/// The type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The number of definitions in [`family::ALL`] that requests change.
#[cfg(test)]
pub(crate) const REQUEST_FAMILIES: usize = 10;

/// The model label if no target answered.
const NO_MODEL: &str = "none";

/// All metrics, in a registry of their own.
pub struct Metrics {
    /// A definition that the crate rejects is reported to the scraper. It does not stop the gateway from
    /// serving.
    counters: Result<RequestCounters, prometheus::Error>,
    /// Requests whose spans were lost. The trace exporter counts them.
    pub traces_dropped: Arc<AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { counters: RequestCounters::new(), traces_dropped: Arc::default() }
    }
}

impl Metrics {
    /// Registers configured references: they have a label of their own from their first attempt on.
    pub fn register_models<'r>(&self, references: impl IntoIterator<Item = &'r str>) {
        if let Ok(counters) = &self.counters {
            counters.labels.register(references);
        }
    }

    /// Counts a finished request.
    pub fn record(&self, record: &Record) {
        if let Ok(counters) = &self.counters {
            counters.record_request(record);
        }
    }

    /// Counts a request that was rejected before routing. `reason` is a constant, so there are few.
    pub fn record_rejection(&self, reason: &'static str) {
        if let Ok(counters) = &self.counters {
            counters.rejections.with_label_values(&[reason]).inc();
        }
    }

    /// All metrics, and those of another registry, in Prometheus' text format 0.0.4.
    ///
    /// # Errors
    /// When the crate rejects a definition, which is a bug in this module.
    pub fn encode(&self, gauges: &Registry) -> Result<String, prometheus::Error> {
        let counters = match &self.counters {
            Ok(counters) => counters,
            Err(error) => return Err(prometheus::Error::Msg(error.to_string())),
        };
        let mut families = counters.registry.gather();
        families.extend(gauges.gather());
        families.sort_by(|one, other| one.name().cmp(other.name()));
        TextEncoder::new().encode_to_string(&families)
    }
}

/// Metrics that requests change.
struct RequestCounters {
    registry: Registry,
    labels: ModelLabels,
    requests: IntCounterVec,
    duration: HistogramVec,
    first_byte: HistogramVec,
    attempts: IntCounterVec,
    fallbacks: IntCounterVec,
    tokens: IntCounterVec,
    reasoning: IntCounterVec,
    estimated: IntCounterVec,
    cost: CounterVec,
    rejections: IntCounterVec,
}

impl RequestCounters {
    fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        Ok(Self {
            requests: family::REQUESTS.counter(&registry)?,
            duration: family::DURATION.histogram(&registry)?,
            first_byte: family::FIRST_BYTE.histogram(&registry)?,
            attempts: family::ATTEMPTS.counter(&registry)?,
            fallbacks: family::FALLBACKS.counter(&registry)?,
            tokens: family::TOKENS.counter(&registry)?,
            reasoning: family::REASONING_TOKENS.counter(&registry)?,
            estimated: family::ESTIMATED_TOKENS.counter(&registry)?,
            cost: family::COST.float_counter(&registry)?,
            rejections: family::REJECTED.counter(&registry)?,
            labels: ModelLabels::default(),
            registry,
        })
    }

    fn record_request(&self, record: &Record) {
        let served_by = record.served_by.as_deref();
        let model = served_by.map_or(NO_MODEL, |reference| self.labels.learn(reference));
        self.requests.with_label_values(&[record.api.as_str(), model, record.outcome()]).inc();
        let stream = if record.is_streaming { "true" } else { "false" };
        self.duration.with_label_values(&[model, stream]).observe(record.duration.as_secs_f64());
        if let Some(first_byte) = record.time_to_first_byte {
            self.first_byte.with_label_values(&[model, stream]).observe(first_byte.as_secs_f64());
        }
        if let (Some(to), Some(first)) = (served_by, record.attempts.first())
            && to != first.reference
        {
            let labels = [self.labels.label(&first.reference), self.labels.label(to), first.outcome.as_str()];
            self.fallbacks.with_label_values(&labels).inc();
        }
        for attempt in &record.attempts {
            self.record_attempt(attempt);
        }
    }

    fn record_attempt(&self, attempt: &Attempt) {
        let model = self.labels.label(&attempt.reference);
        let (provider, _) = attempt.reference.split_once('/').unwrap_or((OTHER_MODEL, ""));
        self.attempts.with_label_values(&[provider, model, attempt.outcome.as_str()]).inc();
        // As in the usage database: an attempt that did not complete but used tokens was paid for in addition
        // to the answer.
        let part = if attempt.outcome == AttemptOutcome::Ok { "answered" } else { "lost" };
        if let Some(usage) = &attempt.usage {
            self.record_usage(model, part, usage);
        }
        if let Some(cost) = &attempt.cost {
            self.cost.with_label_values(&[model, &cost.currency, part]).inc_by(cost.amount.as_f64());
        }
    }

    fn record_usage(&self, model: &str, part: &str, usage: &TokenUsage) {
        let kinds = [
            ("input", usage.input),
            ("output", usage.output),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write),
        ];
        for (kind, tokens) in kinds {
            self.tokens.with_label_values(&[model, kind, part]).inc_by(tokens);
            if usage.is_estimated {
                self.estimated.with_label_values(&[model, kind]).inc_by(tokens);
            }
        }
        self.reasoning.with_label_values(&[model, part]).inc_by(usage.reasoning);
    }
}
