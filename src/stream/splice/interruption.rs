//! Owns what a continuation must keep: the request's conditions, the identity of the response, and the text that the
//! client has.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::protocol::edit::{ObjectPatch, Segments};
use crate::protocol::json::{self, write_string};
use crate::protocol::memory_budget::MemoryReservation;
use crate::protocol::request::RequestBody;
use crate::protocol::sse;

/// The fields that a client may compare, in the order in which they are written.
const IDENTITY_KEYS: [&str; 4] = ["id", "object", "created", "model"];

/// The fields that are the same in every chunk of one response, as JSON.
#[derive(Clone, Debug, Default)]
pub(super) struct ChunkIdentity(Vec<(&'static str, Bytes)>);

impl ChunkIdentity {
    /// Reads the identity from a chunk.
    pub(super) fn from_chunk(payload: &[u8]) -> Self {
        let open = json::skip_whitespace(payload, 0);
        let Ok((members, _)) = json::parse_members(payload, open) else { return Self::default() };
        let value = |key: &'static str| {
            let member = json::find_member(payload, &members, key)?;
            Some((key, payload.get(member.value.clone()).map(Bytes::copy_from_slice)?))
        };
        Self(IDENTITY_KEYS.into_iter().filter_map(value).collect())
    }

    /// Gives a chunk of another response this identity.
    pub(super) fn apply_to(&self, patch: &mut ObjectPatch<'_>) {
        for (key, value) in &self.0 {
            patch.set(key, value.clone());
        }
    }

    /// An event with one choice, whose delta and finish reason are JSON.
    pub(super) fn render_choice(&self, delta: &str, finish: &str) -> Segments {
        self.render_event(&format!(
            "\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]"
        ))
    }

    /// An event with only usage, which is JSON.
    pub(super) fn render_usage(&self, usage: &str) -> Segments {
        self.render_event(&format!("\"choices\":[],\"usage\":{usage}"))
    }

    /// An event with only text.
    pub(super) fn render_text(&self, text: &str) -> Segments {
        let mut delta = b"{\"content\":".to_vec();
        write_string(&mut delta, text);
        delta.push(b'}');
        self.render_choice(&String::from_utf8_lossy(&delta), "null")
    }

    fn render_event(&self, rest: &str) -> Segments {
        let mut out = b"{".to_vec();
        for (key, value) in &self.0 {
            write_string(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value);
            out.push(b',');
        }
        out.extend_from_slice(rest.as_bytes());
        out.push(b'}');
        Segments::from_bytes(sse::encode_event(&out))
    }
}

/// Which continuation is possible if the stream is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContinuationSupport {
    /// A target can start a new response.
    pub can_restart: bool,
    /// A target can continue from a text.
    pub can_continue_text: bool,
}

/// The part of an interrupted response that the client has.
#[derive(Debug)]
pub struct Interrupted {
    pub(super) identity: ChunkIdentity,
    /// All of its text.
    pub(super) text: String,
    /// Whether the role was sent.
    pub(super) has_role: bool,
    /// The memory that this holds.
    pub(super) reservation: MemoryReservation,
}

impl Interrupted {
    /// The text to continue from; empty if the response must start again.
    #[must_use]
    pub fn prefill(&self) -> &str {
        self.text.trim_end()
    }

    /// The end of a chat response whose output limit is used up; `usage` if the client requested it.
    #[must_use]
    pub fn render_length_finish(&self, usage: Option<&str>) -> Segments {
        let mut out = self.identity.render_choice("{}", "\"length\"");
        out.append(usage.map(|usage| self.identity.render_usage(usage)).unwrap_or_default());
        out.push(Bytes::from_static(sse::DONE));
        out
    }
}

/// Conditions under which a response can be continued.
#[derive(Clone, Debug, Default)]
pub struct ResumeConditions {
    /// The stop strings of the request.
    stop_strings: Vec<String>,
    /// The request already ends with the beginning of a response (a prefill).
    pub(super) is_prefilled: bool,
}

impl ResumeConditions {
    /// `None` if a continued response could violate the request: a format (`response_format`, a forced tool
    /// call), log probabilities, or several choices. `params` are those of the configuration. The names cover
    /// all APIs: none has another meaning in another API.
    #[must_use]
    pub fn from_request(body: &RequestBody, params: &Map<String, Value>) -> Option<Self> {
        let given = |key: &str| match body.value(key).filter(|value| *value != b"null") {
            // An unreadable request must be treated as if it set such a condition.
            Some(text) => Some(serde_json::from_slice(text).unwrap_or(Value::Bool(true))),
            None => params.get(key).filter(|value| !value.is_null()).cloned(),
        };
        let format_in = |key: &str| given(key).and_then(|value| value.get("format").cloned());
        let formats =
            [given("response_format"), given("output_format"), format_in("output_config"), format_in("text")];
        let can_continue = formats.iter().flatten().all(is_text_format)
            && given("tool_choice").is_none_or(|choice| is_unforced_choice(&choice))
            && given("function_call").is_none_or(|choice| is_unforced_choice(&choice))
            && given("n").is_none_or(|count| count == 1)
            && given("logprobs").is_none_or(|wanted| wanted == false)
            && given("top_logprobs").is_none_or(|count| count == 0);
        let mut stops = parse_stop_strings(given("stop"))?;
        stops.append(&mut parse_stop_strings(given("stop_sequences"))?);
        let is_prefilled = body.messages.last().is_some_and(|last| body.has_role(last, "assistant"));
        can_continue.then_some(Self { stop_strings: stops, is_prefilled })
    }

    /// Whether the text ends with the beginning of a stop string: the position of its end would be unknown.
    pub(super) fn ends_with_partial_stop(&self, text: &str) -> bool {
        self.stop_strings.iter().any(|stop| {
            stop.char_indices().skip(1).any(|(at, _)| stop.get(..at).is_some_and(|head| text.ends_with(head)))
        })
    }
}

fn is_text_format(format: &Value) -> bool {
    format.is_null() || format.get("type").and_then(Value::as_str) == Some("text")
}

/// Chat Completions and Responses use a string, Messages an object with a type.
fn is_unforced_choice(choice: &Value) -> bool {
    matches!(choice.get("type").unwrap_or(choice).as_str(), Some("auto" | "none"))
}

/// `None` if they are invalid.
fn parse_stop_strings(given: Option<Value>) -> Option<Vec<String>> {
    match given {
        None => Some(Vec::new()),
        Some(Value::String(stop)) => Some(vec![stop]),
        Some(Value::Array(stops)) => stops.into_iter().map(|stop| stop.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}
