//! The content of a response, independent of its API, and the request fields that a response repeats.

use bytes::Bytes;

use super::client_tools::ClientTools;
use crate::protocol::api::Api;
use crate::protocol::json;
use crate::protocol::object::ObjectView;
use crate::protocol::request::RequestBody;
use crate::protocol::usage::TokenUsage;
use crate::protocol::writer::ObjectWriter;

/// One step of a response. A stream and a whole response are both sequences of events: text and arguments
/// arrive in pieces or at once, in the model's order.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseEvent {
    /// The response starts. Sent once, before all other events.
    Start {
        /// The provider's response id; empty if it sent none.
        id: String,
        /// The model as the provider names it; empty where it did not.
        model: String,
    },
    /// A piece of reasoning.
    Reasoning(String),
    /// Data by which the provider recognises the preceding reasoning: a signature (Messages), or the encrypted
    /// content of a reasoning item (Responses). Opaque.
    ReasoningSignature(String),
    /// Reasoning that only the provider can read (`redacted_thinking`). Opaque.
    RedactedReasoning(String),
    /// A piece of text.
    Text(String),
    /// A piece of a refusal, which Chat Completions and Responses separate from text.
    Refusal(String),
    /// A tool call starts.
    ToolCallStart {
        /// The number of the call in this response, from 0; the pieces of its arguments refer to it.
        call: usize,
        /// The provider's id of it. Opaque.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// A piece of a call's arguments, which together are JSON text.
    ToolCallArguments {
        /// The call's number.
        call: usize,
        /// The piece, unescaped.
        delta: String,
    },
    /// The usage of the response. A later one replaces an earlier one.
    Usage(TokenUsage),
    /// The response is finished. Only [`ResponseEvent::Usage`] may follow.
    Finish(FinishReason),
}

/// Why a response is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its turn.
    Stop,
    /// It produced one of the request's stop sequences; which one, if the provider reports it.
    StopSequence(Option<String>),
    /// The output limit.
    MaxTokens,
    /// The context window is full.
    ContextWindow,
    /// It wants its calls answered.
    ToolCalls,
    /// It, or a filter, refused.
    ContentFilter,
    /// It pauses during work on the provider's side (`pause_turn`).
    Pause,
}

impl ResponseEvent {
    pub(crate) fn id_and_model(&self) -> Option<(&str, &str)> {
        match self {
            Self::Start { id, model } => Some((id, model)),
            _ => None,
        }
    }

    pub(crate) const fn finish_reason(&self) -> Option<&FinishReason> {
        match self {
            Self::Finish(finish) => Some(finish),
            _ => None,
        }
    }

    pub(crate) const fn usage(&self) -> Option<&TokenUsage> {
        match self {
            Self::Usage(usage) => Some(usage),
            _ => None,
        }
    }
}

/// The request members that a response repeats, and their defaults. From the OpenAI SDKs' type `Response`,
/// 2026-11.
const ECHOED_MEMBERS: &[(&str, &str)] = &[
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", "{\"effort\":null,\"summary\":null}"),
    ("safety_identifier", "null"),
    ("service_tier", "null"),
    ("store", "false"),
    ("temperature", "null"),
    ("text", "{\"format\":{\"type\":\"text\"}}"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// The request fields that a response repeats.
#[derive(Clone, Debug, Default)]
pub struct RequestEcho {
    /// The model requested by the client, used if the provider does not name one.
    pub model: String,
    /// The response id, used if the provider sends none.
    pub id: String,
    /// When the response was created, in seconds since 1970.
    pub created_at: u64,
    /// The client requested usage in a chat stream.
    pub wants_usage: bool,
    /// The client wants the encrypted content of reasoning items.
    pub wants_encrypted_reasoning: bool,
    /// The client wants reasoning as summaries, not as its text.
    pub wants_reasoning_summary: bool,
    /// The tools that were sent as other functions.
    pub client_tools: ClientTools,
    /// The members that a response repeats: names and values, one line each.
    members: Vec<(&'static str, Bytes)>,
}

impl RequestEcho {
    /// Of this request; the caller fills in `id`, `created_at` and `client_tools`.
    #[must_use]
    pub fn from_request(body: &RequestBody) -> Self {
        let mut echo = Self {
            model: body.string("model").unwrap_or_default(),
            wants_usage: body.wants_usage(),
            ..Self::default()
        };
        if body.api == Api::Responses {
            echo.read_responses_fields(body);
        }
        echo
    }

    fn read_responses_fields(&mut self, body: &RequestBody) {
        let top = body.text.get(body.open_brace..).and_then(ObjectView::parse);
        let Some(top) = top else { return };
        let wanted = "reasoning.encrypted_content";
        self.wants_encrypted_reasoning =
            top.elements("include").iter().any(|each| json::literal_equals(each, wanted));
        self.wants_reasoning_summary = top.object("reasoning").is_some_and(|reasoning| {
            reasoning.value("summary").is_some() || reasoning.value("generate_summary").is_some()
        });
        for (name, _) in ECHOED_MEMBERS {
            if let Some(place) = body.value_span(name) {
                self.members.push((name, replace_line_breaks(&body.text.slice(place))));
            }
        }
    }

    /// The members that a response repeats.
    pub(crate) fn write_members(&self, response: &mut ObjectWriter<'_>) {
        for (name, otherwise) in ECHOED_MEMBERS {
            let known = self.members.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref());
            response.raw(name, known.filter(|value| *value != b"null").unwrap_or(otherwise.as_bytes()));
        }
    }

    /// An id with the prefix of this format instead of the provider's. The gateway's own id is used when the
    /// provider sent none.
    pub(crate) fn make_id(&self, prefix: &str, provider: &str) -> String {
        if provider.starts_with(prefix) {
            return provider.to_owned();
        }
        let from = if provider.is_empty() { &self.id } else { provider };
        let known = ["chatcmpl-", "cmpl-", "msg_", "resp_", "gen-"];
        let tail = known.iter().find_map(|known| from.strip_prefix(known)).unwrap_or(from);
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let tail: String = tail.chars().filter(plain).take(64).collect();
        format!("{prefix}{tail}")
    }
}

/// In JSON a line end is white space, in an event it ends the data line.
fn replace_line_breaks(value: &Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', value).is_none() {
        return value.clone();
    }
    value.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}
