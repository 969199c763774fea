//! What became of a request, as its record, the gateway's JSON of it, or the head of its answer tells it.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::assistant::turn::Tried;
use crate::config::settings::Reference;
use crate::failure::Reason;
use crate::protocol::amount::Amount;
use crate::protocol::usage::Usage;
use crate::record::{Attempt, Bill, Pricing, Record};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in crate::assistant) struct Told {
    /// Who answered, or began to.
    pub(in crate::assistant) answered: Option<Reference>,
    /// The face in which it was called, as the configuration names it.
    pub(in crate::assistant) called: Option<String>,
    /// Every try.
    pub(in crate::assistant) attempts: Vec<Used>,
    /// `ok`, `abandoned`, or the reason of the failure; empty where it is not known.
    pub(in crate::assistant) outcome: String,
}

/// One try, and what it used.
#[derive(Clone, Debug)]
pub(in crate::assistant) struct Used {
    pub(in crate::assistant) tried: Tried,
    pub(in crate::assistant) usage: Option<Usage>,
    pub(in crate::assistant) bill: Option<Bill>,
}

impl Told {
    /// Of a record.
    pub(super) fn of(record: &Record) -> Self {
        Self {
            answered: record.answered.as_deref().and_then(Reference::parse),
            called: record.called.map(|face| face.api().to_owned()),
            attempts: record.attempts.iter().filter_map(Used::of).collect(),
            outcome: record.outcome().to_owned(),
        }
    }

    /// Of the head of an answer.
    pub(super) fn of_head(model: Option<&str>, attempts: &[Attempt]) -> Self {
        let attempts = attempts.iter().filter_map(Used::of).collect();
        Self { answered: model.and_then(Reference::parse), attempts, ..Self::default() }
    }

    /// Of `x-moonrelay-model` and `x-moonrelay-attempts`.
    pub(super) fn of_headers(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let listed = text("x-moonrelay-attempts").unwrap_or_default().split(", ");
        let attempts = listed.filter_map(|one| {
            let (model, result) = one.rsplit_once('=')?;
            Used::named(model, result, "")
        });
        let answered = text("x-moonrelay-model").and_then(Reference::parse);
        Self { answered, attempts: attempts.collect(), ..Self::default() }
    }

    /// Of what `GET /requests/{id}` answers.
    pub(super) fn of_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let attempts = value.get("attempts")?.as_array()?;
        Some(Self {
            answered: text("answered").and_then(Reference::parse),
            called: text("called").map(str::to_owned),
            attempts: attempts.iter().filter_map(Used::of_json).collect(),
            outcome: text("outcome")?.to_owned(),
        })
    }

    /// Adds the attempts that an error body lists, where none are known.
    pub(super) fn add_error_lines(&mut self, attempts: &Value) {
        if !self.attempts.iter().all(|used| used.tried.detail.is_empty()) {
            return;
        }
        let Some(lines) = attempts.as_array().filter(|lines| !lines.is_empty()) else { return };
        let read = |line: &Value| {
            let text = |key: &str| line.get(key).and_then(Value::as_str);
            Used::named(text("model")?, text("result")?, text("message").unwrap_or_default())
        };
        self.attempts = lines.iter().filter_map(read).collect();
    }

    /// What it failed of, as far as it is known: its outcome, else what the first try failed of.
    pub(in crate::assistant) fn reason(&self) -> Option<Reason> {
        let by_word = |word: &str| Reason::ALL.into_iter().find(|reason| reason.as_str() == word);
        by_word(&self.outcome).or_else(|| self.attempts.iter().find_map(|used| by_word(&used.tried.result)))
    }
}

impl Used {
    fn of(attempt: &Attempt) -> Option<Self> {
        let tried = Tried {
            target: Reference::parse(&attempt.reference)?,
            result: attempt.outcome.as_str().to_owned(),
            detail: attempt.detail.clone(),
            took: attempt.took,
        };
        Some(Self { tried, usage: attempt.usage, bill: attempt.bill.clone() })
    }

    fn named(model: &str, result: &str, detail: &str) -> Option<Self> {
        let (result, detail) = (result.to_owned(), detail.to_owned());
        let tried = Tried { target: Reference::parse(model)?, result, detail, took: Duration::ZERO };
        Some(Self { tried, usage: None, bill: None })
    }

    fn of_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let mut used = Self::named(text("model")?, text("result")?, text("detail").unwrap_or_default())?;
        used.tried.took = Duration::from_secs_f64(
            value.get("tookMs").and_then(Value::as_f64).filter(|ms| (0.0..1e12).contains(ms)).unwrap_or(0.0)
                / 1e3,
        );
        used.usage = value.get("usage").and_then(usage);
        used.bill = bill(value);
        Some(used)
    }
}

fn usage(value: &Value) -> Option<Usage> {
    let members = value.as_object()?;
    let count = |key: &str| members.get(key).and_then(Value::as_u64).unwrap_or(0);
    Some(Usage {
        input: count("input"),
        output: count("output"),
        cache_read: count("cacheRead"),
        cache_write: count("cacheWrite"),
        reasoning: count("reasoning"),
        estimated: members.get("estimated").and_then(Value::as_bool).unwrap_or(false),
        cost: None,
    })
}

fn bill(value: &Value) -> Option<Bill> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let amount = Amount::read(&value.get("cost")?.as_number()?.to_string())?;
    let pricing = match text("pricing") {
        Some("provider") => Pricing::Provider,
        _ => Pricing::Price,
    };
    Some(Bill { amount, currency: text("currency")?.to_owned(), pricing })
}
