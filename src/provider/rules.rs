//! The rules by name, for `explain`, the request log and the documentation.

/// One rule that may change a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The stable name, as in the request log.
    pub name: &'static str,
    /// What it does and why, in one sentence.
    pub description: &'static str,
    /// The source of the fact.
    pub source: &'static str,
}

macro_rules! rules {
    ($($constant:ident = $name:literal: $description:literal, $source:literal;)*) => {
        $(
            #[doc = $description]
            pub const $constant: Rule = Rule { name: $name, description: $description, source: $source };
        )*
        /// Every rule, in the order of the documentation.
        pub const RULES: &[Rule] = &[$($constant),*];
    };
}

rules! {
    MODEL = "model": "The model id becomes the provider's own.", "the configuration";
    PARAMS = "params": "Configured params set what the client does not.", "the configuration";
    THINKING_DEFAULT = "thinking_default": "thinkingDefault applies if neither client nor params set thinking.", "the configuration";
    ROLES = "developer_role": "The role developer becomes system if the provider does not have it.",
        "Moonshot API reference, 2026-09-23";
    SAMPLING = "sampling": "temperature, top_p, n and the penalties are removed: Kimi models fix them and reject other values.",
        "Moonshot API reference, 2026-09-23";
    THINKING = "thinking": "thinking and reasoning_effort take the form that this model accepts.",
        "Moonshot and Kimi Code model pages, 2026-09; OpenRouter SDK 1.3.19";
    TOOL_CHOICE = "tool_choice": "A forced tool call conflicts with thinking: required becomes auto.",
        "Moonshot 400 texts, reported by users, 2026";
    TOOL_CHOICE_PINNED = "tool_choice_pinned":
        "A pinned tool disables thinking if the model allows it; otherwise it becomes auto.",
        "Moonshot 400 texts, reported by users, 2026";
    WEB_SEARCH = "web_search": "The builtin $web_search conflicts with thinking, which is disabled if the model allows it.",
        "Moonshot API reference, 2026-09-23";
    REASONING_FILLER = "reasoning_filler":
        "With thinking on, assistant messages with tool calls and no reasoning_content get one space.",
        "Moonshot 400 texts, reported by users, 2026; LiteLLM source";
    REASONING_NAME = "reasoning_name": "Reasoning in the history gets the field name that the provider reads.",
        "Moonshot API reference, 2026-09-23; OpenRouter SDK 1.3.19";
    TOOL_IDS = "tool_ids": "Repeated tool-call ids in the history are made unique, with their results.",
        "Moonshot rejects repeated ids; reported by users, 2026";
    TOOL_IDS_ESCAPED = "tool_ids_escaped": "Other providers' Messages APIs accept only letters, digits, _ and - in ids; other ids, as Kimi sends them, are escaped, with their results.",
        "Anthropic API reference: tool use, 2026-11";
    TOOL_IDS_SANITIZED = "tool_ids_sanitized": "sanitizeToolCallIds: every id becomes letters and digits, at most 40.",
        "the configuration";
    TOOL_NAMES = "tool_names": "Tool names that the provider rejects are renamed, and restored in the response.",
        "Moonshot API reference, 2026-09-23";
    TOOL_SCHEMA = "tool_schema": "Tool schemas become moonshot flavored: an object at the root, types in the branches of an anyOf, references into $defs.",
        "Moonshot 400 texts, reported by users, 2026";
    BUILTIN_TOOLS = "builtin_tools": "builtin_function tools are Moonshot's own and are removed for other providers.",
        "Moonshot API reference, 2026-09-23";
    PARTIAL = "partial": "partial is Moonshot's own mark and is removed for other providers.",
        "Moonshot API reference, 2026-09-23";
    MAX_TOKENS = "max_tokens": "The output limit gets the provider's field name.",
        "Moonshot API reference, 2026-09-23";
    USAGE = "usage": "Usage is requested in streams for metering, or not requested if the server rejects that.",
        "OpenAI API reference";
    CONTINUATION = "continuation":
        "An interrupted answer is continued: its text is the last message, or the one before an instruction to continue it. The output limit is reduced by the text.",
        "Moonshot API reference: Partial Mode, 2026-09-23";
    PROVIDER_ORDER = "provider_order":
        "The provider that answered the conversation last comes first, for its prompt cache; Kimi models otherwise use Moonshot's own endpoint first.", "OpenRouter SDK 1.3.19";
    REASONING_EFFORT = "reasoning_effort": "reasoning_effort is removed if it is null or the server does not accept it.",
        "the configuration's compat";
    STORE = "store": "store is removed if the server does not accept it.", "the configuration's compat";
    STRICT = "strict": "strict is removed from tools if the server does not accept it.", "the configuration's compat";
    TOOLS = "tools": "Tools are removed if the server does not accept them.", "the configuration's compat";
    HOSTED_TOOLS = "hosted_tools":
        "Tools that another provider runs, and tool types that Kimi does not know, are removed.",
        "Moonshot and Kimi Code model pages, 2026-09; Codex 0.169 and Claude Code 2.1 as captured, 2026-11-21";
    NAMESPACES = "namespaces":
        "Tools of a namespace, which only OpenAI's servers read, are sent as plain functions; calls of them get their namespace back in the response.",
        "Codex 0.169 as captured, 2026-11-21; openai/codex issues 23186, 26234, 33263 and 36942";
    THINKING_BUDGET = "thinking_budget":
        "A thinking budget is at least 1024 tokens and less than max_tokens; a model without levels gets a budget.",
        "Anthropic API reference: extended thinking, 2026-10; OpenClaw 2026.9.6";
    THINKING_FILLER = "thinking_filler":
        "With thinking on, assistant messages with tool calls and no thinking block get a block of one space.",
        "hermes-agent pull requests 14018 and 49143, 2026";
    UNSIGNED_THINKING = "unsigned_thinking":
        "Thinking without a signature, and reasoning items without encrypted content, which another provider wrote, are removed: Anthropic and OpenAI reject them.",
        "Anthropic API reference: extended thinking, 2026-10; can1357/oh-my-pi issue 41";
    CLAUDE_THINKING = "claude_thinking": "Claude models get a thinking budget, adaptive thinking or an effort, whichever they accept.",
        "Anthropic API reference: extended and adaptive thinking, 2026-11";
    CLAUDE_THINKING_OFF = "claude_thinking_off":
        "A thinking budget is removed where Claude would refuse it: with a forced tool, a prefill, or a tool loop whose turn does not begin with signed thinking.",
        "Anthropic API reference: extended thinking, 2026-11; anomalyco/opencode issue 3077";
    CLAUDE_SAMPLING = "claude_sampling":
        "temperature, top_p and top_k are removed where Claude refuses them: with a thinking budget, and from Opus 4.7 on.",
        "Anthropic API reference: extended thinking, 2026-11; The-PR-Agent/pr-agent issue 2456";
    OPENAI_SAMPLING = "openai_sampling":
        "temperature, top_p, the penalties and log probabilities are removed for OpenAI's reasoning models, which refuse them, and top_k for all of its models.",
        "OpenAI guide: reasoning, and API reference, 2026-11";
    OPENAI_MIN_OUTPUT = "openai_min_output":
        "An output limit below 16 tokens becomes 16 at OpenAI's Responses API, which refuses smaller ones.",
        "vectorize-io/hindsight issue 58";
    OPENAI_REASONING = "openai_reasoning":
        "OpenAI's models without reasoning get no effort, and none of them gets reasoning of other providers in the history.",
        "OpenAI API reference, 2026-11";
    CLIENT_METADATA = "client_metadata":
        "client_metadata, which Codex sends for its own server, is removed: OpenAI's API rejects it.",
        "SEMOSS/Semoss pull request 2532";
    FOREIGN_BLOCKS = "foreign_blocks":
        "Content blocks that only Anthropic knows become text for Kimi, or are removed if the model does not need them; a request with others, such as PDF documents, skips Kimi.",
        "MoonshotAI/Kimi-K2 issue 118 and MoonshotAI/kimi-cli issue 1344, 2026";
    FOREIGN_ITEMS = "foreign_items":
        "Input items of tools that Kimi does not know are removed.", "Codex 0.169 as captured, 2026-11-21";
    CONTEXT_MANAGEMENT = "context_management":
        "context_management is removed if the provider does not know it.",
        "Moonshot's Messages API as reported, 2026-09; kimi-code 2.1.0 sends it to Kimi Code";
    REASONING_EFFORT_KIMI = "reasoning":
        "reasoning.effort takes the form that this model accepts; Moonshot rejects none.", "Moonshot 400 texts, reported by users, 2026";
    STRING_CONTENT = "string_content": "Text parts are joined if the server accepts only strings.",
        "the configuration's compat";
}
