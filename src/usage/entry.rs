//! One request as recorded in the usage database.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptCost, AttemptOutcome, Record, RequestId, SkipReason};

/// A constant of headers and logs. A database may contain those of an older version.
pub type Label = Cow<'static, str>;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEntry {
    /// As in `x-moonrelay-request-id`. It contains the time of the request.
    pub request_id: RequestId,
    /// The client that sent the request.
    pub client: String,
    /// The requested model. Empty if the request named none.
    pub requested: String,
    /// The client's API: `openai-completions`, `openai-responses` or `anthropic-messages`.
    pub api: Label,
    /// The API of the target that answered.
    pub target_api: Option<Label>,
    /// The reference that answered.
    pub answered_by: Option<String>,
    /// Whether the client requested a stream.
    pub is_streamed: bool,
    /// The requested reasoning effort.
    pub thinking: Option<Label>,
    /// `ok`, `abandoned` (the client disconnected), or the reason of the failure.
    pub outcome: Label,
    /// From the request read to the first content.
    pub first_byte: Option<Duration>,
    /// From the request read to the end.
    pub duration: Duration,
    /// The provider rules that changed the request.
    pub rules: Vec<Label>,
    /// Parts of the request that another API format could not express.
    pub losses: Vec<Label>,
    /// Every attempt and every skipped target.
    pub attempts: Vec<UsageAttempt>,
}

/// One attempt of one target, or why it was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageAttempt {
    /// The provider's id.
    pub provider: String,
    /// The model's id.
    pub model: String,
    /// `ok`, the reason of the failure, why it was skipped, or `cancelled`.
    pub outcome: Label,
    /// The error message. Empty if the attempt succeeded.
    pub detail: String,
    /// From the request read to the start of this attempt.
    pub started_after: Duration,
    /// From its start to its outcome.
    pub duration: Duration,
    /// The tokens.
    pub usage: Option<TokenUsage>,
    /// The cost.
    pub bill: Option<AttemptCost>,
}

impl From<Record> for UsageEntry {
    /// A finished request, or a running one as far as it has come.
    fn from(record: Record) -> Self {
        let labels = |labels: Vec<&'static str>| labels.into_iter().map(Cow::Borrowed).collect();
        Self {
            outcome: record.outcome().into(),
            request_id: record.request_id,
            client: record.client,
            requested: record.requested_model,
            api: record.api.as_str().into(),
            target_api: record.upstream_api.map(|api| api.as_str().into()),
            answered_by: record.served_by,
            is_streamed: record.is_streaming,
            thinking: record.thinking.map(|level| level.as_str().into()),
            first_byte: record.time_to_first_byte,
            duration: record.duration,
            rules: labels(record.applied_rules),
            losses: labels(record.losses),
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
    /// When the request was read.
    #[must_use]
    pub fn started_at(&self) -> SystemTime {
        self.request_id.time()
    }
}

impl UsageAttempt {
    /// Whether it answered the client completely. Tokens of other attempts are paid for in addition.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        is_answered_outcome(&self.outcome)
    }
}

/// Whether an attempt with this outcome answered.
pub(super) fn is_answered_outcome(outcome: &str) -> bool {
    outcome == AttemptOutcome::Ok.as_str()
}

/// Whether a target with this outcome was called.
pub(super) fn is_attempted_outcome(outcome: &str) -> bool {
    !SkipReason::matches_name(outcome)
}

/// Whether a target with this outcome was called and failed.
pub(super) fn is_failed_outcome(outcome: &str) -> bool {
    is_attempted_outcome(outcome)
        && !is_answered_outcome(outcome)
        && outcome != AttemptOutcome::Cancelled.as_str()
}
