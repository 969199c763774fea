//! What a request was: who asked, which targets were tried and how that ended, what it used.

mod id;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::catalog::ThinkingLevel;
use crate::failure::{Reason, TimeoutKind};
use crate::protocol::amount::Amount;
use crate::protocol::api::Api;
use crate::protocol::error::AttemptSummary;
use crate::protocol::usage::TokenUsage;

pub use id::{InvalidRequestId, RequestId};

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The target answered (or is answering).
    Ok,
    /// It failed.
    Failed(Reason),
    /// It was not tried.
    Skipped(SkipReason),
    /// It was given up while it was silent: another one answered first, or the client went away.
    Cancelled,
}

impl AttemptOutcome {
    /// The word for headers, logs and the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(reason) => reason.as_str(),
            Self::Skipped(skip) => skip.as_str(),
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a target was not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Its provider has no key.
    NoKey,
    /// Its provider does not speak the face that it would be called with.
    ApiNotSupported,
    /// It rests after a failure of this type.
    InCooldown(Reason),
    /// The request holds an image, a video, a document or the like, and the model takes none.
    MediaNotAccepted,
    /// The request certainly does not fit the model's window.
    WindowTooSmall,
    /// The messages exceed what the provider takes in one request.
    MessagesTooLarge,
}

impl SkipReason {
    /// Each kind once.
    const KINDS: [Self; 6] = [
        Self::NoKey,
        Self::ApiNotSupported,
        Self::InCooldown(Reason::Server),
        Self::MediaNotAccepted,
        Self::WindowTooSmall,
        Self::MessagesTooLarge,
    ];

    /// Whether a word of an attempt says that its target was not tried.
    #[must_use]
    pub fn matches_name(word: &str) -> bool {
        Self::KINDS.iter().any(|kind| kind.as_str() == word)
    }

    /// What a request failed of when nothing but this kept it from being served.
    #[must_use]
    pub const fn failure_reason(self) -> Reason {
        match self {
            Self::NoKey => Reason::Auth,
            Self::ApiNotSupported => Reason::Server,
            Self::InCooldown(reason) => reason,
            Self::MediaNotAccepted => Reason::BadRequest,
            Self::WindowTooSmall | Self::MessagesTooLarge => Reason::ContextOverflow,
        }
    }

    /// The word for headers, logs and the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::ApiNotSupported => "face_not_spoken",
            Self::InCooldown(_) => "cooling_down",
            Self::MediaNotAccepted => "media_not_accepted",
            Self::WindowTooSmall => "window_too_small",
            Self::MessagesTooLarge => "messages_too_large",
        }
    }
}

/// Whose figure a cost is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostSource {
    /// Tokens times the catalog's or the configuration's price.
    PriceTable,
    /// The provider told it (OpenRouter's `usage.cost`), which wins.
    Provider,
}

impl CostSource {
    /// The word for the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PriceTable => "price",
            Self::Provider => "provider",
        }
    }
}

/// What an attempt costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptCost {
    /// In `currency`.
    pub amount: Amount,
    /// ISO 4217, of the provider's account; amounts of two currencies are never added.
    pub currency: String,
    /// Whose figure it is.
    pub source: CostSource,
}

/// One try of one target, or why it was not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `provider/model`.
    pub reference: String,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// For people: the failure's message or the reason for the skip. Empty when it succeeded.
    pub detail: String,
    /// The time limit of ours that ended it.
    pub timeout: Option<TimeoutKind>,
    /// From the request read to this try begun.
    pub start_offset: Duration,
    /// From the try begun to its outcome known: of one that answers, the first meaningful byte or the whole answer; of
    /// one that began to and broke off, that.
    pub duration: Duration,
    /// What it used, where it answered or began to; of one that was cancelled an estimate of its prompt.
    pub usage: Option<TokenUsage>,
    /// What that costs; `None` where it used nothing, and where no price is known (a subscription).
    pub cost: Option<AttemptCost>,
}

/// One request, complete, for the journal, the ledger and the metrics.
#[derive(Clone, Debug)]
pub struct Record {
    /// Our id, as in `x-moonrelay-request-id`; it says when the request came.
    pub request_id: RequestId,
    /// When it was read whole.
    pub received_at: SystemTime,
    /// The client's `traceparent` (W3C Trace Context), as it came.
    pub trace_parent: Option<String>,
    /// The client's name from its token, else its User-Agent's product.
    pub client: String,
    /// What the client asked for; empty where it named nothing that can be a model.
    pub requested_model: String,
    /// The protocol that the client speaks.
    pub api: Api,
    /// The protocol in which the target that answered was called.
    pub upstream_api: Option<Api>,
    /// The reference that answered; of several, the last.
    pub served_by: Option<String>,
    /// Every try, in the order in which they ended; the one that answered is the last.
    pub attempts: Vec<Attempt>,
    /// The dialect rules that changed the request, in order, without repetition.
    pub applied_rules: Vec<&'static str>,
    /// What of the request could not be said in another face, by the names of the table of losses, without repetition.
    pub losses: Vec<&'static str>,
    /// How much thinking the request to the target that answered asked for; `None` left it to the model.
    pub thinking: Option<ThinkingLevel>,
    /// Tokens as the client was told them: of an answer that two targets gave, the first prompt and all of the output.
    pub usage: Option<TokenUsage>,
    /// Whether the client asked for a stream.
    pub is_streaming: bool,
    /// From the request read to the first meaningful byte.
    pub time_to_first_byte: Option<Duration>,
    /// From the request read to the end.
    pub duration: Duration,
    /// The client went away before the end.
    pub client_disconnected: bool,
    /// How it ended for the client, when not well.
    pub failure_reason: Option<Reason>,
}

impl Record {
    /// A request that has just been read. Until its end is told its client counts as gone.
    #[must_use]
    pub fn new(request_id: RequestId, client: String, api: Api) -> Self {
        Self {
            request_id,
            received_at: SystemTime::now(),
            trace_parent: None,
            client,
            requested_model: String::new(),
            api,
            upstream_api: None,
            served_by: None,
            attempts: Vec::new(),
            applied_rules: Vec::new(),
            losses: Vec::new(),
            thinking: None,
            usage: None,
            is_streaming: false,
            time_to_first_byte: None,
            duration: Duration::ZERO,
            client_disconnected: true,
            failure_reason: None,
        }
    }

    /// How it ended, in a word for logs, the ledger and the metrics: `ok`, `abandoned` (the client went away), or the
    /// reason of the failure.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self.failure_reason {
            Some(reason) => reason.as_str(),
            None if self.client_disconnected => "abandoned",
            None => "ok",
        }
    }
}

/// A reference as a header may hold it: what is not printable ASCII is percent-encoded.
#[must_use]
pub fn encode_header_value(reference: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() & (byte != b'%');
    // No early return: this way the compiler looks at many bytes at a time.
    if reference.bytes().fold(true, |all, byte| all & plain(byte)) {
        return Cow::Borrowed(reference);
    }
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    Cow::Owned(reference.bytes().map(encode).collect())
}

/// Renders attempts for `x-moonrelay-attempts`: `kimi/kimi-for-coding=rate_limit, openrouter/auto=ok`.
#[must_use]
pub fn render_attempts_header(attempts: &[Attempt]) -> String {
    let mut out = String::with_capacity(attempts.len() * 48);
    for attempt in attempts {
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(&encode_header_value(&attempt.reference));
        out.push('=');
        out.push_str(attempt.outcome.as_str());
    }
    out
}

/// The attempts as an error body tells them.
#[must_use]
pub fn summarize_attempts(attempts: &[Attempt]) -> Vec<AttemptSummary<'_>> {
    attempts
        .iter()
        .map(|attempt| AttemptSummary {
            model: &attempt.reference,
            result: attempt.outcome.as_str(),
            message: &attempt.detail,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::encode_header_value;

    #[test]
    fn headers_hold_printable_ascii_only() {
        assert_eq!(
            encode_header_value("openrouter/moonshotai/kimi-k3:free"),
            "openrouter/moonshotai/kimi-k3:free"
        );
        assert_eq!(encode_header_value("own/bé 100%\n"), "own/b%C3%A9%20100%25%0A");
    }
}
