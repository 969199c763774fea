//! Every key of the configuration.

use super::{Key, Shape};

const fn key(name: &'static str, about: &'static str, shape: &'static Shape) -> Key {
    Key { name, about, shape, required: false }
}

const fn required(name: &'static str, about: &'static str, shape: &'static Shape) -> Key {
    Key { name, about, shape, required: true }
}

const FLAG: &Shape = &Shape::Flag;
const TEXT: &Shape = &Shape::Text;
const SECRET: &Shape = &Shape::Secret;
const ANYTHING: &Shape = &Shape::Anything;
const AMOUNT: &Shape = &Shape::Amount;
const TEXTS: &Shape = &Shape::List(TEXT);
const TOKENS: &Shape = &Shape::Whole { min: 1, max: 1_000_000_000 };
const SECONDS: &Shape = &Shape::Whole { min: 1, max: 604_800 };
const MILLISECONDS: &Shape = &Shape::Whole { min: 1, max: 604_800_000 };
const PARAMS: &Shape = &Shape::Map { keys: "request field", values: ANYTHING };
const HEADERS: &Shape = &Shape::Map { keys: "header name", values: SECRET };

/// The whole file.
pub static ROOT: Shape = Shape::Object(&[
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

const ENV: &Shape = &Shape::Variables;

const AGENTS: &Shape =
    &Shape::Object(&[key("defaults", "For every request that does not say otherwise.", DEFAULTS)]);

const DEFAULTS: &Shape = &Shape::Object(&[
    key("model", "The chain `default`: a reference, or a primary with fallbacks.", CHAIN),
    key(
        "models",
        "By reference: another name for it, and parameters that fill what a client leaves out.",
        &Shape::Map {
            keys: "reference",
            values: &Shape::Object(&[
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

const THINKING: &Shape =
    &Shape::Choice(&["off", "minimal", "low", "medium", "high", "xhigh", "max", "adaptive"]);

const CHAIN: &Shape = &Shape::TextOr(&Shape::Object(&[
    required("primary", "The reference that is asked first.", TEXT),
    key("fallbacks", "References that are asked after it, in this order.", TEXTS),
]));

const MODELS: &Shape = &Shape::Object(&[
    key("mode", "`merge` with the built-in catalog, or `replace` it.", &Shape::Choice(&["merge", "replace"])),
    key("providers", "By id.", &Shape::Map { keys: "provider id", values: PROVIDER }),
    key(
        "routes",
        "Requested name, or glob with `*`, and what answers: a chain, the name of one, or a reference.",
        &Shape::Map { keys: "requested name or glob", values: CHAIN },
    ),
]);

const PROVIDER: &Shape = &Shape::Object(&[
    key(
        "baseUrl",
        "Up to and with `/v1`. Under an id of the catalog every protocol of that provider is looked for there, as its own \
         host lays them out, unless `api` names one.",
        TEXT,
    ),
    key("apiKey", "A key, or several that are tried in this order.", &Shape::Secrets),
    key(
        "auth",
        "`api-key` sends the key as the protocol asks, `token` always as a bearer token, `none` sends no key. `oauth`, \
         for Kimi Code: no `apiKey`, but the login of `moonrelay login`.",
        &Shape::Choice(&["api-key", "token", "oauth", "none"]),
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
    key("models", "Rows over those of the catalog.", &Shape::List(MODEL)),
]);

const API: &Shape = &Shape::Choice(&["openai-completions", "openai-responses", "anthropic-messages"]);

const MODEL: &Shape = &Shape::Object(&[
    required("id", "As the provider calls it.", TEXT),
    key("name", "For people.", TEXT),
    key("reasoning", "Whether it thinks.", FLAG),
    key("input", "What it takes.", &Shape::List(&Shape::Choice(&["text", "image", "video", "audio"]))),
    key(
        "cost",
        "Per million tokens, in the currency of the provider's account: yuan at `api.moonshot.cn`, else \
         US dollars. What is left out is the catalog's price, or free where there is none.",
        &Shape::Object(&[
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

const COMPAT: &Shape = &Shape::Object(&[
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
        &Shape::Choice(&["max_completion_tokens", "max_tokens"]),
    ),
]);

const FAILOVER: &Shape = &Shape::Object(&[
    key("attemptsPerTarget", "Tries of one target for causes that pass.", &Shape::Whole { min: 1, max: 10 }),
    key(
        "backoff",
        "Waits between them.",
        &Shape::Object(&[
            key("initialMs", "The first.", MILLISECONDS),
            key("maxMs", "The longest.", MILLISECONDS),
        ]),
    ),
    key(
        "cooldown",
        "Rests after failures.",
        &Shape::Object(&[
            key("stepsSeconds", "After the first, second, … failure in a row.", &Shape::List(SECONDS)),
            key("billingSeconds", "Of a key without money.", SECONDS),
        ]),
    ),
    key("timeouts", "Separate clocks.", TIMEOUTS),
    key(
        "returnToPrimary",
        "When its cooldown ends; with `session` a conversation that fell back stays until its target rests.",
        &Shape::Choice(&["cooldown", "session"]),
    ),
    key(
        "hedgeAfterMs",
        "Ask the next target too when one has been silent for this long; the first to answer wins.",
        &Shape::OrNull(MILLISECONDS),
    ),
    key(
        "midStream",
        "Go on with a broken stream where that is safe, or end it with an error.",
        &Shape::Choice(&["continue", "error"]),
    ),
    key("keepAliveSeconds", "A waiting stream gets a comment this often.", SECONDS),
]);

const TIMEOUTS: &Shape = &Shape::Object(&[
    key("connectSeconds", "To connect.", SECONDS),
    key("headSeconds", "To a stream's response head.", SECONDS),
    key(
        "firstByteSeconds",
        "To the first meaningful event; to the whole answer where it is not streamed.",
        SECONDS,
    ),
    key("idleSeconds", "Between bytes of a stream.", SECONDS),
    key("totalSeconds", "The request with every attempt; null is without limit.", &Shape::OrNull(SECONDS)),
]);

const GATEWAY: &Shape = &Shape::Object(&[
    key("port", "0 picks a free one.", &Shape::Whole { min: 0, max: 65_535 }),
    key("bind", "`loopback`, `all`, an IP address, or `unix:PATH`.", TEXT),
    key(
        "auth",
        "Who may call.",
        &Shape::Object(&[
            key("mode", "`none` only on this machine.", &Shape::Choice(&["none", "token"])),
            key("token", "One for everybody.", SECRET),
            key("tokens", "By client name.", &Shape::Map { keys: "client name", values: SECRET }),
        ]),
    ),
    key("bodyLimitMiB", "Largest request body.", &Shape::Whole { min: 1, max: 4_096 }),
    key("reload", "Watch the file and apply changes.", FLAG),
    key(
        "metrics",
        "`/metrics`.",
        &Shape::Object(&[key("public", "Without a token, also where the other routes want one.", FLAG)]),
    ),
]);

const USAGE: &Shape = &Shape::Object(&[
    key(
        "store",
        "`sqlite` keeps it in the state directory, `none` keeps nothing.",
        &Shape::Choice(&["sqlite", "none"]),
    ),
    key("retentionDays", "How long requests are kept.", &Shape::Whole { min: 1, max: 36_500 }),
]);

const TELEMETRY: &Shape = &Shape::Object(&[key(
    "otlp",
    "OpenTelemetry.",
    &Shape::Object(&[key(
        "endpoint",
        "Base URL of a collector (OTLP over HTTP): `http://127.0.0.1:4318`.",
        TEXT,
    )]),
)]);

const LOGGING: &Shape = &Shape::Object(&[
    key("level", "How much.", &Shape::Choice(&["error", "warn", "info", "debug", "trace"])),
    key("content", "Log prompts and answers too. Accepted, not built yet.", FLAG),
]);

const PLUGINS: &Shape = &Shape::Object(&[key(
    "entries",
    "By plugin.",
    &Shape::Object(&[key("moonshot", "Kimi.", &Shape::Object(&[key("config", "Its settings.", MOONSHOT)]))]),
)]);

const MOONSHOT: &Shape = &Shape::Object(&[key(
    "webSearch",
    "Kimi's web search: `moonrelay web-search`, `POST /v1/search` and the tool `web_search`.",
    &Shape::Object(&[
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

const TOOLS: &Shape = &Shape::Object(&[key(
    "web",
    "The web.",
    &Shape::Object(&[key(
        "search",
        "Search.",
        &Shape::Object(&[key("provider", "Who searches.", &Shape::Choice(&["kimi"]))]),
    )]),
)]);
