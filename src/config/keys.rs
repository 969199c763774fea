//! Every configuration key, declared once. The JSON Schema, the reference page, validation and the resolved
//! settings are derived from these types; doc comments are the descriptions that users read.

mod values;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::ThinkingLevel;
use crate::protocol::api::Api;

pub(super) use values::{
    Bounded, Elements, Entries, Keys, Milliseconds, Price, Seconds, SecretSetting, SecretSource, Tokens,
    valid_elements,
};

/// The whole file.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ConfigFile {
    /// URL of this schema, for editors.
    #[serde(rename = "$schema")]
    schema: Option<String>,
    /// Variables for ${VAR}; `vars` holds more. They never override the process environment.
    #[schemars(schema_with = "variables")]
    pub(super) env: Map<String, Value>,
    /// Default models and parameters.
    pub(super) agents: Agents,
    /// Providers, models and routes.
    pub(super) models: Models,
    /// Retries, failover, timeouts and cooldowns.
    pub(super) failover: Failover,
    /// Where the gateway listens, and which clients it accepts.
    pub(super) gateway: Gateway,
    /// The usage database: tokens and cost of each request.
    pub(super) usage: Usage,
    /// Traces.
    pub(super) telemetry: Telemetry,
    /// Logs.
    pub(super) logging: LoggingSettings,
    /// Web search through Kimi.
    pub(super) plugins: Plugins,
    /// Tools of `agent` and `chat`.
    pub(super) tools: Tools,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Agents {
    /// Defaults for every request.
    pub(super) defaults: AgentDefaults,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct AgentDefaults {
    /// The chain `default`: a reference, or a primary with fallbacks.
    pub(super) model: Option<ChainSetting>,
    /// Aliases, and parameters that the client left out, by reference.
    pub(super) models: Entries<ReferenceSettings>,
    /// Thinking level if neither the client nor `params` sets one.
    #[schemars(schema_with = "thinking_level_names")]
    pub(super) thinking_default: Option<String>,
    /// Directory of AGENTS.md, SOUL.md and TOOLS.md: the system prompt of `agent` and `chat`.
    pub(super) workspace: Option<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReferenceSettings {
    /// Another name for the model.
    pub(super) alias: Option<String>,
    /// Request fields; the client's own fields win.
    pub(super) params: Map<String, Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ChainSetting {
    Name(String),
    Chain(ChainLinks),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainLinks {
    /// The reference that is tried first.
    #[schemars(required)]
    pub(super) primary: Option<String>,
    /// References that are tried after it, in this order.
    #[serde(default)]
    pub(super) fallbacks: Elements<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Models {
    /// `merge` with the built-in catalog, or `replace` it.
    pub(super) mode: MergeMode,
    /// Providers by id.
    pub(super) providers: Entries<ProviderSettings>,
    /// Chains by requested name, or glob with `*`. A value is a chain, the name of another route, or a reference.
    pub(super) routes: Entries<ChainSetting>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MergeMode {
    #[default]
    Merge,
    Replace,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ProviderSettings {
    /// URL up to and including `/v1`. Under an id of the catalog it serves every API of that provider, at the
    /// paths of the provider's own host, unless `api` names one.
    pub(super) base_url: Option<String>,
    /// A key, or several that are tried in this order.
    pub(super) api_key: Option<Keys>,
    /// `api-key` sends the key as the API requires, `token` always as a bearer token, `none` sends no key. `oauth`,
    /// for Kimi Code, uses the login of `moonrelay login` instead of `apiKey`.
    pub(super) auth: Option<AuthSetting>,
    /// Send the key as `Authorization: Bearer` for every API.
    pub(super) auth_header: bool,
    /// The preferred API on hosts of the catalog; the only one on other hosts.
    #[schemars(schema_with = "api_names")]
    pub(super) api: Option<String>,
    /// Headers of every request to this provider.
    pub(super) headers: Entries<SecretSetting>,
    /// Replaces `failover.timeouts.firstByteSeconds`.
    pub(super) timeout_seconds: Option<Seconds>,
    /// Context window in tokens, for models that do not set one.
    pub(super) context_window: Option<Tokens>,
    /// Largest response in tokens, for models that do not set one.
    pub(super) max_tokens: Option<Tokens>,
    /// Replace every tool-call id with letters and digits.
    pub(super) sanitize_tool_call_ids: bool,
    /// Allow http:// to another machine.
    pub(super) allow_insecure: bool,
    /// Models, merged over those of the catalog.
    pub(super) models: Option<Elements<ModelSettings>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AuthSetting {
    ApiKey,
    Token,
    #[serde(rename = "oauth")]
    OAuth,
    None,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ModelSettings {
    /// The provider's name for the model.
    #[schemars(required)]
    pub(super) id: Option<String>,
    /// Display name.
    pub(super) name: Option<String>,
    /// Whether the model thinks.
    pub(super) reasoning: Option<bool>,
    /// Accepted input types.
    pub(super) input: Option<Elements<InputType>>,
    /// Per million tokens, in the currency of the provider's account: yuan at `api.moonshot.cn`, else US dollars.
    /// A missing price is the catalog's; without one it is 0.
    pub(super) cost: Option<Cost>,
    /// Prompt and response together, in tokens.
    pub(super) context_window: Option<Tokens>,
    /// Largest response in tokens.
    pub(super) max_tokens: Option<Tokens>,
    /// Headers of every request to this model; they replace the provider's.
    #[serde(default)]
    pub(super) headers: Entries<SecretSetting>,
    /// Request fields; the client's own fields win.
    #[serde(default)]
    pub(super) params: Map<String, Value>,
    /// How an OpenAI-compatible server differs from OpenAI.
    pub(super) compat: Option<CompatSettings>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum InputType {
    Text,
    Image,
    Video,
    Audio,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Cost {
    /// Uncached input.
    pub(super) input: Option<Price>,
    /// Output, reasoning included.
    pub(super) output: Option<Price>,
    /// Cached input.
    pub(super) cache_read: Option<Price>,
    /// Input written to the cache.
    pub(super) cache_write: Option<Price>,
    /// Input written to the cache for an hour. Default: the price of `cacheWrite`, or the catalog's.
    #[serde(rename = "cacheWrite1h")]
    pub(super) cache_write_1h: Option<Price>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CompatSettings {
    /// Accepts the role `developer`.
    pub(super) supports_developer_role: Option<bool>,
    /// Accepts `stream_options.include_usage`.
    pub(super) supports_usage_in_streaming: Option<bool>,
    /// Accepts `reasoning_effort`.
    pub(super) supports_reasoning_effort: Option<bool>,
    /// Continues a last assistant message: one of the two forms of stream continuation.
    pub(super) supports_prefill: Option<bool>,
    /// Continues an interrupted answer when a message asks for it: the form for models that take no prefill.
    pub(super) continues_on_instruction: Option<bool>,
    /// Accepts `store`.
    pub(super) supports_store: Option<bool>,
    /// Accepts `strict` in tool definitions.
    pub(super) supports_strict_mode: Option<bool>,
    /// Accepts `tools`.
    pub(super) supports_tools: Option<bool>,
    /// Accepts message content only as a string.
    pub(super) requires_string_content: Option<bool>,
    /// Takes `cache_control`. A translated request keeps the client's marks then, and Claude models get marks where the
    /// client's API has none; `false` removes them. Default: over the Messages API, and at OpenRouter.
    pub(super) supports_cache_control: Option<bool>,
    /// Requires `reasoning_content` on assistant messages with tool calls.
    pub(super) requires_reasoning_content_on_assistant_messages: Option<bool>,
    /// Name of the output limit.
    pub(super) max_tokens_field: Option<MaxTokensName>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MaxTokensName {
    MaxCompletionTokens,
    MaxTokens,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Failover {
    /// Attempts for one target after transient failures.
    pub(super) attempts_per_target: Bounded<1, 10, 2>,
    /// Delays between attempts.
    pub(super) backoff: Backoff,
    /// Cooldowns after failures.
    pub(super) cooldown: Cooldown,
    /// Each timeout is separate.
    pub(super) timeouts: Timeouts,
    /// `cooldown`: return when the primary's cooldown ends. `session`: a conversation that failed over stays with
    /// its target until that is in cooldown.
    pub(super) return_to_primary: ReturnToPrimary,
    /// Try the next target in parallel when one has sent nothing for this long; the first response wins.
    #[schemars(extend("nullable" = true))]
    pub(super) hedge_after_ms: Option<Milliseconds>,
    /// Continue an interrupted stream where that is safe, or end it with an error.
    pub(super) mid_stream: MidStream,
    /// Interval of comments in a stream that waits.
    pub(super) keep_alive_seconds: Seconds<15>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Backoff {
    /// The first delay.
    pub(super) initial_ms: Milliseconds<250>,
    /// The longest delay.
    pub(super) max_ms: Milliseconds<2_000>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Cooldown {
    /// After the first, second, … failure in a row.
    #[schemars(length(min = 1))]
    pub(super) steps_seconds: Elements<Seconds>,
    /// For a key whose account has no credit.
    pub(super) billing_seconds: Seconds<600>,
}

impl Default for Cooldown {
    fn default() -> Self {
        let steps_seconds = [30, 60, 300].map(|seconds| Some(Bounded(seconds))).into();
        Self { steps_seconds, billing_seconds: Bounded::default() }
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Timeouts {
    /// To connect.
    pub(super) connect_seconds: Seconds<10>,
    /// To the response head of a stream.
    pub(super) head_seconds: Seconds<60>,
    /// To the first token of a stream, or to the end of a response that is not streamed.
    pub(super) first_byte_seconds: Seconds<300>,
    /// Between bytes of a stream.
    pub(super) idle_seconds: Seconds<120>,
    /// For the request with every attempt; null sets no limit.
    #[schemars(extend("nullable" = true))]
    pub(super) total_seconds: Option<Seconds>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReturnToPrimary {
    #[default]
    Cooldown,
    Session,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MidStream {
    #[default]
    Continue,
    Error,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Gateway {
    /// 0 picks a free port.
    pub(super) port: u16,
    /// `loopback`, `all`, an IP address, or `unix:PATH`.
    pub(super) bind: String,
    /// Client authentication.
    pub(super) auth: ClientAuth,
    /// Largest request body.
    #[serde(rename = "bodyLimitMiB")]
    pub(super) body_limit_mib: Bounded<1, 4_096, 64>,
    /// Watch the file and apply changes.
    pub(super) reload: bool,
    /// Threads that serve requests. A change needs a restart. Default: the machine's cores, at most 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) worker_threads: Option<Bounded<1, 64>>,
    /// The endpoint `/metrics`.
    pub(super) metrics: Metrics,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            port: 1969,
            bind: "loopback".to_owned(),
            auth: ClientAuth::default(),
            body_limit_mib: Bounded::default(),
            reload: true,
            worker_threads: None,
            metrics: Metrics::default(),
        }
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClientAuth {
    /// `none` is possible on loopback addresses and UNIX sockets only.
    pub(super) mode: Option<AuthMode>,
    /// One token for every client.
    pub(super) token: Option<SecretSetting>,
    /// Tokens by client name.
    pub(super) tokens: Entries<SecretSetting>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AuthMode {
    None,
    Token,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    /// Serve it without a token, even if other endpoints require one.
    pub(super) public: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { public: true }
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Usage {
    /// `sqlite` keeps records in the state directory, `none` keeps nothing.
    pub(super) store: UsageBackend,
    /// How many days records are kept.
    pub(super) retention_days: Bounded<1, 36_500, 90>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum UsageBackend {
    #[default]
    Sqlite,
    None,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Telemetry {
    /// OpenTelemetry.
    pub(super) otlp: Otlp,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Otlp {
    /// Base URL of a collector (OTLP over HTTP): `http://127.0.0.1:4318`.
    pub(super) endpoint: Option<String>,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoggingSettings {
    /// Least severity that is logged.
    #[schemars(schema_with = "log_levels")]
    pub level: String,
    /// Log prompts and responses too. Accepted, not implemented yet.
    #[serde(rename = "content")]
    pub logs_content: bool,
}

impl Default for LoggingSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), logs_content: false }
    }
}

fn log_levels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["error", "warn", "info", "debug", "trace"] })
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Plugins {
    /// Plugins by name.
    pub(super) entries: PluginEntries,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PluginEntries {
    /// Kimi.
    pub(super) moonshot: MoonshotPlugin,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MoonshotPlugin {
    /// Settings of the plugin.
    pub(super) config: MoonshotConfig,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MoonshotConfig {
    /// Kimi's web search: `moonrelay web-search`, `POST /v1/search` and the tool `web_search`.
    pub(super) web_search: Option<WebSearch>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebSearch {
    /// A key of Moonshot's platform. Default: KIMI_API_KEY, else MOONSHOT_API_KEY, each unless it is a key of Kimi
    /// Code (`sk-kimi-…`), else the key of the provider at the same host. A configured provider's key is only sent
    /// to that provider's host.
    pub(super) api_key: Option<SecretSetting>,
    /// `https://api.moonshot.ai/v1` or `https://api.moonshot.cn/v1`. Default: the base URL of
    /// `models.providers.moonshot`; with `apiKey` only if that is one of Moonshot's own hosts, else the first.
    pub(super) base_url: Option<String>,
    /// A model id of that host. Default: `kimi-k2.6`, or its successor if the account no longer has it.
    pub(super) model: Option<String>,
    /// For one request to the model. A whole search may take twice as long. Default: 30.
    pub(super) timeout_seconds: Option<Seconds>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tools {
    /// Web tools.
    pub(super) web: WebTools,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WebTools {
    /// Web search.
    pub(super) search: WebSearchTool,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebSearchTool {
    /// The search provider.
    pub(super) provider: Option<SearchProvider>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SearchProvider {
    Kimi,
}

fn variables(_: &mut SchemaGenerator) -> Schema {
    let text = json_schema!({ "type": "string", "writeOnly": true });
    json_schema!({
        "type": "object",
        "properties": { "vars": { "description": "More variables.", "type": "object", "additionalProperties": text } },
        "additionalProperties": text,
    })
}

fn thinking_level_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ThinkingLevel::ALL.map(ThinkingLevel::as_str) })
}

fn api_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Api::ALL.map(Api::as_str) })
}
