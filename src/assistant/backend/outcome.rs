//! The outcome of a request, from its record, the gateway's JSON of it, or the response headers.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::assistant::turn::TurnAttempt;
use crate::config::settings::Reference;
use crate::failure::Reason;
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptCost, CostSource, Record};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in crate::assistant) struct RequestOutcome {
    /// The target that answered, or began to.
    pub(in crate::assistant) answered_by: Option<Reference>,
    /// The API format of the call, as named in the configuration.
    pub(in crate::assistant) api: Option<String>,
    /// Every try.
    pub(in crate::assistant) attempts: Vec<AttemptUsage>,
    /// `ok`, `abandoned`, or the reason of the failure; empty where it is not known.
    pub(in crate::assistant) outcome: String,
}

/// One try, and what it used.
#[derive(Clone, Debug)]
pub(in crate::assistant) struct AttemptUsage {
    pub(in crate::assistant) attempt: TurnAttempt,
    pub(in crate::assistant) usage: Option<TokenUsage>,
    pub(in crate::assistant) bill: Option<AttemptCost>,
}

impl RequestOutcome {
    /// Of a record.
    pub(super) fn from_record(record: &Record) -> Self {
        Self {
            answered_by: record.served_by.as_deref().and_then(Reference::parse),
            api: record.upstream_api.map(|face| face.as_str().to_owned()),
            attempts: record.attempts.iter().filter_map(AttemptUsage::from_attempt).collect(),
            outcome: record.outcome().to_owned(),
        }
    }

    /// Of the head of an answer.
    pub(super) fn from_head(model: Option<&str>, attempts: &[Attempt]) -> Self {
        let attempts = attempts.iter().filter_map(AttemptUsage::from_attempt).collect();
        Self { answered_by: model.and_then(Reference::parse), attempts, ..Self::default() }
    }

    /// Of `x-moonrelay-model` and `x-moonrelay-attempts`.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let listed = text("x-moonrelay-attempts").unwrap_or_default().split(", ");
        let attempts = listed.filter_map(|one| {
            let (model, result) = one.rsplit_once('=')?;
            AttemptUsage::from_error_line(model, result, "")
        });
        let answered_by = text("x-moonrelay-model").and_then(Reference::parse);
        Self { answered_by, attempts: attempts.collect(), ..Self::default() }
    }

    /// Of what `GET /requests/{id}` answers.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let attempts = value.get("attempts")?.as_array()?;
        Some(Self {
            answered_by: text("answered").and_then(Reference::parse),
            api: text("called").map(str::to_owned),
            attempts: attempts.iter().filter_map(AttemptUsage::from_json).collect(),
            outcome: text("outcome")?.to_owned(),
        })
    }

    /// Adds the attempts that an error body lists, where none are known.
    pub(super) fn add_error_attempts(&mut self, attempts: &Value) {
        if !self.attempts.iter().all(|used| used.attempt.detail.is_empty()) {
            return;
        }
        let Some(lines) = attempts.as_array().filter(|lines| !lines.is_empty()) else { return };
        let read = |line: &Value| {
            let text = |key: &str| line.get(key).and_then(Value::as_str);
            AttemptUsage::from_error_line(
                text("model")?,
                text("result")?,
                text("message").unwrap_or_default(),
            )
        };
        self.attempts = lines.iter().filter_map(read).collect();
    }

    /// What it failed of, as far as it is known: its outcome, else what the first try failed of.
    pub(in crate::assistant) fn reason(&self) -> Option<Reason> {
        let by_word = |word: &str| Reason::ALL.into_iter().find(|reason| reason.as_str() == word);
        by_word(&self.outcome).or_else(|| self.attempts.iter().find_map(|used| by_word(&used.attempt.result)))
    }
}

impl AttemptUsage {
    fn from_attempt(attempt: &Attempt) -> Option<Self> {
        let tried = TurnAttempt {
            target: Reference::parse(&attempt.reference)?,
            result: attempt.outcome.as_str().to_owned(),
            detail: attempt.detail.clone(),
            duration: attempt.duration,
        };
        Some(Self { attempt: tried, usage: attempt.usage, bill: attempt.cost.clone() })
    }

    fn from_error_line(model: &str, result: &str, detail: &str) -> Option<Self> {
        let (result, detail) = (result.to_owned(), detail.to_owned());
        let tried =
            TurnAttempt { target: Reference::parse(model)?, result, detail, duration: Duration::ZERO };
        Some(Self { attempt: tried, usage: None, bill: None })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let mut used =
            Self::from_error_line(text("model")?, text("result")?, text("detail").unwrap_or_default())?;
        used.attempt.duration = Duration::from_secs_f64(
            value.get("tookMs").and_then(Value::as_f64).filter(|ms| (0.0..1e12).contains(ms)).unwrap_or(0.0)
                / 1e3,
        );
        used.usage = value.get("usage").and_then(parse_usage);
        used.bill = parse_bill(value);
        Some(used)
    }
}

fn parse_usage(value: &Value) -> Option<TokenUsage> {
    let members = value.as_object()?;
    let count = |key: &str| members.get(key).and_then(Value::as_u64).unwrap_or(0);
    Some(TokenUsage {
        input: count("input"),
        output: count("output"),
        cache_read: count("cacheRead"),
        cache_write: count("cacheWrite"),
        reasoning: count("reasoning"),
        is_estimated: members.get("estimated").and_then(Value::as_bool).unwrap_or(false),
        cost: None,
    })
}

fn parse_bill(value: &Value) -> Option<AttemptCost> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let amount = Amount::parse(&value.get("cost")?.as_number()?.to_string())?;
    let pricing = match text("pricing") {
        Some("provider") => CostSource::Provider,
        _ => CostSource::PriceTable,
    };
    Some(AttemptCost { amount, currency: text("currency")?.to_owned(), source: pricing })
}
