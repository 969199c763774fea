//! One request as recorded in the usage database.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptCost, AttemptOutcome, Record, RequestId, SkipReason};

/// A word of headers and logs; a store gives back those of an older version, too.
pub type Label = Cow<'static, str>;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEntry {
    /// As in `x-moonrelay-request-id`; it says when the request came.
    pub request_id: RequestId,
    /// The client that sent the request.
    pub client: String,
    /// The requested model. Empty if the request named nothing that can be a model.
    pub requested: String,
    /// The client's protocol: `openai-completions`, `openai-responses` or `anthropic-messages`.
    pub api: Label,
    /// The protocol in which the target that answered was called.
    pub target_api: Option<Label>,
    /// The reference that answered.
    pub answered_by: Option<String>,
    /// Whether the client requested a stream.
    pub is_streamed: bool,
    /// The requested reasoning effort.
    pub thinking: Option<Label>,
    /// `ok`, `abandoned` (the client went away), or the reason of the failure.
    pub outcome: Label,
    /// From the request read to the first meaningful byte.
    pub first_byte: Option<Duration>,
    /// From the request read to the end.
    pub duration: Duration,
    /// The provider rules that changed the request.
    pub rules: Vec<Label>,
    /// Parts of the request that another API format could not express.
    pub losses: Vec<Label>,
    /// Every try, and every target that was passed over.
    pub attempts: Vec<UsageAttempt>,
}

/// One try of one target, or why it was not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageAttempt {
    /// A provider's id.
    pub provider: String,
    /// A model's id.
    pub model: String,
    /// `ok`, a reason of a failure, why it was passed over, or `cancelled`.
    pub outcome: Label,
    /// For people; empty when it succeeded.
    pub detail: String,
    /// From the request read to this try begun.
    pub started_after: Duration,
    /// From the try begun to its outcome known.
    pub duration: Duration,
    /// What it used.
    pub usage: Option<TokenUsage>,
    /// What that costs.
    pub bill: Option<AttemptCost>,
}

impl From<Record> for UsageEntry {
    /// A request that is over, or as far as it has come.
    fn from(record: Record) -> Self {
        let words = |words: Vec<&'static str>| words.into_iter().map(Cow::Borrowed).collect();
        Self {
            outcome: record.outcome().into(),
            request_id: record.request_id,
            client: record.client,
            requested: record.requested_model,
            api: record.api.as_str().into(),
            target_api: record.upstream_api.map(|face| face.as_str().into()),
            answered_by: record.served_by,
            is_streamed: record.is_streaming,
            thinking: record.thinking.map(|level| level.as_str().into()),
            first_byte: record.time_to_first_byte,
            duration: record.duration,
            rules: words(record.applied_rules),
            losses: words(record.losses),
            attempts: record.attempts.into_iter().map(UsageAttempt::from).collect(),
        }
    }
}

impl From<Attempt> for UsageAttempt {
    fn from(attempt: Attempt) -> Self {
        let mut provider = attempt.reference;
        let model = provider.find('/').map(|slash| provider.split_off(slash + 1)).unwrap_or_default();
        if provider.ends_with('/') {
            provider.pop();
        }
        Self {
            provider,
            model,
            outcome: attempt.outcome.as_str().into(),
            detail: attempt.detail,
            started_after: attempt.start_offset,
            duration: attempt.duration,
            usage: attempt.usage,
            bill: attempt.cost,
        }
    }
}

impl UsageEntry {
    /// When it came.
    #[must_use]
    pub fn started_at(&self) -> SystemTime {
        self.request_id.time()
    }
}

impl UsageAttempt {
    /// Whether the client was answered by it to the end. What else used tokens was paid for beside that.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        is_answered_outcome(&self.outcome)
    }
}

/// Whether the word of an attempt says that it answered.
pub(super) fn is_answered_outcome(outcome: &str) -> bool {
    outcome == AttemptOutcome::Ok.as_str()
}

/// Whether it says that the target was called, whatever came of it.
pub(super) fn is_attempted_outcome(outcome: &str) -> bool {
    !SkipReason::matches_name(outcome)
}

/// Whether it says that the target was called and failed.
pub(super) fn is_failed_outcome(outcome: &str) -> bool {
    is_attempted_outcome(outcome)
        && !is_answered_outcome(outcome)
        && outcome != AttemptOutcome::Cancelled.as_str()
}
