//! The rules by name, for `explain`, the journal and the documentation.

/// One rule that may change a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The stable name, as the journal has it.
    pub name: &'static str,
    /// What it does and why, in a sentence.
    pub description: &'static str,
    /// Where the fact comes from.
    pub source: &'static str,
}

macro_rules! rules {
    ($($constant:ident = $name:literal: $says:literal, $source:literal;)*) => {
        $(
            #[doc = $says]
            pub const $constant: Rule = Rule { name: $name, description: $says, source: $source };
        )*
        /// Every rule, in the order of the documentation.
        pub const RULES: &[Rule] = &[$($constant),*];
    };
}

rules! {
    MODEL = "model": "The model id becomes the provider's own.", "the configuration";
    PARAMS = "params": "Configured params fill what the client left out.", "the configuration";
    THINKING_DEFAULT = "thinking_default": "thinkingDefault fills what client and params left out.", "the configuration";
    ROLES = "developer_role": "role developer becomes system where the provider has no such role.",
        "Moonshot API reference, 2026-09-23";
    SAMPLING = "sampling": "temperature, top_p, n and the penalties are left out: Kimi models pin them and refuse other values.",
        "Moonshot API reference, 2026-09-23";
    THINKING = "thinking": "thinking and reasoning_effort take the form that this model accepts.",
        "Moonshot and Kimi Code model pages, 2026-09; OpenRouter SDK 1.3.19";
    TOOL_CHOICE = "tool_choice": "A forced tool call clashes with thinking: required becomes auto.",
        "Moonshot 400 texts, reported by users, 2026";
    TOOL_CHOICE_PINNED = "tool_choice_pinned":
        "A pinned tool switches thinking off where the model allows it, else it becomes auto.",
        "Moonshot 400 texts, reported by users, 2026";
    WEB_SEARCH = "web_search": "The builtin $web_search clashes with thinking: where it can be switched off, it is.",
        "Moonshot API reference, 2026-09-23";
    REASONING_FILLER = "reasoning_filler":
        "With thinking on, assistant messages with tool calls and no reasoning_content get one space.",
        "Moonshot 400 texts, reported by users, 2026; LiteLLM source";
    REASONING_NAME = "reasoning_name": "Reasoning in the history takes the name under which the provider reads it.",
        "Moonshot API reference, 2026-09-23; OpenRouter SDK 1.3.19";
    TOOL_IDS = "tool_ids": "Tool-call ids that repeat in the history are made unique, their results remapped.",
        "Moonshot refuses repeated ids; reported by users, 2026";
    TOOL_IDS_ESCAPED = "tool_ids_escaped": "Over Messages ids of letters, digits, _ and - pass elsewhere; others, which Kimi gives, are escaped, their results too.",
        "Anthropic API reference: tool use, 2026-11";
    TOOL_IDS_SANITIZED = "tool_ids_sanitized": "sanitizeToolCallIds: every id becomes letters and digits, at most 40.",
        "the configuration";
    TOOL_NAMES = "tool_names": "Tool names that the provider refuses are renamed, and restored in the answer.",
        "Moonshot API reference, 2026-09-23";
    TOOL_SCHEMA = "tool_schema": "Tool schemas become moonshot flavored: an object at the root, types in the branches of an anyOf, references into $defs.",
        "Moonshot 400 texts, reported by users, 2026";
    BUILTIN_TOOLS = "builtin_tools": "builtin_function tools are Moonshot's own and are left out elsewhere.",
        "Moonshot API reference, 2026-09-23";
    PARTIAL = "partial": "partial is Moonshot's own mark and is left out elsewhere.",
        "Moonshot API reference, 2026-09-23";
    MAX_TOKENS = "max_tokens": "The output limit takes the name that the provider wants.",
        "Moonshot API reference, 2026-09-23";
    USAGE = "usage": "Usage is asked for in streams, so that it can be counted; or not asked for where that is refused.",
        "OpenAI API reference";
    CONTINUATION = "continuation":
        "A broken answer goes on: what was said stands at the end of the messages, the output limit is what is left of it.",
        "Moonshot API reference: Partial Mode, 2026-09-23";
    PROVIDER_ORDER = "provider_order":
        "Kimi models are asked of Moonshot's own endpoint first, for its prompt cache.", "OpenRouter SDK 1.3.19";
    REASONING_EFFORT = "reasoning_effort": "reasoning_effort is left out where it is null or the server takes none.",
        "the configuration's compat";
    STORE = "store": "store is left out where the server takes none.", "the configuration's compat";
    STRICT = "strict": "strict is left out of tools where the server takes none.", "the configuration's compat";
    TOOLS = "tools": "Tools are left out where the server takes none.", "the configuration's compat";
    HOSTED_TOOLS = "hosted_tools":
        "Tools that run on another provider's side, and kinds of tools that Kimi does not know, are left out.",
        "Moonshot and Kimi Code model pages, 2026-09; Codex 0.169 and Claude Code 2.1 as captured, 2026-11-21";
    NAMESPACES = "namespaces":
        "Tools of a namespace, a form that only OpenAI's own servers read, are sent as plain functions; calls of them get their namespace back in the answer.",
        "Codex 0.169 as captured, 2026-11-21; openai/codex issues 23186, 26234, 33263 and 36942";
    THINKING_BUDGET = "thinking_budget":
        "A thinking budget is at least 1024 tokens and less than max_tokens; a model that takes no level gets one.",
        "Anthropic API reference: extended thinking, 2026-10; OpenClaw 2026.9.6";
    THINKING_FILLER = "thinking_filler":
        "With thinking on, assistant messages with tool calls and no thinking block get one of one space.",
        "hermes-agent pull requests 14018 and 49143, 2026";
    UNSIGNED_THINKING = "unsigned_thinking":
        "Thinking blocks without a signature, which another provider wrote, are left out: Anthropic refuses them.",
        "Anthropic API reference: extended thinking, 2026-10";
    FOREIGN_BLOCKS = "foreign_blocks":
        "Content blocks that only Anthropic knows become text for Kimi, or are left out where the model misses nothing by it; a request with others, such as PDF documents, goes past Kimi.",
        "MoonshotAI/Kimi-K2 issue 118 and MoonshotAI/kimi-cli issue 1344, 2026";
    FOREIGN_ITEMS = "foreign_items":
        "Input items of tools that Kimi does not know are left out.", "Codex 0.169 as captured, 2026-11-21";
    CONTEXT_MANAGEMENT = "context_management":
        "context_management is left out where the provider does not know it.",
        "Moonshot's Messages face as reported, 2026-09; kimi-code 2.1.0 sends it to Kimi Code";
    REASONING_EFFORT_KIMI = "reasoning":
        "reasoning.effort takes the form that this model accepts; none is a 400.", "Moonshot 400 texts, reported by users, 2026";
    STRING_CONTENT = "string_content": "Text parts are joined where the server takes only strings.",
        "the configuration's compat";
}
