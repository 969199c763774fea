//! The outcome of a request or a turn: events, attempts, usage and failures.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::assistant::transcript::{AnswerCosts, AnswerUsage, Currency, StopReason};
use crate::config::settings::{Reference, Settings};
use crate::failure::Reason;
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptCost, CostSource, Record};

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
    /// ISO 4217, of `spent.cost`.
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

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestOutcome {
    /// The target that answered, or began to.
    pub(super) answered_by: Option<Reference>,
    /// The API format of the call, as named in the configuration.
    pub(super) api: Option<String>,
    /// Every attempt.
    pub(super) attempts: Vec<AttemptUsage>,
    /// `ok`, `abandoned`, or the reason of the failure; empty where it is not known.
    pub(super) outcome: String,
}

/// One attempt and its usage.
#[derive(Clone, Debug)]
pub(super) struct AttemptUsage {
    pub(super) attempt: TurnAttempt,
    pub(super) usage: Option<TokenUsage>,
    pub(super) bill: Option<AttemptCost>,
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

    /// The reason of the failure, if known: its outcome, else that of the first attempt.
    pub(super) fn reason(&self) -> Option<Reason> {
        let by_word = |word: &str| Reason::ALL.into_iter().find(|reason| reason.as_str() == word);
        by_word(&self.outcome).or_else(|| self.attempts.iter().find_map(|used| by_word(&used.attempt.result)))
    }
}

impl AttemptUsage {
    fn from_attempt(attempt: &Attempt) -> Option<Self> {
        let attempt_result = TurnAttempt {
            target: Reference::parse(&attempt.reference)?,
            result: attempt.outcome.as_str().to_owned(),
            detail: attempt.detail.clone(),
            duration: attempt.duration,
        };
        Some(Self { attempt: attempt_result, usage: attempt.usage, bill: attempt.cost.clone() })
    }

    fn from_error_line(model: &str, result: &str, detail: &str) -> Option<Self> {
        let (result, detail) = (result.to_owned(), detail.to_owned());
        let attempt_result =
            TurnAttempt { target: Reference::parse(model)?, result, detail, duration: Duration::ZERO };
        Some(Self { attempt: attempt_result, usage: None, bill: None })
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

/// Adds up.
#[derive(Clone, Debug, Default)]
pub(super) struct UsageTotals {
    total: Option<AnswerUsage>,
    currency: Option<String>,
}

impl UsageTotals {
    /// Adds the attempts of one request. Attempts abandoned before any output are not counted, because their
    /// usage is a guess. Amounts of two currencies are never added: the currency of the last answer counts.
    pub(super) fn add(&mut self, settings: &Settings, attempts: &[AttemptUsage]) {
        let paid = attempts
            .iter()
            .rev()
            .filter(|used| used.attempt.result == "ok")
            .find_map(|used| used.bill.as_ref());
        if let Some(bill) =
            paid.filter(|bill| self.currency.as_ref().is_some_and(|before| *before != bill.currency))
        {
            self.currency = Some(bill.currency.clone());
            self.total.iter_mut().for_each(|spent| spent.cost = None);
        }
        for used in attempts.iter().filter(|used| used.attempt.result != "cancelled") {
            let Some(usage) = used.usage else { continue };
            let spent = self.total.get_or_insert_default();
            add_tokens(spent, &usage);
            let Some(bill) = &used.bill else { continue };
            let currency = paid.unwrap_or(bill).currency.clone();
            if *self.currency.get_or_insert(currency) != bill.currency {
                continue;
            }
            // What the transcript says of the currency is all that a session's total has to go by.
            let Some(currency) = Currency::parse(&bill.currency) else { continue };
            let costs = spent.cost.get_or_insert(AnswerCosts { currency, ..AnswerCosts::default() });
            add_costs(costs, settings, &used.attempt.target, &usage, bill.amount, bill.source);
        }
    }

    /// `None` if the usage is unknown.
    pub(super) const fn total(&self) -> Option<AnswerUsage> {
        self.total
    }

    /// ISO 4217, if a cost is known.
    pub(super) fn currency(&self) -> Option<String> {
        self.currency.clone().filter(|_| self.total.is_some_and(|spent| spent.cost.is_some()))
    }
}

fn add_tokens(spent: &mut AnswerUsage, usage: &TokenUsage) {
    let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
    add(&mut spent.input, usage.input);
    add(&mut spent.output, usage.output);
    add(&mut spent.cache_read, usage.cache_read);
    add(&mut spent.cache_write, usage.cache_write);
    spent.total_tokens = spent
        .input
        .saturating_add(spent.output)
        .saturating_add(spent.cache_read)
        .saturating_add(spent.cache_write);
}

/// By the price where one is known; the total is what the record says.
fn add_costs(
    costs: &mut AnswerCosts,
    settings: &Settings,
    target: &Reference,
    usage: &TokenUsage,
    total: Amount,
    pricing: CostSource,
) {
    let model =
        settings.providers.get(&target.provider).and_then(|provider| provider.find_model(&target.model));
    if let Some(price) = model.and_then(|model| model.model.prices).filter(|price| {
        // Another price than the record was made with would not add up.
        pricing == CostSource::Provider || price.compute_cost(usage) == total
    }) {
        costs.input = costs.input.saturating_add(Amount::from_tokens(usage.input, price.input));
        costs.output = costs.output.saturating_add(Amount::from_tokens(usage.output, price.output));
        costs.cache_read =
            costs.cache_read.saturating_add(Amount::from_tokens(usage.cache_read, price.cache_read));
        costs.cache_write =
            costs.cache_write.saturating_add(Amount::from_tokens(usage.cache_write, price.cache_write));
    }
    costs.total = costs.total.saturating_add(total);
}
