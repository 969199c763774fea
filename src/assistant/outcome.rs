//! The outcome of a request or a turn: events, attempts, usage and failures.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::session::SessionError;
use super::transcript::{AnswerCosts, AnswerUsage, Currency, StopReason};
use crate::config::settings::{Reference, Settings};
use crate::failure::Reason;
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{AttemptCost, CostSource, Record};

/// Events of a running turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// A text delta.
    Text(String),
    /// A thinking delta.
    Thinking(String),
    /// A tool call.
    ToolCall {
        /// The tool's name.
        tool: String,
        /// Its arguments, JSON.
        arguments: String,
    },
    /// The answer continues after a tool call, in another request.
    NextRequest,
}

/// One attempt at one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnAttempt {
    /// The target.
    pub target: Reference,
    /// `ok`, or the reason as in `x-moonrelay-attempts`.
    pub result: String,
    /// Message for the user; empty on success.
    pub detail: String,
    /// Duration.
    pub duration: Duration,
}

/// The result of a turn, complete or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnResult {
    /// The target that answered last; `None` if no target answered.
    pub answered_by: Option<Reference>,
    /// The primary of the requested chain.
    pub primary: Option<Reference>,
    /// The attempts of all requests in order.
    pub attempts: Vec<TurnAttempt>,
    /// The text of the last answer.
    pub text: String,
    /// Usage of all the turn's requests.
    pub usage: Option<AnswerUsage>,
    /// ISO 4217, of `usage.cost`.
    pub currency: Option<String>,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Duration.
    pub duration: Duration,
}

impl TurnResult {
    /// Whether a fallback answered.
    #[must_use]
    pub fn is_fallback_used(&self) -> bool {
        self.answered_by.is_some() && self.answered_by != self.primary
    }
}

/// Why a turn has no complete answer.
#[derive(Debug)]
pub struct TurnFailure {
    /// A type as in contract 2's error objects: a failure's reason, `unknown_model`, `thinking_unsupported`,
    /// `no_primary`, `gateway_down`, `session_error`, `aborted` (the user stopped it).
    pub kind: &'static str,
    /// Message for the user, with the fix.
    pub message: String,
    /// The partial result.
    pub result: Option<Box<TurnResult>>,
}

impl TurnFailure {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), result: None }
    }

    pub(super) fn aborted() -> Self {
        Self::new("aborted", "it was stopped")
    }

    pub(super) fn stop_reason(&self) -> StopReason {
        if self.kind == "aborted" { StopReason::Aborted } else { StopReason::Error }
    }
}

impl From<SessionError> for TurnFailure {
    fn from(error: SessionError) -> Self {
        Self::new("session_error", error.to_string())
    }
}

/// The outcome of one request, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestOutcome {
    /// The target that answered, or began to.
    pub(super) answered_by: Option<Reference>,
    /// The API format of the call, as named in the configuration.
    pub(super) api: Option<String>,
    /// Every attempt.
    pub(super) attempts: Vec<AttemptUsage>,
    /// `ok`, `abandoned`, or the reason of the failure; empty if unknown.
    outcome: String,
}

/// One attempt and its usage.
#[derive(Clone, Debug)]
pub(super) struct AttemptUsage {
    pub(super) attempt: TurnAttempt,
    usage: Option<TokenUsage>,
    cost: Option<AttemptCost>,
}

impl RequestOutcome {
    /// From the record of a request.
    pub(super) fn from_record(record: &Record) -> Self {
        let attempts = record.attempts.iter().filter_map(|attempt| {
            let (usage, cost) = (attempt.usage, attempt.cost.clone());
            let result = attempt.outcome.as_str();
            let attempt = TurnAttempt::new(&attempt.reference, result, &attempt.detail, attempt.duration)?;
            Some(AttemptUsage { attempt, usage, cost })
        });
        Self {
            answered_by: record.served_by.as_deref().and_then(Reference::parse),
            api: record.upstream_api.map(|api| api.as_str().to_owned()),
            attempts: attempts.collect(),
            outcome: record.outcome().to_owned(),
        }
    }

    /// From `x-moonrelay-model` and `x-moonrelay-attempts`.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let listed = text("x-moonrelay-attempts").unwrap_or_default().split(", ");
        let attempts = listed.filter_map(|one| {
            let (model, result) = one.rsplit_once('=')?;
            let attempt = TurnAttempt::new(model, result, "", Duration::ZERO)?;
            Some(AttemptUsage { attempt, usage: None, cost: None })
        });
        let answered_by = text("x-moonrelay-model").and_then(Reference::parse);
        Self { answered_by, attempts: attempts.collect(), ..Self::default() }
    }

    /// From the response of `GET /requests/{id}`.
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

    /// The reason of the failure, if known: of the request, else of the first failed attempt.
    pub(super) fn reason(&self) -> Option<Reason> {
        let by_name = |name: &str| Reason::ALL.into_iter().find(|reason| reason.as_str() == name);
        by_name(&self.outcome).or_else(|| self.attempts.iter().find_map(|used| by_name(&used.attempt.result)))
    }
}

impl TurnAttempt {
    fn new(target: &str, result: &str, detail: &str, duration: Duration) -> Option<Self> {
        let target = Reference::parse(target)?;
        Some(Self { target, result: result.to_owned(), detail: detail.to_owned(), duration })
    }
}

impl AttemptUsage {
    fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let detail = text("detail").unwrap_or_default();
        let millis = value.get("tookMs").and_then(Value::as_f64).filter(|ms| (0.0..1e12).contains(ms));
        let duration = Duration::from_secs_f64(millis.unwrap_or_default() / 1e3);
        let attempt = TurnAttempt::new(text("model")?, text("result")?, detail, duration)?;
        let usage = value.get("usage").filter(|usage| usage.is_object()).map(parse_token_usage);
        let amount = value["cost"].as_number().and_then(|number| Amount::parse(&number.to_string()));
        let source = match text("pricing") {
            Some("provider") => CostSource::Provider,
            _ => CostSource::PriceTable,
        };
        let cost = amount.zip(text("currency"));
        let cost =
            cost.map(|(amount, currency)| AttemptCost { amount, currency: currency.to_owned(), source });
        Some(Self { attempt, usage, cost })
    }
}

/// Reads the gateway's JSON of token counts; absent counts are zero.
pub(super) fn parse_token_usage(value: &Value) -> TokenUsage {
    let count = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    TokenUsage {
        input: count("input"),
        output: count("output"),
        cache_read: count("cacheRead"),
        cache_write: count("cacheWrite"),
        cache_write_1h: count("cacheWrite1h"),
        reasoning: count("reasoning"),
        is_estimated: value.get("estimated").and_then(Value::as_bool).unwrap_or(false),
        cost: None,
    }
}

/// Adds the usage of one request's attempts. Attempts abandoned before any output are not counted, because their usage
/// is a guess. Amounts of two currencies are never added: the currency of the last answer counts.
pub(super) fn add_usage(total: &mut Option<AnswerUsage>, settings: &Settings, attempts: &[AttemptUsage]) {
    // A session adds up what its transcript reports, so the currency must be one that it can store.
    let currency_of = |used: &AttemptUsage| Currency::parse(&used.cost.as_ref()?.currency);
    let answered = attempts.iter().rev().filter(|used| used.attempt.result == "ok").find_map(currency_of);
    for used in attempts.iter().filter(|used| used.attempt.result != "cancelled") {
        let Some(usage) = used.usage else { continue };
        let total = total.get_or_insert_default();
        total.add_tokens(&AnswerUsage::from(&usage));
        let (Some(bill), Some(currency)) = (&used.cost, currency_of(used)) else { continue };
        let none = AnswerCosts { currency, ..AnswerCosts::default() };
        total.cost = total.cost.filter(|sum| answered.is_none_or(|answered| sum.currency == answered));
        let counted = answered.or(total.cost.map(|sum| sum.currency)).unwrap_or(currency);
        if counted != currency {
            continue;
        }
        let target = &used.attempt.target;
        let model =
            settings.providers.get(&target.provider).and_then(|known| known.find_model(&target.model));
        // The parts at another price than that of the record would not add up.
        let prices = model.and_then(|model| model.model.prices).filter(|prices| {
            bill.source == CostSource::Provider || prices.compute_cost(&usage) == bill.amount
        });
        let parts = prices.map_or(none, |prices| AnswerCosts::from_prices(&prices, &usage, currency));
        total.cost.get_or_insert(none).add(&AnswerCosts { total: bill.amount, ..parts });
    }
}
