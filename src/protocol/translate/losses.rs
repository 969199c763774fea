//! Request content that translation loses, by name: for `explain`, the request log and the documentation.

use super::node::ObjectNode;

/// One kind of loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The stable name, as the journal has it.
    pub name: &'static str,
    /// The effect, in one sentence.
    pub says: &'static str,
}

macro_rules! losses {
    ($($constant:ident = $name:literal: $says:literal;)*) => {
        $(
            #[doc = $says]
            pub const $constant: Loss = Loss { name: $name, says: $says };
        )*
        /// Every loss, in the order of the documentation.
        pub const LOSSES: &[Loss] = &[$($constant),*];
    };
}

losses! {
    SYSTEM_IN_PLACE = "system_in_place": "A system message between the others becomes user text in `<system-reminder>`, where it stood: the messages faces of Kimi and OpenRouter are not known to take the role there.";
    NAMES = "names": "The name of a message's author is left out: only chat has it.";
    THINKING_KEEP = "thinking_keep": "How long the provider keeps old thinking (`thinking.keep`, `context_management`) is left out; its own default holds.";
    THINKING_BUDGET = "thinking_budget": "A budget of thinking tokens becomes the nearest effort; the other faces have no budgets.";
    THINKING_DETAIL = "thinking_detail": "Which form of the thinking is shown is left to the provider.";
    REASONING_ALONE = "reasoning_alone": "An assistant message of nothing but reasoning is left out: chat providers refuse a message without content.";
    CACHE_CONTROL = "cache_control": "Marks of the prompt cache are left out; the providers here cache without them.";
    CACHE_KEY = "cache_key": "The key and the terms of the prompt cache are left out: the messages face has none.";
    DEFERRED_TOOLS = "deferred_tools": "A tool that the client defers is sent when the conversation has fetched it, and left out before.";
    HOSTED_TOOLS = "hosted_tools": "Tools that a provider runs itself (web search, code, files, MCP) are left out: they are that provider's own.";
    HOSTED_CALLS = "hosted_calls": "Calls and results of tools that a provider ran itself are left out of the history.";
    CUSTOM_TOOLS = "custom_tools": "Tools with free text for arguments (a grammar) are left out; calls of them in the history become function calls.";
    NAMESPACES = "namespaces": "Tools of a namespace are sent as plain functions; calls of them get their namespace back in the answer.";
    NAMESPACE_CLASH = "namespace_clash": "A tool of a namespace is left out where a function has its flat name already.";
    DYNAMIC_TOOLS = "dynamic_tools": "Tools that a system message brings join the tools of the request.";
    TOOL_EXTRAS = "tool_extras": "Terms of a tool beyond name, description and schema (examples, callers, streaming of arguments) are left out.";
    TOOL_CHOICE = "tool_choice": "A choice among several or hosted tools becomes the nearest one: some tool, or any.";
    PARALLEL = "parallel": "With the choice `none` nothing is said of parallel calls.";
    ARGUMENTS = "arguments": "Arguments of a call that are no JSON object are wrapped in one, as the messages face wants an object.";
    RESULT_IMAGES = "result_images": "Images and files in a tool's result follow it in a user message: chat's tool messages hold text.";
    IS_ERROR = "is_error": "The mark that a tool failed is left out; its text says so.";
    IMAGE_DETAIL = "image_detail": "The detail in which an image is looked at is left to the provider.";
    VIDEOS = "videos": "A video becomes a note that one was left out: only Kimi's chat face takes videos.";
    AUDIO = "audio": "Sound becomes a note that it was left out.";
    DOCUMENT_TERMS = "document_terms": "Context and citations of a document are left out.";
    CITATIONS = "citations": "Citations and annotations of the history's text are left out; the text stays.";
    UNKNOWN_BLOCKS = "unknown_blocks": "A block of a type that we do not know is left out, or stands as its text.";
    STOP = "stop": "Stop sequences are left out: the responses face has none.";
    TOP_K = "top_k": "`top_k` is left out: the responses face has none.";
    SAMPLING = "sampling": "Seeds, penalties, log probabilities and biases are left out: only chat has them.";
    CHOICES = "choices": "More than one answer (`n`) becomes one.";
    MODALITIES = "modalities": "Answers in sound or with predicted output are not asked for.";
    FORMAT = "format": "An answer in JSON without a schema is not asked for: the messages face wants a schema.";
    VERBOSITY = "verbosity": "How wordy the answer shall be is left out: the messages face does not say.";
    TIER = "service_tier": "A service tier that the other side does not know is left out.";
    USER = "user": "An end user's id that is longer than 64 characters is left out, as OpenAI's faces refuse it.";
    METADATA = "metadata": "Metadata of the request are left out: the messages face has but a user.";
    CONTEXT_MANAGEMENT = "context_management": "Editing of the context by the provider is left out; the client's history is sent whole.";
    STORAGE = "storage": "Keeping the answer at the provider (`store`, `background`, `include`, `truncation`) is left out.";
    ROUTING = "routing": "OpenRouter's own fields of its chat face (`provider`, `models`, `plugins`) are left out.";
    UNKNOWN_FIELDS = "unknown_fields": "A field of the request that we do not know is left out.";
}

/// The losses of one request.
#[derive(Debug, Default)]
pub(super) struct Losses(Vec<&'static str>);

impl Losses {
    /// Notes one.
    pub(super) fn record(&mut self, loss: Loss) {
        if !self.0.contains(&loss.name) {
            self.0.push(loss.name);
        }
    }

    /// Records a loss if the value is present.
    pub(super) fn record_if(&mut self, there: bool, loss: Loss) {
        if there {
            self.record(loss);
        }
    }

    /// Records the losses of unread fields: `read` are the fields that the reader handles, `lost` the losses of
    /// known fields. `null`, `false`, zero and empty values are not losses.
    pub(super) fn record_unread_fields(
        &mut self,
        top: &ObjectNode<'_>,
        read: &[&str],
        lost: &[(&str, Loss)],
    ) {
        for (key, value) in top.entries() {
            let is_idle =
                matches!(value.raw(), b"false" | b"0" | b"0.0" | b"[]" | b"{}" | b"\"\"" | b"[\"text\"]")
                    || (key == "n" && value.raw() == b"1");
            if is_idle || read.contains(&&*key) {
                continue;
            }
            let known = lost.iter().find(|(name, _)| *name == key);
            self.record(known.map_or(UNKNOWN_FIELDS, |(_, loss)| *loss));
        }
    }

    pub(super) fn into_names(self) -> Vec<&'static str> {
        self.0
    }
}
