//! Validated settings: the only part of the configuration that the gateway itself reads.

mod reference;
mod warning;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::catalog::{AdapterId, ModelInfo, ThinkingLevel};
use crate::credentials::LoginFile;
use crate::protocol::api::Api;
use crate::secret::{Redactor, Secret};

pub use super::keys::LoggingSettings;
pub(crate) use super::nearest::find_nearest;
pub use reference::{Reference, SecretOrigin};
pub(super) use warning::NO_STATE_DIRECTORY;
pub use warning::{Missing, SecretsFileProblem, Warning, WarningKind};

/// A header that the configuration sets.
#[derive(Clone)]
pub struct Header {
    /// In lower case.
    pub name: http::HeaderName,
    /// It may hold a key.
    pub value: Secret,
}

/// One key of a provider.
#[derive(Clone)]
pub struct ProviderKey {
    /// Empty if the provider needs no key ([`Auth::None`]).
    pub secret: Secret,
    /// Where it was found.
    pub origin: SecretOrigin,
}

impl ProviderKey {
    /// Whether it is a key of Kimi Code, by its prefix (Kimi Code's console). Moonshot's platform rejects those, and
    /// Kimi Code rejects the platform's.
    pub(crate) fn is_kimi_code_key(&self) -> bool {
        self.secret.expose().starts_with("sk-kimi-")
    }
}

/// How a provider's key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// As the API requires: `Authorization: Bearer`, or `x-api-key` for Messages of Kimi Code and of a generic provider.
    ByApi,
    /// Always as `Authorization: Bearer`.
    Bearer,
    /// Not at all: a server on this machine that needs no key.
    None,
    /// A login. Its access token changes, so `upstream::oauth` looks it up just before a call. Until then the
    /// provider's one key is the id of the login, which is never sent.
    Login,
}

/// One provider that can be called, or is disabled with the reason.
#[derive(Clone)]
pub struct Provider {
    /// Its id in references.
    pub id: String,
    /// The provider adapter.
    pub adapter: AdapterId,
    /// Base URL of each API that it serves, without a trailing slash; the first is the preferred one.
    pub apis: Vec<(Api, String)>,
    /// In the order in which they are tried. If empty, see `disabled_reason`. One empty key with [`Auth::None`].
    pub keys: Vec<ProviderKey>,
    /// How a key is sent.
    pub auth: Auth,
    /// The file of its login; only with [`Auth::Login`].
    pub login_file: Option<LoginFile>,
    /// Why it cannot be called; `None` if it can.
    pub disabled_reason: Option<String>,
    /// Headers for every model.
    pub headers: Vec<Header>,
    /// Models by id.
    pub models: BTreeMap<String, Arc<ProviderModel>>,
    /// Whether any model id is accepted.
    pub accepts_any_model: bool,
    /// For models without limits of their own.
    pub model_defaults: ModelDefaults,
    /// Old model ids, and the ids that are sent instead.
    pub model_renames: BTreeMap<String, String>,
    /// `timeoutSeconds`: replaces `FailoverSettings::first_token_timeout`.
    pub first_token_timeout: Option<Duration>,
    /// Whether every tool-call id is replaced with letters and digits.
    pub sanitize_tool_call_ids: bool,
    /// Of costs, ISO 4217.
    pub currency: String,
    /// Whether the configuration names it.
    pub is_configured: bool,
}

impl Provider {
    /// Every secret that a call of this provider may carry: its keys, and the headers that the configuration sets.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let keys = self.keys.iter().map(|key| &key.secret);
        keys.chain(self.headers.iter().map(|header| &header.value))
    }

    /// A redactor of these secrets, for the output of this provider.
    pub(crate) fn redactor(&self) -> Redactor {
        Redactor::new(self.secrets())
    }
}

/// `contextWindow` and `maxTokens` of a provider, in tokens, for models that have none in the file or the catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelDefaults {
    /// Prompt and answer together.
    pub context_window: Option<u64>,
    /// The largest answer.
    pub max_tokens: Option<u64>,
}

impl ModelDefaults {
    /// Sets the limits that a model does not have.
    pub fn fill_missing(self, model: &mut ModelInfo) {
        model.context_window = model.context_window.or(self.context_window);
        model.max_tokens = model.max_tokens.or(self.max_tokens);
    }
}

/// One model of a provider, with its settings from the configuration.
#[derive(Clone)]
pub struct ProviderModel {
    /// Facts of the catalog, merged with the file's settings.
    pub model: ModelInfo,
    /// They replace the provider's.
    pub headers: Vec<Header>,
    /// `models.providers.<id>.models[].params`, merged with `agents.defaults.models.<ref>.params`, which win.
    pub params: Map<String, Value>,
    /// Whether the model came from the configuration.
    pub is_configured: bool,
}

/// A primary and its fallbacks, without repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// In the order in which they are tried; never empty.
    pub references: Vec<Reference>,
}

/// A requested name or glob, and its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// As written: a name, or a glob with `*`.
    pub pattern: String,
    /// The models that serve it.
    pub chain: Chain,
}

/// How a requested name was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchKind {
    /// It is an alias.
    Alias,
    /// It is a reference.
    Reference,
    /// A route matched; its pattern.
    Route(String),
    /// It is `default`, the chain of `agents.defaults.model`.
    Default,
    /// Only one provider has a model of this id.
    BareId,
}

/// The models that a requested name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It was found.
    Resolved {
        /// How it was found.
        matched_by: MatchKind,
        /// The named model, then the fallbacks of its chain, else of `default`. Empty only for `default` when no
        /// provider has a key.
        chain: Chain,
    },
    /// It was not found.
    Unknown {
        /// At most three names that would be found, the nearest first.
        nearest: Vec<String>,
    },
}

/// `failover`.
#[derive(Clone, Debug, PartialEq)]
pub struct FailoverSettings {
    /// Attempts for one target after transient failures.
    pub attempts_per_target: u32,
    /// First delay between attempts.
    pub initial_backoff: Duration,
    /// Longest delay between attempts.
    pub max_backoff: Duration,
    /// Cooldown after the first, second, … failure in a row.
    pub cooldown_steps: Vec<Duration>,
    /// Cooldown of a key whose account has no credit.
    pub billing_cooldown: Duration,
    /// To connect.
    pub connect_timeout: Duration,
    /// From the request sent to the response head.
    pub response_header_timeout: Duration,
    /// From the request sent to the first token, or to the end of a response that is not streamed.
    pub first_token_timeout: Duration,
    /// Between bytes of a stream.
    pub idle_timeout: Duration,
    /// For a request with all attempts; `None` sets no limit.
    pub total_timeout: Option<Duration>,
    /// `returnToPrimary: "session"`: a conversation stays on its fallback until that is in cooldown. Otherwise
    /// it returns as soon as the primary's cooldown ends.
    pub keeps_fallback_for_session: bool,
    /// `hedgeAfterMs`.
    pub hedge_after: Option<Duration>,
    /// `midStream: "continue"`.
    pub continues_interrupted_streams: bool,
    /// Interval of comments in a stream that waits; the first one sends the head.
    pub keep_alive_interval: Duration,
}

/// Where the gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// 127.0.0.1.
    Loopback,
    /// Every address.
    All,
    /// One address.
    Address(IpAddr),
    /// A UNIX socket.
    Unix(PathBuf),
}

impl Bind {
    /// Reads `loopback`, `all`, an IP address or `unix:PATH`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "loopback" => Some(Self::Loopback),
            "all" => Some(Self::All),
            _ => match text.strip_prefix("unix:") {
                Some("") => None,
                Some(path) => Some(Self::Unix(PathBuf::from(path))),
                None => text.parse().ok().map(Self::Address),
            },
        }
    }

    /// Whether only this machine can reach it.
    pub(crate) const fn is_local_only(&self) -> bool {
        match self {
            Self::Loopback | Self::Unix(_) => true,
            Self::All => false,
            Self::Address(address) => address.is_loopback(),
        }
    }
}

impl std::fmt::Display for Bind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loopback => f.write_str("loopback"),
            Self::All => f.write_str("all"),
            Self::Address(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Limit in bytes for a whole response in memory: a million output tokens are about 4 MB, images far more.
pub const MAX_BUFFERED_RESPONSE: usize = 64 << 20;

/// `gateway`.
#[derive(Clone)]
pub struct GatewaySettings {
    /// 0 picks a free one.
    pub port: u16,
    /// Where it listens.
    pub bind: Bind,
    /// Client names and tokens; if empty, no token is required.
    pub tokens: Vec<(String, Secret)>,
    /// Largest request body in bytes.
    pub body_limit: usize,
    /// Whether the file is watched.
    pub is_reload_enabled: bool,
    /// Threads that serve requests. With one, the runtime is tokio's current-thread runtime.
    pub worker_threads: usize,
    /// Whether `/metrics` needs no token.
    pub has_public_metrics: bool,
    /// Why the gateway must not start with this configuration: a token is required, but its variable or file is
    /// missing.
    pub start_error: Option<String>,
}

impl GatewaySettings {
    /// Memory limit in bytes for the bodies of all active requests, whole responses and the buffered parts of
    /// streams together. It holds four of the largest requests or hundreds of ordinary ones, and is at least
    /// [`MAX_BUFFERED_RESPONSE`].
    pub(crate) fn buffer_memory_limit(&self) -> usize {
        self.body_limit.saturating_mul(4).max(MAX_BUFFERED_RESPONSE)
    }

    /// Checks that the gateway may start on this bind, which may require a token. The error is for the user, with the fix.
    pub(crate) fn check_bind(&self, bind: &Bind) -> Result<(), String> {
        if let Some(refusal) = &self.start_error {
            return Err(refusal.clone());
        }
        if self.tokens.is_empty() && !bind.is_local_only() {
            return Err(format!(
                "bind \"{bind}\" can be reached from other machines: set gateway.auth.token"
            ));
        }
        Ok(())
    }
}

/// `usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageSettings {
    /// `store: "sqlite"`: records are kept.
    pub is_enabled: bool,
    /// How many days records are kept.
    pub retention_days: u32,
}

/// `plugins.entries.moonshot.config.webSearch`, with defaults.
#[derive(Clone)]
pub struct WebSearchSettings {
    /// Whether the file configures it: then models may search in `agent` and `chat`.
    pub is_configured: bool,
    /// In the order in which they are tried: after a rejected key the next. If empty, see `disabled_reason`.
    pub keys: Vec<ProviderKey>,
    /// Why there is no key, with the fix.
    pub disabled_reason: Option<String>,
    /// Without a trailing slash.
    pub base_url: String,
    /// The catalog's provider whose prices apply: `moonshot` or `moonshot-cn`.
    pub provider: String,
    /// A model id of that host.
    pub model: String,
    /// Whether the file names it. Otherwise its successor replaces it when it is retired.
    pub is_model_configured: bool,
    /// Timeout of one request to the model.
    pub timeout: Duration,
}

/// All settings.
#[derive(Clone)]
pub struct Settings {
    /// The file; `None` without one.
    pub path: Option<PathBuf>,
    /// Other files whose changes matter, existing or not: secrets and logins.
    pub watched_files: Vec<PathBuf>,
    /// By id.
    pub providers: BTreeMap<String, Arc<Provider>>,
    /// Other ids that mean a provider.
    pub provider_aliases: BTreeMap<String, String>,
    /// In lower case.
    pub aliases: BTreeMap<String, Reference>,
    /// Exact names first, then globs by length, longest first.
    pub routes: Vec<Route>,
    /// The chain `default`; without references when no provider has a key.
    pub default_chain: Chain,
    /// `agents.defaults.thinkingDefault`.
    pub default_thinking: Option<ThinkingLevel>,
    /// `failover`.
    pub failover: FailoverSettings,
    /// `gateway`.
    pub gateway: GatewaySettings,
    /// `logging`.
    pub logging: LoggingSettings,
    /// `usage`.
    pub usage: UsageSettings,
    /// `telemetry.otlp.endpoint`.
    pub otlp_endpoint: Option<String>,
    /// Kimi's web search.
    pub web_search: WebSearchSettings,
    /// `agents.defaults.workspace`, with `~` expanded.
    pub workspace: Option<PathBuf>,
    /// In the order in which they were found.
    pub warnings: Vec<Warning>,
}
