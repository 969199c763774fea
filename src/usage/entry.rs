//! One request as the ledger has it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::protocol::usage::Usage;
use crate::record::{Attempt, Bill, Outcome, Record, RequestId, Skip};

/// A word of headers and logs; a store gives back those of an older version, too.
pub type Word = Cow<'static, str>;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As in `x-moonrelay-request-id`; it says when the request came.
    pub request_id: RequestId,
    /// Who asked.
    pub client: String,
    /// What was asked for; empty where nothing was named that can be a model.
    pub requested: String,
    /// The client's protocol: `openai-completions`, `openai-responses` or `anthropic-messages`.
    pub face: Word,
    /// The protocol in which the target that answered was called.
    pub called: Option<Word>,
    /// The reference that answered.
    pub answered: Option<String>,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// How much thinking was asked for.
    pub thinking: Option<Word>,
    /// `ok`, `abandoned` (the client went away), or the reason of the failure.
    pub outcome: Word,
    /// From the request read to the first meaningful byte.
    pub first_byte: Option<Duration>,
    /// From the request read to the end.
    pub took: Duration,
    /// The dialect rules that changed it.
    pub rules: Vec<Word>,
    /// What of it another face could not say.
    pub dropped: Vec<Word>,
    /// Every try, and every target that was passed over.
    pub attempts: Vec<Try>,
}

/// One try of one target, or why it was not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// A provider's id.
    pub provider: String,
    /// A model's id.
    pub model: String,
    /// `ok`, a reason of a failure, why it was passed over, or `cancelled`.
    pub outcome: Word,
    /// For people; empty when it succeeded.
    pub detail: String,
    /// From the request read to this try begun.
    pub began: Duration,
    /// From the try begun to its outcome known.
    pub took: Duration,
    /// What it used.
    pub usage: Option<Usage>,
    /// What that costs.
    pub bill: Option<Bill>,
}

impl From<Record> for Entry {
    /// A request that is over, or as far as it has come.
    fn from(record: Record) -> Self {
        let words = |words: Vec<&'static str>| words.into_iter().map(Cow::Borrowed).collect();
        Self {
            outcome: record.outcome().into(),
            request_id: record.request_id,
            client: record.client,
            requested: record.requested,
            face: record.face.api().into(),
            called: record.called.map(|face| face.api().into()),
            answered: record.answered,
            streamed: record.streamed,
            thinking: record.thinking.map(|level| level.as_str().into()),
            first_byte: record.first_byte,
            took: record.took,
            rules: words(record.rules),
            dropped: words(record.dropped),
            attempts: record.attempts.into_iter().map(Try::from).collect(),
        }
    }
}

impl From<Attempt> for Try {
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
            began: attempt.began,
            took: attempt.took,
            usage: attempt.usage,
            bill: attempt.bill,
        }
    }
}

impl Entry {
    /// When it came.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.request_id.moment()
    }
}

impl Try {
    /// Whether the client was answered by it to the end. What else used tokens was paid for beside that.
    #[must_use]
    pub fn answered(&self) -> bool {
        has_answered(&self.outcome)
    }
}

/// Whether the word of an attempt says that it answered.
pub(super) fn has_answered(outcome: &str) -> bool {
    outcome == Outcome::Ok.as_str()
}

/// Whether it says that the target was called, whatever came of it.
pub(super) fn was_tried(outcome: &str) -> bool {
    !Skip::says(outcome)
}

/// Whether it says that the target was called and failed.
pub(super) fn has_failed(outcome: &str) -> bool {
    was_tried(outcome) && !has_answered(outcome) && outcome != Outcome::Cancelled.as_str()
}
