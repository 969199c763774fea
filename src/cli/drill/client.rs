//! The drill's client: sends requests as any other client would, and records what it received.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::case::Phase;
use crate::protocol::sse::FrameReader;
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse};

/// Long enough that a break behind a few chunks falls into its middle.
const PROMPT: &str = "reply with 120 words";
const TOOL_PROMPT: &str = "Please call get_weather for Paris";

/// What a client saw of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObservedResponse {
    /// 0 where not even a head came.
    pub(super) status: u16,
    pub(super) text: String,
    /// The tools that it is to call, each with its arguments.
    pub(super) tool_calls: Vec<String>,
    pub(super) finish_reasons: Vec<String>,
    /// The `[DONE]`s of a stream.
    pub(super) done_count: usize,
    pub(super) is_stream: bool,
    /// The message of an error body or event.
    pub(super) error: Option<String>,
    /// How the connection broke.
    pub(super) connection_error: Option<String>,
    pub(super) elapsed: Duration,
}

/// What to send.
pub(super) fn request_body(model: &str, phase: Phase, with_tool: bool) -> Value {
    let prompt = if with_tool { TOOL_PROMPT } else { PROMPT };
    let mut body = json!({
        "model": model,
        "stream": phase != Phase::NonStreaming,
        "messages": [{"role": "user", "content": prompt}],
    });
    if with_tool && let Some(members) = body.as_object_mut() {
        let parameters =
            json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let function = json!({"name": "get_weather", "parameters": parameters});
        members.insert("tools".to_owned(), json!([{"type": "function", "function": function}]));
    }
    body
}

/// Sends a request and reads the response to its end. `alone` requests only the first target.
pub(super) async fn send_request(
    client: &dyn Connector,
    gateway: &str,
    body: &Value,
    alone: bool,
) -> ObservedResponse {
    let mut headers: HeaderMap =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
    if alone {
        headers.insert(HeaderName::from_static("x-moonrelay-fallback"), HeaderValue::from_static("off"));
    }
    let url = format!("{gateway}/v1/chat/completions");
    let call = UpstreamRequest {
        method: Method::POST,
        url: url.into(),
        headers,
        body: vec![Bytes::from(body.to_string())],
    };
    let asked = Instant::now();
    let mut saw = match client.send(call).await {
        Ok(response) => read_response(response).await,
        Err(failure) => {
            ObservedResponse { connection_error: Some(failure.to_string()), ..ObservedResponse::default() }
        }
    };
    saw.elapsed = asked.elapsed();
    saw
}

async fn read_response(mut response: UpstreamResponse) -> ObservedResponse {
    let kind = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let streams = kind.starts_with("text/event-stream");
    let mut saw = ObservedResponse {
        status: response.status.as_u16(),
        is_stream: streams,
        ..ObservedResponse::default()
    };
    let mut reader = FrameReader::new();
    let mut whole = Vec::new();
    while let Some(chunk) = response.body.next().await {
        match chunk {
            Ok(chunk) if streams => {
                reader.feed(chunk);
                while let Ok(Some(frame)) = reader.next_frame() {
                    saw.record_payload(frame.data().as_deref().unwrap_or_default());
                }
            }
            Ok(chunk) => whole.extend_from_slice(&chunk),
            Err(failure) => saw.connection_error = Some(failure.to_string()),
        }
    }
    if !streams {
        saw.record_payload(&whole);
    }
    saw
}

impl ObservedResponse {
    /// Takes in a body or an event's payload; a chunk's `delta` and an answer's `message` have the same members.
    fn record_payload(&mut self, payload: &[u8]) {
        if payload == b"[DONE]" {
            self.done_count += 1;
        }
        let Ok(value) = serde_json::from_slice::<Value>(payload) else { return };
        if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            let message =
                error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
            self.error.get_or_insert_with(|| message.to_owned());
        }
        let Some(choice) = value.pointer("/choices/0") else { return };
        let part = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&Value::Null);
        self.text.push_str(part.get("content").and_then(Value::as_str).unwrap_or_default());
        let calls = part.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        for function in calls.filter_map(|call| call.get("function")) {
            let member = |key| function.get(key).and_then(Value::as_str);
            self.tool_calls.extend(member("name").map(|name| format!("{name} ")));
            if let Some((call, arguments)) = self.tool_calls.last_mut().zip(member("arguments")) {
                call.push_str(arguments);
            }
        }
        self.finish_reasons.extend(choice.get("finish_reason").and_then(Value::as_str).map(str::to_owned));
    }
}
