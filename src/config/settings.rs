//! Validated settings.

mod origin;
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

pub use super::lookup::{Lookup, MatchKind};
pub use super::nearest::find_nearest;
pub use origin::SecretOrigin;
pub use warning::{Missing, NO_STATE_DIRECTORY, SecretsFileProblem, Warning, WarningKind, unconfigured};

/// `provider/model`, split at the first slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// A provider's id.
    pub provider: String,
    /// A model's id, which may hold slashes itself.
    pub model: String,
}

impl Reference {
    /// Splits `provider/model`; `None` without a slash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (provider, model) = text.split_once('/')?;
        Some(Self { provider: provider.to_owned(), model: model.to_owned() })
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

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
    /// The key; empty where the provider takes none ([`Auth::None`]).
    pub secret: Secret,
    /// Where it was found.
    pub origin: SecretOrigin,
}

impl ProviderKey {
    /// Whether its beginning says that it is one of Kimi Code, which Moonshot's platform refuses, as Kimi Code does its
    /// keys (Kimi Code's console; keys of the platform begin with `sk-` and anything else).
    #[must_use]
    pub fn is_kimi_code_key(&self) -> bool {
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

/// One provider, ready to be called, or off with the reason.
#[derive(Clone)]
pub struct Provider {
    /// Its id in references.
    pub id: String,
    /// Whose peculiarities it has.
    pub adapter: AdapterId,
    /// Base URL of each API that it serves, without a trailing slash; the first is the preferred one.
    pub apis: Vec<(Api, String)>,
    /// In the order in which they are tried. Empty: see `off`. With [`Auth::None`] one empty key.
    pub keys: Vec<ProviderKey>,
    /// How a key is sent.
    pub auth: Auth,
    /// Where its login is kept; only with [`Auth::Login`].
    pub login_file: Option<LoginFile>,
    /// Why it cannot be called; `None` when it can.
    pub disabled_reason: Option<String>,
    /// Headers for every model.
    pub headers: Vec<Header>,
    /// Models by id.
    pub models: BTreeMap<String, Arc<ProviderModel>>,
    /// Whether any model id is accepted.
    pub accepts_any_model: bool,
    /// Figures for models that do not say.
    pub model_defaults: ModelDefaults,
    /// What is sent for old model ids.
    pub model_renames: BTreeMap<String, String>,
    /// `timeoutSeconds`: replaces the first-byte limit for this provider.
    pub first_token_timeout: Option<Duration>,
    /// Rewrite every tool-call id to letters and digits.
    pub sanitize_tool_call_ids: bool,
    /// ISO 4217, for costs.
    pub currency: String,
    /// Whether the configuration names it.
    pub is_configured: bool,
}

impl Provider {
    /// Every secret that a call of this provider may carry: its keys, and the headers that the configuration sets.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let keys = self.keys.iter().map(|key| &key.secret);
        keys.chain(self.headers.iter().map(|header| &header.value))
    }

    /// A redactor of these secrets, for the output of this provider.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.secrets())
    }
}

/// `contextWindow` and `maxTokens` of a provider, in tokens: they fill what neither a row nor the catalog says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelDefaults {
    /// Prompt and answer together.
    pub context_window: Option<u64>,
    /// The largest answer.
    pub max_tokens: Option<u64>,
}

impl ModelDefaults {
    /// Fills what the facts leave open.
    pub fn fill_missing(self, facts: &mut ModelInfo) {
        facts.context_window = facts.context_window.or(self.context_window);
        facts.max_tokens = facts.max_tokens.or(self.max_tokens);
    }
}

/// One model of a provider, with its settings from the configuration.
#[derive(Clone)]
pub struct ProviderModel {
    /// Catalog facts, the user's figures over them.
    pub model: ModelInfo,
    /// Headers for this model; they win over the provider's.
    pub headers: Vec<Header>,
    /// `models.providers.<id>.models[].params`, then `agents.defaults.models.<ref>.params` over it.
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

/// A requested name or glob, and what answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// As written: a name, or a glob with `*`.
    pub pattern: String,
    /// What it leads to.
    pub chain: Chain,
}

/// `failover`.
#[derive(Clone, Debug, PartialEq)]
pub struct FailoverSettings {
    /// Tries of one target for transient causes.
    pub attempts_per_target: u32,
    /// First wait.
    pub initial_backoff: Duration,
    /// Longest wait.
    pub max_backoff: Duration,
    /// Cooldown after the first, second, … failure in a row.
    pub cooldown_steps: Vec<Duration>,
    /// Cooldown of a key without money.
    pub billing_cooldown: Duration,
    /// To connect.
    pub connect_timeout: Duration,
    /// From the request sent to the response head.
    pub response_header_timeout: Duration,
    /// From the request sent to the first meaningful event; the whole answer when it is not streamed.
    pub first_token_timeout: Duration,
    /// Between bytes of a stream.
    pub idle_timeout: Duration,
    /// All of a request, every attempt included; `None` is without limit.
    pub total_timeout: Option<Duration>,
    /// `returnToPrimary: "session"`: a conversation stays on its fallback until that is in cooldown. Otherwise
    /// it returns as soon as the primary's cooldown ends.
    pub keeps_fallback_for_session: bool,
    /// `hedgeAfterMs`.
    pub hedge_after: Option<Duration>,
    /// `midStream: "continue"`.
    pub continues_interrupted_streams: bool,
    /// After this, a waiting stream gets its head and comments.
    pub keep_alive_interval: Duration,
}

impl Default for FailoverSettings {
    fn default() -> Self {
        Self {
            attempts_per_target: 2,
            initial_backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(2),
            cooldown_steps: vec![Duration::from_secs(30), Duration::from_mins(1), Duration::from_mins(5)],
            billing_cooldown: Duration::from_mins(10),
            connect_timeout: Duration::from_secs(10),
            response_header_timeout: Duration::from_mins(1),
            first_token_timeout: Duration::from_mins(5),
            idle_timeout: Duration::from_mins(2),
            total_timeout: None,
            keeps_fallback_for_session: false,
            hedge_after: None,
            continues_interrupted_streams: true,
            keep_alive_interval: Duration::from_secs(15),
        }
    }
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
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
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
    #[must_use]
    pub const fn is_local_only(&self) -> bool {
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

/// Of a whole answer this much is held, in bytes: a million output tokens are about 4 MB, images far more.
pub const MAX_BUFFERED_RESPONSE: usize = 64 << 20;

/// `gateway`.
#[derive(Clone)]
pub struct GatewaySettings {
    /// 0 picks a free one.
    pub port: u16,
    /// Where.
    pub bind: Bind,
    /// Client name and token; if empty, no token is required.
    pub tokens: Vec<(String, Secret)>,
    /// Largest request body in bytes.
    pub body_limit: usize,
    /// Whether the file is watched.
    pub is_reload_enabled: bool,
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
    #[must_use]
    pub fn buffer_memory_limit(&self) -> usize {
        self.body_limit.saturating_mul(4).max(MAX_BUFFERED_RESPONSE)
    }

    /// Checks that the gateway may start on this bind, which may require a token.
    ///
    /// # Errors
    /// A message for the user, with the fix.
    pub fn check_bind(&self, bind: &Bind) -> Result<(), String> {
        if let Some(refusal) = &self.start_error {
            return Err(refusal.clone());
        }
        if self.tokens.is_empty() && !bind.is_local_only() {
            return Err(format!("bind \"{bind}\" can be reached from elsewhere: set gateway.auth.token"));
        }
        Ok(())
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            port: 1969,
            bind: Bind::Loopback,
            tokens: Vec::new(),
            body_limit: 64 << 20,
            is_reload_enabled: true,
            has_public_metrics: true,
            start_error: None,
        }
    }
}

/// `logging`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Whether prompts and answers may be logged.
    pub logs_content: bool,
}

impl Default for LoggingSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), logs_content: false }
    }
}

/// `usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageSettings {
    /// `store: "sqlite"`: records are kept.
    pub is_enabled: bool,
    /// For how many days.
    pub retention_days: u32,
}

impl Default for UsageSettings {
    fn default() -> Self {
        Self { is_enabled: true, retention_days: 90 }
    }
}

/// `plugins.entries.moonshot.config.webSearch`, with what it leaves out.
#[derive(Clone)]
pub struct WebSearchSettings {
    /// Whether the configuration speaks of it: then models may search in `agent` and `chat`.
    pub is_configured: bool,
    /// In the order in which they are tried; a refused one leads to the next. Empty: it cannot search, see `off`.
    pub keys: Vec<ProviderKey>,
    /// Why the key is missing, for the user, with the fix.
    pub disabled_reason: Option<String>,
    /// Without a trailing slash.
    pub base_url: String,
    /// The catalog's provider whose prices and facts hold there: `moonshot` or `moonshot-cn`.
    pub provider: String,
    /// A model id of that host.
    pub model: String,
    /// Whether the configuration names it; otherwise another one may replace it when it is gone.
    pub is_model_configured: bool,
    /// For one request to the model.
    pub timeout: Duration,
}

/// Everything, checked.
#[derive(Clone)]
pub struct Settings {
    /// The file that it was read from; `None` without one.
    pub path: Option<PathBuf>,
    /// Other files that it was read with, or would have been were they there: of secrets, and of logins.
    pub watched_files: Vec<PathBuf>,
    /// By id.
    pub providers: BTreeMap<String, Arc<Provider>>,
    /// Other ids that mean a provider.
    pub provider_aliases: BTreeMap<String, String>,
    /// In lower case.
    pub aliases: BTreeMap<String, Reference>,
    /// Exact names first, then globs by length, longest first.
    pub routes: Vec<Route>,
    /// What answers when nothing else is said; empty references when no provider has a key.
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
    /// All of them.
    pub warnings: Vec<Warning>,
}
