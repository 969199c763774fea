//! The record of a request: its client, its attempts and their outcomes, its usage and cost.

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
    /// The target answered, or is answering.
    Ok,
    /// It failed.
    Failed(Reason),
    /// It was not tried.
    Skipped(SkipReason),
    /// Cancelled before it produced output: another attempt responded first, or the client disconnected.
    Cancelled,
}

impl AttemptOutcome {
    /// The name for headers, logs and the usage database.
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
    /// Its provider does not serve the API of the call.
    ApiNotSupported,
    /// It is in cooldown after a failure with this reason.
    InCooldown(Reason),
    /// The request contains an image, a video, a document or similar, which the model does not accept.
    MediaNotAccepted,
    /// The request certainly does not fit the model's window.
    WindowTooSmall,
    /// The messages exceed the provider's limit for one request.
    MessagesTooLarge,
    /// The request restricts providers, their data policy or the price, which only OpenRouter can promise.
    ProviderRestricted,
}

impl SkipReason {
    /// Each kind once.
    const KINDS: [Self; 7] = [
        Self::NoKey,
        Self::ApiNotSupported,
        Self::InCooldown(Reason::Server),
        Self::MediaNotAccepted,
        Self::WindowTooSmall,
        Self::MessagesTooLarge,
        Self::ProviderRestricted,
    ];

    /// Whether the outcome of an attempt means that its target was not tried.
    #[must_use]
    pub fn matches_name(word: &str) -> bool {
        Self::KINDS.iter().any(|kind| kind.as_str() == word)
    }

    /// The failure of a request when this skip was the only obstacle.
    #[must_use]
    pub const fn failure_reason(self) -> Reason {
        match self {
            Self::NoKey => Reason::Auth,
            Self::ApiNotSupported => Reason::Server,
            Self::InCooldown(reason) => reason,
            Self::MediaNotAccepted | Self::ProviderRestricted => Reason::BadRequest,
            Self::WindowTooSmall | Self::MessagesTooLarge => Reason::ContextOverflow,
        }
    }

    /// The name for headers, logs and the usage database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::ApiNotSupported => "face_not_spoken",
            Self::InCooldown(_) => "cooling_down",
            Self::MediaNotAccepted => "media_not_accepted",
            Self::WindowTooSmall => "window_too_small",
            Self::MessagesTooLarge => "messages_too_large",
            Self::ProviderRestricted => "provider_restricted",
        }
    }
}

/// The source of a cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostSource {
    /// Tokens times the catalog's or the configuration's price.
    PriceTable,
    /// Reported by the provider (OpenRouter's `usage.cost`); takes precedence.
    Provider,
}

impl CostSource {
    /// The name for the usage database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PriceTable => "price",
            Self::Provider => "provider",
        }
    }
}

/// The cost of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptCost {
    /// In `currency`.
    pub amount: Amount,
    /// ISO 4217, of the provider's account; amounts of two currencies are never added.
    pub currency: String,
    /// Its source.
    pub source: CostSource,
}

/// One attempt of one target, or why it was not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `provider/model`.
    pub reference: String,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// For people: the failure's message or the reason for the skip. Empty when it succeeded.
    pub detail: String,
    /// The timeout that ended it.
    pub timeout: Option<TimeoutKind>,
    /// From the request to the start of this attempt.
    pub start_offset: Duration,
    /// From the start of the attempt to its known outcome: the first meaningful byte, the whole response, or
    /// the interruption of a started response.
    pub duration: Duration,
    /// The usage, if it responded at least in part; for a cancelled attempt an estimate of its prompt.
    pub usage: Option<TokenUsage>,
    /// The cost; `None` without usage, and when no price is known (a subscription).
    pub cost: Option<AttemptCost>,
}

/// One completed request, for the request log, the usage database and the metrics.
#[derive(Clone, Debug)]
pub struct Record {
    /// The request id, as in `x-moonrelay-request-id`; it contains the time of arrival.
    pub request_id: RequestId,
    /// When it was received.
    pub received_at: SystemTime,
    /// The client's `traceparent` (W3C Trace Context), as received.
    pub trace_parent: Option<String>,
    /// The client's name: that of its token, otherwise its User-Agent's product.
    pub client: String,
    /// The model requested by the client; empty when the request names no valid model.
    pub requested_model: String,
    /// The client's API.
    pub api: Api,
    /// The API in which the target that answered was called.
    pub upstream_api: Option<Api>,
    /// The reference that answered last.
    pub served_by: Option<String>,
    /// All attempts, in the order in which they ended; a successful one is the last.
    pub attempts: Vec<Attempt>,
    /// The provider rules that changed the request, in order, each once.
    pub applied_rules: Vec<&'static str>,
    /// The translation losses, by their names in the loss table, each once.
    pub losses: Vec<&'static str>,
    /// The thinking level of the request to the target that served it; `None` left it to the model.
    pub thinking: Option<ThinkingLevel>,
    /// The tokens as reported to the client. For a response from two targets: the first prompt and all of the
    /// output.
    pub usage: Option<TokenUsage>,
    /// Whether the client requested a stream.
    pub is_streaming: bool,
    /// From the request to the first meaningful byte.
    pub time_to_first_byte: Option<Duration>,
    /// From the request to the end.
    pub duration: Duration,
    /// The client disconnected before the end.
    pub client_disconnected: bool,
    /// The reason of the failure that the client received.
    pub failure_reason: Option<Reason>,
}

impl Record {
    /// The record of a new request. Its client counts as disconnected until the end is recorded.
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

    /// The outcome for logs, the usage database and the metrics: `ok`, `abandoned` (the client disconnected),
    /// or the failure reason.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self.failure_reason {
            Some(reason) => reason.as_str(),
            None if self.client_disconnected => "abandoned",
            None => "ok",
        }
    }
}

/// A model reference as a header value: bytes other than printable ASCII are percent-encoded.
#[must_use]
pub fn encode_header_value(reference: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() & (byte != b'%');
    // No early return, so that the compiler vectorises the loop.
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

/// The attempts as shown in an error body.
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

/// Milliseconds since 1970; zero for earlier times.
#[must_use]
pub fn to_unix_millis(at: std::time::SystemTime) -> u64 {
    let since = at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::encode_header_value;

    #[test]
    fn headers_contain_printable_ascii_only() {
        assert_eq!(
            encode_header_value("openrouter/moonshotai/kimi-k3:free"),
            "openrouter/moonshotai/kimi-k3:free"
        );
        assert_eq!(encode_header_value("own/bé 100%\n"), "own/b%C3%A9%20100%25%0A");
    }
}
