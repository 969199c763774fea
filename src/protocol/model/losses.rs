//! Request content that translation loses, by name: for `explain`, the request log and the documentation.

use super::node::ObjectNode;

/// One kind of loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The stable name, as in the request log.
    pub name: &'static str,
    /// The effect, in one sentence.
    pub effect: &'static str,
}

macro_rules! losses {
    ($($constant:ident = $name:literal: $effect:literal;)*) => {
        $(
            #[doc = $effect]
            pub const $constant: Loss = Loss { name: $name, effect: $effect };
        )*
        /// Every loss, in the order of the documentation.
        pub const LOSSES: &[Loss] = &[$($constant),*];
    };
}

losses! {
    SYSTEM_IN_PLACE = "system_in_place": "A system message between other messages becomes user text in `<system-reminder>`: the Messages APIs of Kimi and OpenRouter are not known to accept the role there.";
    NAMES = "names": "The name of a message's author is removed: only Chat Completions has it.";
    THINKING_KEEP = "thinking_keep": "How long the provider keeps old thinking (`thinking.keep`, `context_management`) is removed; the provider's default applies.";
    THINKING_BUDGET = "thinking_budget": "A budget of thinking tokens becomes the nearest effort: the other APIs have no budgets.";
    THINKING_DETAIL = "thinking_detail": "The provider decides in which form thinking is shown.";
    REASONING_ALONE = "reasoning_alone": "An assistant message with only reasoning is removed: chat providers reject a message without content.";
    SEALED_REASONING = "sealed_reasoning": "Reasoning that another provider signed or encrypted is sent as plain text, or removed where it has none.";
    CACHE_CONTROL = "cache_control": "Prompt cache marks (`cache_control`) are removed where the target does not accept them.";
    CACHE_KEY = "cache_key": "The key and the options of the prompt cache are removed: the Messages API has none.";
    DEFERRED_TOOLS = "deferred_tools": "A deferred tool is sent once the conversation has fetched it, and removed before.";
    HOSTED_TOOLS = "hosted_tools": "Tools that a provider runs itself (web search, code, files, MCP) are removed: they belong to that provider.";
    HOSTED_CALLS = "hosted_calls": "Calls and results of tools that a provider ran itself are removed from the history.";
    CUSTOM_TOOLS = "custom_tools": "Tools with free text as input, the local shell and Claude's own client tools are sent as functions; calls of them get their form back in the response.";
    NAMESPACES = "namespaces": "Tools of a namespace are sent as plain functions; calls of them get their namespace back in the response.";
    NAMESPACE_CLASH = "namespace_clash": "A tool of a namespace is removed if a function already has its flat name.";
    DYNAMIC_TOOLS = "dynamic_tools": "Tools in a system message are added to the tools of the request.";
    TOOL_EXTRAS = "tool_extras": "Fields of a tool other than name, description and schema (examples, callers, streamed arguments) are removed.";
    TOOL_CHOICE = "tool_choice": "A choice among several or hosted tools becomes the nearest one: some tool, or any.";
    PARALLEL = "parallel": "With the choice `none`, the setting for parallel calls is removed.";
    ARGUMENTS = "arguments": "Call arguments that are not a JSON object are wrapped in one: the Messages API requires an object.";
    RESULT_IMAGES = "result_images": "Images and files in a tool result follow it in a user message: tool messages of Chat Completions contain only text.";
    IS_ERROR = "is_error": "The mark that a tool failed is removed; the result's text stays.";
    IMAGE_DETAIL = "image_detail": "The provider decides the detail of an image.";
    ASSISTANT_IMAGES = "assistant_images": "An image that the assistant made is replaced by a note in the history: only OpenRouter takes it back.";
    ANSWER_IMAGES = "answer_images": "An image in the answer is replaced by a note: only OpenRouter's Chat Completions and OpenAI's Responses have it.";
    ANSWER_TOOLS = "answer_tools": "Calls and results of tools that the provider ran itself are left out of the answer; its text stays.";
    ANSWER_CITATIONS = "answer_citations": "Citations and annotations of the answer's text are left out.";
    ANSWER_LOGPROBS = "answer_logprobs": "Log probabilities of the answer are left out.";
    ANSWER_CHOICES = "answer_choices": "Further answers of the provider are left out.";
    ANSWER_COST = "answer_cost": "The cost that the provider reports is left out of the answer's usage; the usage database has it.";
    VIDEOS = "videos": "A video is replaced by a note: only Kimi's Chat Completions API accepts videos.";
    AUDIO = "audio": "Audio is replaced by a note.";
    DOCUMENT_TERMS = "document_terms": "Context and citation settings of a document are removed.";
    CITATIONS = "citations": "Citations and annotations of text in the history are removed; the text stays.";
    UNKNOWN_BLOCKS = "unknown_blocks": "A block of an unknown type is removed, or replaced by its text.";
    STOP = "stop": "Stop sequences are removed: the Responses API has none.";
    TOP_K = "top_k": "`top_k` is removed: the Responses API does not have it.";
    SAMPLING = "sampling": "Seeds, penalties, log probabilities and biases are removed: only Chat Completions has them.";
    CHOICES = "choices": "More than one answer (`n`) becomes one.";
    MODALITIES = "modalities": "Audio answers and predicted output are not requested.";
    FORMAT = "format": "A JSON answer without a schema is requested by an instruction: the Messages API requires a schema.";
    VERBOSITY = "verbosity": "The verbosity of the answer is removed: the Messages API does not have it.";
    TIER = "service_tier": "A service tier that the other API does not know is removed.";
    USER = "user": "An end user's id longer than 64 characters is removed: OpenAI's APIs reject it.";
    METADATA = "metadata": "Metadata of the request is removed: the Messages API has only a user id.";
    CONTEXT_MANAGEMENT = "context_management": "Context editing by the provider is removed; the client's history is sent whole.";
    STORAGE = "storage": "Storage of the response at the provider (`store`, `background`, `include`, `truncation`) is removed.";
    ROUTING = "routing": "OpenRouter's routing fields (`provider`, `models`, `plugins`, `transforms`, `session_id`) are removed at other providers; a request that restricts data policy, providers or price skips them.";
    UNKNOWN_FIELDS = "unknown_fields": "An unknown field of the request is removed.";
}

/// Fields that every reader reads: see `Parameters`.
const SHARED_FIELDS: [&str; 6] =
    ["provider", "models", "plugins", "transforms", "session_id", "cache_control"];

#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<&'static str>);

impl Losses {
    pub(crate) fn record(&mut self, loss: Loss) {
        if !self.0.contains(&loss.name) {
            self.0.push(loss.name);
        }
    }

    pub(crate) fn record_if(&mut self, is_present: bool, loss: Loss) {
        if is_present {
            self.record(loss);
        }
    }

    /// Records the losses of unread fields: `read` are the fields that the reader handles, `lost` the losses of
    /// known fields. `null`, `false`, zero and empty values are not losses.
    pub(crate) fn record_unread_fields(
        &mut self,
        top: &ObjectNode<'_>,
        read: &[&str],
        lost: &[(&str, Loss)],
    ) {
        for (key, value) in top.entries() {
            let is_idle =
                is_idle(value.raw()) || value.raw() == b"[\"text\"]" || (key == "n" && value.raw() == b"1");
            if is_idle || read.contains(&&*key) || SHARED_FIELDS.contains(&&*key) {
                continue;
            }
            let known = lost.iter().find(|(name, _)| *name == key);
            self.record(known.map_or(UNKNOWN_FIELDS, |(_, loss)| *loss));
        }
    }

    pub(crate) fn names(&self) -> &[&'static str] {
        &self.0
    }

    pub(crate) fn into_names(self) -> Vec<&'static str> {
        self.0
    }
}

/// Whether a field's value asks for nothing.
pub(crate) fn is_idle(raw: &[u8]) -> bool {
    matches!(raw, b"false" | b"0" | b"0.0" | b"[]" | b"{}" | b"\"\"")
}
