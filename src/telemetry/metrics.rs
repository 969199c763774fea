//! Metrics for Prometheus: what requests came to is counted as each ends, how the gateway stands is read at each scrape.
//!
//! Names and units are those of Prometheus' conventions. Every label has few values, whatever clients send: see
//! `names` for models; clients are not told apart here, the ledger does that.

mod cost;
pub mod family;
mod names;
mod process;
mod series;
pub mod standing;
#[cfg(test)]
mod tests;

use prometheus::{HistogramVec, IntCounterVec, Registry, TextEncoder};

use self::cost::Cost;
use self::names::{Names, OTHER};
use self::series::Series;
use self::standing::Standing;
use crate::protocol::usage::Usage;
use crate::record::{Attempt, Outcome, Record};

/// The type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// In the place of a model where nobody answered.
const NOBODY: &str = "none";

/// All of them, in a registry of their own.
pub struct Metrics {
    /// A definition that the crate refuses is told to whoever scrapes; it does not keep the gateway from serving.
    counted: Result<Counted, prometheus::Error>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { counted: Counted::new() }
    }
}

impl Metrics {
    /// These references are configured: they have a label of their own from their first attempt on.
    pub fn configured<'r>(&self, references: impl IntoIterator<Item = &'r str>) {
        if let Ok(counted) = &self.counted {
            counted.names.configured(references);
        }
    }

    /// A request is over.
    pub fn note(&self, record: &Record) {
        if let Ok(counted) = &self.counted {
            counted.request(record);
        }
    }

    /// A request was refused before the relay saw it. `reason` is a word of ours, so there are few.
    pub fn refused(&self, reason: &'static str) {
        if let Ok(counted) = &self.counted {
            counted.refused.add(&[reason], 1);
        }
    }

    /// Everything, in Prometheus' text format 0.0.4.
    ///
    /// # Errors
    /// When the crate refuses a definition: a mistake in this room.
    pub fn text(&self, standing: &Standing) -> Result<String, prometheus::Error> {
        let counted = match &self.counted {
            Ok(counted) => counted,
            Err(error) => return Err(prometheus::Error::Msg(error.to_string())),
        };
        let mut families = counted.registry.gather();
        families.extend(standing.registry()?.gather());
        families.sort_by(|one, other| one.name().cmp(other.name()));
        TextEncoder::new().encode_to_string(&families)
    }
}

/// What grows with each request.
struct Counted {
    registry: Registry,
    names: Names,
    requests: Series<IntCounterVec>,
    duration: Series<HistogramVec>,
    first_byte: Series<HistogramVec>,
    attempts: Series<IntCounterVec>,
    fallbacks: Series<IntCounterVec>,
    tokens: Series<IntCounterVec>,
    reasoning: Series<IntCounterVec>,
    estimated: Series<IntCounterVec>,
    cost: Cost,
    refused: Series<IntCounterVec>,
}

impl Counted {
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
            cost: Cost::new(&registry)?,
            refused: family::REFUSED.counter(&registry)?,
            names: Names::default(),
            registry,
        })
    }

    fn request(&self, record: &Record) {
        let answered = record.answered.as_deref().map(|answered| (answered, self.names.learn(answered)));
        let model = answered.map_or(NOBODY, |(_, label)| label);
        self.requests.add(&[record.face.api(), model, record.outcome()], 1);
        let stream = if record.streamed { "true" } else { "false" };
        self.duration.observe(&[model, stream], record.took.as_secs_f64());
        if let Some(first_byte) = record.first_byte {
            self.first_byte.observe(&[model, stream], first_byte.as_secs_f64());
        }
        self.fallback(record);
        for attempt in &record.attempts {
            let is_answer = |(answered, _): &(&str, _)| *answered == attempt.reference;
            let label = answered.filter(is_answer).map(|(_, label)| label);
            self.attempt(attempt, label.unwrap_or_else(|| self.names.label(&attempt.reference)));
        }
    }

    /// Another model answered than the first one that was considered.
    fn fallback(&self, record: &Record) {
        if let (Some(to), Some(first)) = (&record.answered, record.attempts.first())
            && *to != first.reference
        {
            let (from, to) = (self.names.label(&first.reference), self.names.label(to));
            self.fallbacks.add(&[from, to, first.outcome.as_str()], 1);
        }
    }

    /// `model` is the label of its reference.
    fn attempt(&self, attempt: &Attempt, model: &str) {
        let (provider, _) = attempt.reference.split_once('/').unwrap_or((OTHER, ""));
        self.attempts.add(&[provider, model, attempt.outcome.as_str()], 1);
        // As in the ledger: what did not answer to the end and used tokens all the same was paid for beside the answer.
        let part = if attempt.outcome == Outcome::Ok { "answered" } else { "lost" };
        if let Some(usage) = &attempt.usage {
            self.used(model, part, usage);
        }
        if let Some(bill) = &attempt.bill {
            self.cost.add([model, &bill.currency, part], bill.amount);
        }
    }

    fn used(&self, model: &str, part: &str, usage: &Usage) {
        let kinds = [
            ("input", usage.input),
            ("output", usage.output),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write),
        ];
        for (kind, tokens) in kinds {
            self.tokens.add(&[model, kind, part], tokens);
            if usage.estimated {
                self.estimated.add(&[model, kind], tokens);
            }
        }
        self.reasoning.add(&[model, part], usage.reasoning);
    }
}
