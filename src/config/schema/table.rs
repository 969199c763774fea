//! Every key of the configuration.

use super::{SchemaKey, ValueShape};

const fn key(name: &'static str, about: &'static str, shape: &'static ValueShape) -> SchemaKey {
    SchemaKey { name, about, shape, is_required: false }
}

const fn required(name: &'static str, about: &'static str, shape: &'static ValueShape) -> SchemaKey {
    SchemaKey { name, about, shape, is_required: true }
}

const FLAG: &ValueShape = &ValueShape::Flag;
const TEXT: &ValueShape = &ValueShape::Text;
const SECRET: &ValueShape = &ValueShape::Secret;
const ANYTHING: &ValueShape = &ValueShape::Anything;
const AMOUNT: &ValueShape = &ValueShape::Amount;
const TEXTS: &ValueShape = &ValueShape::List(TEXT);
const TOKENS: &ValueShape = &ValueShape::Whole { min: 1, max: 1_000_000_000 };
const SECONDS: &ValueShape = &ValueShape::Whole { min: 1, max: 604_800 };
const MILLISECONDS: &ValueShape = &ValueShape::Whole { min: 1, max: 604_800_000 };
const PARAMS: &ValueShape = &ValueShape::Map { keys: "request field", values: ANYTHING };
const HEADERS: &ValueShape = &ValueShape::Map { keys: "header name", values: SECRET };

/// The whole file.
pub static ROOT: ValueShape = ValueShape::Object(&[
    key("$schema", "For editors.", TEXT),
    key("env", "Variables for ${VAR}; `vars` holds more. They never override the process environment.", ENV),
    key("agents", "What answers, and how.", AGENTS),
    key("models", "Providers, models and routes.", MODELS),
    key("failover", "When to try again, when to move on, and for how long to rest.", FAILOVER),
    key("gateway", "Where the gateway listens, and who may call it.", GATEWAY),
    key("usage", "The ledger of tokens and cost.", USAGE),
    key("telemetry", "Traces for a collector.", TELEMETRY),
    key("logging", "The journal.", LOGGING),
    key("plugins", "Web search through Kimi.", PLUGINS),
    key("tools", "Tools of `agent` and `chat`.", TOOLS),
]);

const ENV: &ValueShape = &ValueShape::Variables;

const AGENTS: &ValueShape =
    &ValueShape::Object(&[key("defaults", "For every request that does not say otherwise.", DEFAULTS)]);

const DEFAULTS: &ValueShape = &ValueShape::Object(&[
    key("model", "The chain `default`: a reference, or a primary with fallbacks.", CHAIN),
    key(
        "models",
        "By reference: another name for it, and parameters that fill what a client leaves out.",
        &ValueShape::Map {
            keys: "reference",
            values: &ValueShape::Object(&[
                key("alias", "Another name for the model.", TEXT),
                key("params", "Request fields; a client's own win.", PARAMS),
            ]),
        },
    ),
    key("thinkingDefault", "How much to think where neither the client nor `params` says so.", THINKING),
    key(
        "workspace",
        "Directory of AGENTS.md, SOUL.md and TOOLS.md: the system prompt of `agent` and `chat`.",
        TEXT,
    ),
]);

const THINKING: &ValueShape =
    &ValueShape::Choice(&["off", "minimal", "low", "medium", "high", "xhigh", "max", "adaptive"]);

const CHAIN: &ValueShape = &ValueShape::TextOr(&ValueShape::Object(&[
    required("primary", "The reference that is asked first.", TEXT),
    key("fallbacks", "References that are asked after it, in this order.", TEXTS),
]));

const MODELS: &ValueShape = &ValueShape::Object(&[
    key(
        "mode",
        "`merge` with the built-in catalog, or `replace` it.",
        &ValueShape::Choice(&["merge", "replace"]),
    ),
    key("providers", "By id.", &ValueShape::Map { keys: "provider id", values: PROVIDER }),
    key(
        "routes",
        "Requested name, or glob with `*`, and what answers: a chain, the name of one, or a reference.",
        &ValueShape::Map { keys: "requested name or glob", values: CHAIN },
    ),
]);

const PROVIDER: &ValueShape = &ValueShape::Object(&[
    key(
        "baseUrl",
        "Up to and with `/v1`. Under an id of the catalog every protocol of that provider is looked for there, as its own \
         host lays them out, unless `api` names one.",
        TEXT,
    ),
    key("apiKey", "A key, or several that are tried in this order.", &ValueShape::Secrets),
    key(
        "auth",
        "`api-key` sends the key as the protocol asks, `token` always as a bearer token, `none` sends no key. `oauth`, \
         for Kimi Code: no `apiKey`, but the login of `moonrelay login`.",
        &ValueShape::Choice(&["api-key", "token", "oauth", "none"]),
    ),
    key("authHeader", "Send the key as `Authorization: Bearer`, whatever the protocol asks.", FLAG),
    key(
        "api",
        "The protocol to speak: on hosts of the catalog the preferred one, elsewhere the only one.",
        API,
    ),
    key("headers", "For every request to this provider.", HEADERS),
    key("timeoutSeconds", "Replaces `failover.timeouts.firstByteSeconds`.", SECONDS),
    key("contextWindow", "Tokens, for models that do not say.", TOKENS),
    key("maxTokens", "Largest answer in tokens, for models that do not say.", TOKENS),
    key("sanitizeToolCallIds", "Rewrite every tool-call id to letters and digits.", FLAG),
    key("allowInsecure", "Allow http:// to a host that is not this machine.", FLAG),
    key("models", "Rows over those of the catalog.", &ValueShape::List(MODEL)),
]);

const API: &ValueShape =
    &ValueShape::Choice(&["openai-completions", "openai-responses", "anthropic-messages"]);

const MODEL: &ValueShape = &ValueShape::Object(&[
    required("id", "As the provider calls it.", TEXT),
    key("name", "For people.", TEXT),
    key("reasoning", "Whether it thinks.", FLAG),
    key(
        "input",
        "What it takes.",
        &ValueShape::List(&ValueShape::Choice(&["text", "image", "video", "audio"])),
    ),
    key(
        "cost",
        "Per million tokens, in the currency of the provider's account: yuan at `api.moonshot.cn`, else \
         US dollars. What is left out is the catalog's price, or free where there is none.",
        &ValueShape::Object(&[
            key("input", "Not cached.", AMOUNT),
            key("output", "Reasoning included.", AMOUNT),
            key("cacheRead", "Cached.", AMOUNT),
            key("cacheWrite", "Written to the cache.", AMOUNT),
        ]),
    ),
    key("contextWindow", "Prompt and answer together, in tokens.", TOKENS),
    key("maxTokens", "Largest answer in tokens.", TOKENS),
    key("headers", "For every request to this model, over the provider's.", HEADERS),
    key("params", "Request fields; a client's own win.", PARAMS),
    key("compat", "What an OpenAI-compatible server does differently.", COMPAT),
]);

const COMPAT: &ValueShape = &ValueShape::Object(&[
    key("supportsDeveloperRole", "Takes the role `developer`.", FLAG),
    key("supportsUsageInStreaming", "Takes `stream_options.include_usage`.", FLAG),
    key("supportsReasoningEffort", "Takes `reasoning_effort`.", FLAG),
    key("supportsPrefill", "Goes on from a last assistant message, as broken streams need it.", FLAG),
    key("supportsStore", "Takes `store`.", FLAG),
    key("supportsStrictMode", "Takes `strict` in tool definitions.", FLAG),
    key("supportsTools", "Takes `tools`.", FLAG),
    key("requiresStringContent", "Takes only strings as message content.", FLAG),
    key(
        "requiresReasoningContentOnAssistantMessages",
        "Wants `reasoning_content` on assistant messages with tool calls.",
        FLAG,
    ),
    key(
        "maxTokensField",
        "The name of the output limit.",
        &ValueShape::Choice(&["max_completion_tokens", "max_tokens"]),
    ),
]);

const FAILOVER: &ValueShape = &ValueShape::Object(&[
    key(
        "attemptsPerTarget",
        "Tries of one target for causes that pass.",
        &ValueShape::Whole { min: 1, max: 10 },
    ),
    key(
        "backoff",
        "Waits between them.",
        &ValueShape::Object(&[
            key("initialMs", "The first.", MILLISECONDS),
            key("maxMs", "The longest.", MILLISECONDS),
        ]),
    ),
    key(
        "cooldown",
        "Rests after failures.",
        &ValueShape::Object(&[
            key("stepsSeconds", "After the first, second, … failure in a row.", &ValueShape::List(SECONDS)),
            key("billingSeconds", "Of a key without money.", SECONDS),
        ]),
    ),
    key("timeouts", "Separate clocks.", TIMEOUTS),
    key(
        "returnToPrimary",
        "When its cooldown ends; with `session` a conversation that fell back stays until its target rests.",
        &ValueShape::Choice(&["cooldown", "session"]),
    ),
    key(
        "hedgeAfterMs",
        "Ask the next target too when one has been silent for this long; the first to answer wins.",
        &ValueShape::OrNull(MILLISECONDS),
    ),
    key(
        "midStream",
        "Go on with a broken stream where that is safe, or end it with an error.",
        &ValueShape::Choice(&["continue", "error"]),
    ),
    key("keepAliveSeconds", "A waiting stream gets a comment this often.", SECONDS),
]);

const TIMEOUTS: &ValueShape = &ValueShape::Object(&[
    key("connectSeconds", "To connect.", SECONDS),
    key("headSeconds", "To a stream's response head.", SECONDS),
    key(
        "firstByteSeconds",
        "To the first meaningful event; to the whole answer where it is not streamed.",
        SECONDS,
    ),
    key("idleSeconds", "Between bytes of a stream.", SECONDS),
    key(
        "totalSeconds",
        "The request with every attempt; null is without limit.",
        &ValueShape::OrNull(SECONDS),
    ),
]);

const GATEWAY: &ValueShape = &ValueShape::Object(&[
    key("port", "0 picks a free one.", &ValueShape::Whole { min: 0, max: 65_535 }),
    key("bind", "`loopback`, `all`, an IP address, or `unix:PATH`.", TEXT),
    key(
        "auth",
        "Who may call.",
        &ValueShape::Object(&[
            key("mode", "`none` only on this machine.", &ValueShape::Choice(&["none", "token"])),
            key("token", "One for everybody.", SECRET),
            key("tokens", "By client name.", &ValueShape::Map { keys: "client name", values: SECRET }),
        ]),
    ),
    key("bodyLimitMiB", "Largest request body.", &ValueShape::Whole { min: 1, max: 4_096 }),
    key("reload", "Watch the file and apply changes.", FLAG),
    key(
        "metrics",
        "`/metrics`.",
        &ValueShape::Object(&[key("public", "Without a token, also where the other routes want one.", FLAG)]),
    ),
]);

const USAGE: &ValueShape = &ValueShape::Object(&[
    key(
        "store",
        "`sqlite` keeps it in the state directory, `none` keeps nothing.",
        &ValueShape::Choice(&["sqlite", "none"]),
    ),
    key("retentionDays", "How long requests are kept.", &ValueShape::Whole { min: 1, max: 36_500 }),
]);

const TELEMETRY: &ValueShape = &ValueShape::Object(&[key(
    "otlp",
    "OpenTelemetry.",
    &ValueShape::Object(&[key(
        "endpoint",
        "Base URL of a collector (OTLP over HTTP): `http://127.0.0.1:4318`.",
        TEXT,
    )]),
)]);

const LOGGING: &ValueShape = &ValueShape::Object(&[
    key("level", "How much.", &ValueShape::Choice(&["error", "warn", "info", "debug", "trace"])),
    key("content", "Log prompts and answers too. Accepted, not built yet.", FLAG),
]);

const PLUGINS: &ValueShape = &ValueShape::Object(&[key(
    "entries",
    "By plugin.",
    &ValueShape::Object(&[key(
        "moonshot",
        "Kimi.",
        &ValueShape::Object(&[key("config", "Its settings.", MOONSHOT)]),
    )]),
)]);

const MOONSHOT: &ValueShape = &ValueShape::Object(&[key(
    "webSearch",
    "Kimi's web search: `moonrelay web-search`, `POST /v1/search` and the tool `web_search`.",
    &ValueShape::Object(&[
        key(
            "apiKey",
            "A key of Moonshot's platform. Else KIMI_API_KEY, else MOONSHOT_API_KEY, each unless it is a key of Kimi Code \
             (`sk-kimi-…`), else the one of the provider at the same host. A configured provider's key goes to that \
             provider's host only.",
            SECRET,
        ),
        key(
            "baseUrl",
            "`https://api.moonshot.ai/v1` or `https://api.moonshot.cn/v1`. Default: the base URL of \
             `models.providers.moonshot`; with `apiKey` only if that is one of Moonshot's own hosts, else the first.",
            TEXT,
        ),
        key(
            "model",
            "A model id of that host. Else `kimi-k2.6`, and its successor where the account no longer has it.",
            TEXT,
        ),
        key("timeoutSeconds", "For one request to the model (30); a whole search has twice that.", SECONDS),
    ]),
)]);

const TOOLS: &ValueShape = &ValueShape::Object(&[key(
    "web",
    "The web.",
    &ValueShape::Object(&[key(
        "search",
        "Search.",
        &ValueShape::Object(&[key("provider", "Who searches.", &ValueShape::Choice(&["kimi"]))]),
    )]),
)]);
