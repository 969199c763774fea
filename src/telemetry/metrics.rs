//! Metrics for Prometheus. Requests are counted as each ends; the state of the gateway is read at each scrape.
//!
//! Names and units follow Prometheus' conventions. Every label has few values, whatever clients send: see
//! `names` for models. Metrics do not distinguish clients; the usage database does.

mod cost;
pub mod family;
pub mod gauges;
mod model_labels;
mod process;
mod series;
#[cfg(test)]
mod tests;

use prometheus::{HistogramVec, IntCounterVec, Registry, TextEncoder};

use self::cost::CostCounter;
use self::gauges::GaugeSnapshot;
use self::model_labels::{ModelLabels, OTHER_MODEL};
use self::series::Series;
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptOutcome, Record};

/// The type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The model label if no target answered.
const NO_MODEL: &str = "none";

/// All of them, in a registry of their own.
pub struct Metrics {
    /// A definition that the crate rejects is reported to the scraper. It does not stop the gateway from
    /// serving.
    counters: Result<RequestCounters, prometheus::Error>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { counters: RequestCounters::new() }
    }
}

impl Metrics {
    /// These references are configured: they have a label of their own from their first attempt on.
    pub fn register_models<'r>(&self, references: impl IntoIterator<Item = &'r str>) {
        if let Ok(counted) = &self.counters {
            counted.labels.register(references);
        }
    }

    /// A request is over.
    pub fn record(&self, record: &Record) {
        if let Ok(counted) = &self.counters {
            counted.record_request(record);
        }
    }

    /// A request was refused before the relay saw it. `reason` is a word of ours, so there are few.
    pub fn record_rejection(&self, reason: &'static str) {
        if let Ok(counted) = &self.counters {
            counted.rejections.add(&[reason], 1);
        }
    }

    /// All metrics, in Prometheus' text format 0.0.4.
    ///
    /// # Errors
    /// When the crate rejects a definition, which is a bug in this module.
    pub fn encode(&self, standing: &GaugeSnapshot) -> Result<String, prometheus::Error> {
        let counted = match &self.counters {
            Ok(counted) => counted,
            Err(error) => return Err(prometheus::Error::Msg(error.to_string())),
        };
        let mut families = counted.registry.gather();
        families.extend(standing.build_registry()?.gather());
        families.sort_by(|one, other| one.name().cmp(other.name()));
        TextEncoder::new().encode_to_string(&families)
    }
}

/// What grows with each request.
struct RequestCounters {
    registry: Registry,
    labels: ModelLabels,
    requests: Series<IntCounterVec>,
    duration: Series<HistogramVec>,
    first_byte: Series<HistogramVec>,
    attempts: Series<IntCounterVec>,
    fallbacks: Series<IntCounterVec>,
    tokens: Series<IntCounterVec>,
    reasoning: Series<IntCounterVec>,
    estimated: Series<IntCounterVec>,
    cost: CostCounter,
    rejections: Series<IntCounterVec>,
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
            cost: CostCounter::new(&registry)?,
            rejections: family::REJECTED.counter(&registry)?,
            labels: ModelLabels::default(),
            registry,
        })
    }

    fn record_request(&self, record: &Record) {
        let answered = record.served_by.as_deref().map(|answered| (answered, self.labels.learn(answered)));
        let model = answered.map_or(NO_MODEL, |(_, label)| label);
        self.requests.add(&[record.api.as_str(), model, record.outcome()], 1);
        let stream = if record.is_streaming { "true" } else { "false" };
        self.duration.observe(&[model, stream], record.duration.as_secs_f64());
        if let Some(first_byte) = record.time_to_first_byte {
            self.first_byte.observe(&[model, stream], first_byte.as_secs_f64());
        }
        self.record_fallback(record);
        for attempt in &record.attempts {
            let is_answer = |(answered, _): &(&str, _)| *answered == attempt.reference;
            let label = answered.filter(is_answer).map(|(_, label)| label);
            self.record_attempt(attempt, label.unwrap_or_else(|| self.labels.label(&attempt.reference)));
        }
    }

    /// Another model answered than the first one that was considered.
    fn record_fallback(&self, record: &Record) {
        if let (Some(to), Some(first)) = (&record.served_by, record.attempts.first())
            && *to != first.reference
        {
            let (from, to) = (self.labels.label(&first.reference), self.labels.label(to));
            self.fallbacks.add(&[from, to, first.outcome.as_str()], 1);
        }
    }

    /// `model` is the label of its reference.
    fn record_attempt(&self, attempt: &Attempt, model: &str) {
        let (provider, _) = attempt.reference.split_once('/').unwrap_or((OTHER_MODEL, ""));
        self.attempts.add(&[provider, model, attempt.outcome.as_str()], 1);
        // As in the usage database: an attempt that did not complete but used tokens was paid for in addition
        // to the answer.
        let part = if attempt.outcome == AttemptOutcome::Ok { "answered" } else { "lost" };
        if let Some(usage) = &attempt.usage {
            self.record_usage(model, part, usage);
        }
        if let Some(bill) = &attempt.cost {
            self.cost.add([model, &bill.currency, part], bill.amount);
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
            self.tokens.add(&[model, kind, part], tokens);
            if usage.is_estimated {
                self.estimated.add(&[model, kind], tokens);
            }
        }
        self.reasoning.add(&[model, part], usage.reasoning);
    }
}
