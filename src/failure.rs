//! The typed reasons why an attempt failed.
//!
//! A [`Failure`] contains its origin, its effect on the target (see [`Reason::cooldown_scope`]) and whether
//! another target can help. It does not choose the status that the client receives.

use std::fmt;
use std::time::Duration;

/// Why an attempt failed. The names are those of `x-moonrelay-attempts`, the request log and the usage
/// database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Too many requests for now.
    RateLimit,
    /// The provider has no capacity for now.
    Overloaded,
    /// A usage window is used up; it opens again by itself.
    Quota,
    /// No money or no membership; a person must act.
    Billing,
    /// The key is wrong, revoked or for another host.
    Auth,
    /// The provider rejects the calling client (Kimi Code's User-Agent check).
    ForbiddenClient,
    /// The provider does not have the model, or this key has no access to it.
    ModelNotFound,
    /// The prompt does not fit the model's window, or the provider's message size limit.
    ContextOverflow,
    /// The provider's moderation rejected the request.
    ContentFilter,
    /// The request is wrong, or breaks a rule of this provider ([`Failure::is_provider_rule`]).
    BadRequest,
    /// A timeout of the gateway or of the provider expired.
    Timeout,
    /// No connection, or it was closed before the response head.
    Network,
    /// The response was interrupted, or ended without a finish reason.
    Truncated,
    /// The provider failed: 5xx, an error object in a 200, an empty or unreadable response.
    Server,
}

/// What a failure puts in cooldown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CooldownScope {
    /// Provider, key and model together.
    Target,
    /// The key, for every model of its provider.
    Key,
    /// The target, for this User-Agent only.
    ClientOnTarget,
    /// No cooldown: the next request may succeed at once.
    None,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::RateLimit,
        Self::Overloaded,
        Self::Quota,
        Self::Billing,
        Self::Auth,
        Self::ForbiddenClient,
        Self::ModelNotFound,
        Self::ContextOverflow,
        Self::ContentFilter,
        Self::BadRequest,
        Self::Timeout,
        Self::Network,
        Self::Truncated,
        Self::Server,
    ];

    /// The name for headers, logs and the usage database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Overloaded => "overloaded",
            Self::Quota => "quota",
            Self::Billing => "billing",
            Self::Auth => "auth",
            Self::ForbiddenClient => "forbidden_client",
            Self::ModelNotFound => "model_not_found",
            Self::ContextOverflow => "context_overflow",
            Self::ContentFilter => "content_filter",
            Self::BadRequest => "bad_request",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Truncated => "truncated",
            Self::Server => "server",
        }
    }

    /// What this reason puts in cooldown (contract 1, Failover).
    #[must_use]
    pub const fn cooldown_scope(self) -> CooldownScope {
        match self {
            Self::RateLimit
            | Self::Overloaded
            | Self::Timeout
            | Self::Network
            | Self::Server
            | Self::Truncated => CooldownScope::Target,
            Self::Auth | Self::Billing | Self::Quota => CooldownScope::Key,
            Self::ForbiddenClient => CooldownScope::ClientOnTarget,
            Self::ContentFilter | Self::ContextOverflow | Self::ModelNotFound | Self::BadRequest => {
                CooldownScope::None
            }
        }
    }

    /// Whether the same target may be retried after a short wait: the failure concerns it alone, and passes.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self.cooldown_scope(), CooldownScope::Target)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A timeout of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutKind {
    /// `failover.timeouts.connectSeconds`.
    Connect,
    /// `failover.timeouts.headSeconds`.
    ResponseHeader,
    /// `failover.timeouts.firstByteSeconds`.
    FirstToken,
    /// `timeoutSeconds` of the provider, instead of `FirstToken`.
    Provider,
    /// `failover.timeouts.idleSeconds`.
    Idle,
    /// `failover.timeouts.totalSeconds`: the deadline of the whole request.
    Total,
}

impl TimeoutKind {
    /// The configuration key.
    const fn setting(self) -> &'static str {
        match self {
            Self::Connect => "failover.timeouts.connectSeconds",
            Self::ResponseHeader => "failover.timeouts.headSeconds",
            Self::FirstToken => "failover.timeouts.firstByteSeconds",
            Self::Provider => "timeoutSeconds of the provider",
            Self::Idle => "failover.timeouts.idleSeconds",
            Self::Total => "failover.timeouts.totalSeconds",
        }
    }

    /// The message of a failure after this timeout.
    #[must_use]
    pub fn message(self, after: Duration) -> String {
        let (seconds, setting) = (after.as_secs_f64(), self.setting());
        match self {
            Self::Connect => format!("no connection within {seconds:.1} s ({setting})"),
            Self::Total => format!("the deadline of the request has passed ({setting})"),
            Self::ResponseHeader | Self::FirstToken | Self::Provider | Self::Idle => {
                format!("nothing within {seconds:.1} s ({setting})")
            }
        }
    }
}

/// One attempt's failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Failure {
    /// Its type.
    pub reason: Reason,
    /// For people, in one line of at most 1,000 characters, without account identifiers and keys.
    pub message: String,
    /// The provider's HTTP status, where there was a response.
    pub status: Option<u16>,
    /// The provider's `error.type` or `error.code`, for the client's error body.
    pub provider_error_type: Option<String>,
    /// The wait that the provider requests (Retry-After, or its message). Not clamped.
    pub retry_after: Option<Duration>,
    /// For a `BadRequest`: the provider's own rule rejected the request, so another provider could serve it
    /// unchanged.
    pub is_provider_rule: bool,
    /// The provider refuses valid requests with this error from time to time: the same target is tried once more.
    pub is_intermittent: bool,
    /// The request's deadline or the memory limit ended it: no target is to blame, and no other can help.
    pub is_gateway_limit: bool,
    /// The timeout that ended it.
    pub timeout: Option<TimeoutKind>,
}

impl Failure {
    /// A failure with only its reason and message.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            status: None,
            provider_error_type: None,
            retry_after: None,
            is_provider_rule: false,
            is_intermittent: false,
            is_gateway_limit: false,
            timeout: None,
        }
    }

    /// A failure because of a timeout.
    #[must_use]
    pub fn timed_out(kind: TimeoutKind, after: Duration) -> Self {
        Self { timeout: Some(kind), ..Self::new(Reason::Timeout, kind.message(after)) }
    }

    /// A request that breaks a rule of this provider; another one may accept it.
    #[must_use]
    pub fn of_provider_rule(message: impl Into<String>) -> Self {
        Self { is_provider_rule: true, ..Self::new(Reason::BadRequest, message) }
    }

    /// Whether the next target may be tried: always, except for an invalid request.
    #[must_use]
    pub const fn allows_failover(&self) -> bool {
        !matches!(self.reason, Reason::BadRequest) || self.is_provider_rule
    }
}
