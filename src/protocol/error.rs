//! The error bodies of each API format, as its SDKs parse them.
//!
//! Chat Completions and Responses: both OpenAI SDKs read `error.message`, `type`, `param` and `code` from the
//! body of an error status. In a chat stream they raise on any data frame whose JSON has `error`, as long as it
//! has no `event:` line (openai-python `_streaming.py` and openai-node `core/streaming.ts`, 2026). Messages:
//! `{"type":"error","error":{"type","message"}}`, in a stream as `event: error` (anthropic-python
//! `_streaming.py`, 2026).

mod names;

use bytes::Bytes;

use super::api::Api;
use super::json::write_string;
use super::sse::DONE;

/// Anthropic's text for it. Its clients recognise by this text that a conversation must be shortened, because
/// no error type expresses it (anthropics/claude-code issue 820; Claude Code 2.1.329 searches for it without
/// regard to case).
const PROMPT_TOO_LONG: &str = "prompt is too long";

/// An error for a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    /// For people.
    pub message: &'a str,
    /// The kind of error: a `type` of Chat Completions (`invalid_request_error`) or an attempt reason
    /// (`rate_limit`). Each API format maps it to its own term.
    pub kind: &'a str,
    /// `code`, where there is one; SDKs show it, programs branch on it.
    pub code: Option<&'a str>,
    /// `param`: the field that is wrong.
    pub param: Option<&'a str>,
    /// All attempts, in order. The member is omitted when there was none.
    pub attempts: &'a [AttemptSummary<'a>],
    /// The request id, which the Messages API also has in the body (`request_id`).
    pub request_id: Option<&'a str>,
    /// A response was interrupted after it started, so another target may serve a retry of the same request.
    pub is_retryable: bool,
}

/// One attempt, as shown in an error body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptSummary<'a> {
    /// `provider/model`.
    pub model: &'a str,
    /// How it ended, as in `x-moonrelay-attempts`.
    pub result: &'a str,
    /// Human-readable; omitted when empty.
    pub message: &'a str,
}

impl ErrorBody<'_> {
    /// The body of an error status; `attempts` is a member of `error`.
    #[must_use]
    pub fn render_body(&self, face: Api) -> Bytes {
        let mut out = Vec::with_capacity(256);
        self.write_body(face, &mut out);
        out.into()
    }

    /// The end of a failed chat stream: the error as an event, then `[DONE]`, at which clients without support
    /// for error events stop waiting. [`super::translate::encoder::Encoder::fail`] ends the streams of every
    /// API format.
    #[must_use]
    pub fn render_chat_stream_end(&self) -> Bytes {
        let mut out = Vec::with_capacity(256);
        self.write_event(Api::ChatCompletions, &mut out);
        out.extend_from_slice(DONE);
        out.into()
    }

    /// The error as one event, valid anywhere in a stream. In a Responses stream it has the sequence number 0,
    /// so it is only for a stream that has not started.
    pub fn write_event(&self, face: Api, out: &mut Vec<u8>) {
        if face != Api::ChatCompletions {
            out.extend_from_slice(b"event: error\n");
        }
        out.extend_from_slice(b"data: ");
        if face == Api::Responses {
            // Flat: `ResponseErrorEvent` of the OpenAI SDKs.
            out.extend_from_slice(b"{\"type\":\"error\",\"sequence_number\":0,");
            self.write_message_and_name("code", self.responses_error_code(), out);
            out.extend_from_slice(b",\"param\":");
            write_optional(out, self.param);
            self.write_attempts(out);
            out.push(b'}');
        } else {
            self.write_body(face, out);
        }
        out.extend_from_slice(b"\n\n");
    }

    /// `error` of a failed response: `{"code","message"}`, and `attempts`.
    pub(super) fn write_response_error(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_message_and_name("code", self.responses_error_code(), out);
        self.write_attempts(out);
        out.push(b'}');
    }

    fn write_body(&self, face: Api, out: &mut Vec<u8>) {
        if face == Api::Messages {
            out.extend_from_slice(b"{\"type\":\"error\",\"error\":{");
            let message = format!("{PROMPT_TOO_LONG}: {}", self.message);
            let message = if self.needs_too_long_prefix() { &message } else { self.message };
            ErrorBody { message, ..*self }.write_message_and_name("type", self.messages_error_type(), out);
        } else {
            out.extend_from_slice(b"{\"error\":{");
            self.write_message_and_name("type", self.kind, out);
        }
        out.extend_from_slice(b",\"param\":");
        write_optional(out, self.param);
        out.extend_from_slice(b",\"code\":");
        write_optional(out, self.code);
        self.write_attempts(out);
        out.push(b'}');
        if let (Api::Messages, Some(id)) = (face, self.request_id) {
            out.extend_from_slice(b",\"request_id\":");
            write_string(out, id);
        }
        out.push(b'}');
    }

    /// The message, and the error's name under `key`.
    fn write_message_and_name(&self, key: &str, name: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"message\":");
        write_string(out, self.message);
        out.push(b',');
        write_string(out, key);
        out.push(b':');
        write_string(out, name);
    }

    /// For a conversation that must be shortened, when the provider's text does not contain Anthropic's phrase.
    fn needs_too_long_prefix(&self) -> bool {
        matches!(self.code, Some("context_overflow" | "context_length_exceeded"))
            && !self.message.contains(PROMPT_TOO_LONG)
    }

    fn write_attempts(&self, out: &mut Vec<u8>) {
        if self.attempts.is_empty() {
            return;
        }
        out.extend_from_slice(b",\"attempts\":[");
        for (index, attempt) in self.attempts.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            attempt.write(out);
        }
        out.push(b']');
    }
}

impl AttemptSummary<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"model\":");
        write_string(out, self.model);
        out.extend_from_slice(b",\"result\":");
        write_string(out, self.result);
        if !self.message.is_empty() {
            out.extend_from_slice(b",\"message\":");
            write_string(out, self.message);
        }
        out.push(b'}');
    }
}

fn write_optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Api, AttemptSummary, ErrorBody};

    #[test]
    fn body_matches_what_the_sdks_parse() {
        let attempts = [
            AttemptSummary {
                model: "kimi/kimi-for-coding",
                result: "rate_limit",
                message: "wait \"a\" while\u{1}",
            },
            AttemptSummary { model: "openrouter/auto", result: "no_key", message: "" },
        ];
        let error = ErrorBody {
            message: "nobody\nanswered",
            kind: "rate_limit",
            code: Some("rate_limit"),
            attempts: &attempts,
            ..ErrorBody::default()
        };
        let value: Value = serde_json::from_slice(&error.render_body(Api::ChatCompletions)).unwrap();
        let expected = json!({"error": {
            "message": "nobody\nanswered", "type": "rate_limit", "param": null, "code": "rate_limit",
            "attempts": [
                {"model": "kimi/kimi-for-coding", "result": "rate_limit", "message": "wait \"a\" while\u{1}"},
                {"model": "openrouter/auto", "result": "no_key"},
            ],
        }});
        assert_eq!(value, expected);
    }

    #[test]
    fn a_stream_ends_with_the_error_and_done() {
        let error = ErrorBody { message: "cut", kind: "truncated", ..ErrorBody::default() };
        let expected =
            "data: {\"error\":{\"message\":\"cut\",\"type\":\"truncated\",\"param\":null,\"code\":null}}\n\n";
        let mut event = Vec::new();
        error.write_event(Api::ChatCompletions, &mut event);
        assert_eq!(event, expected.as_bytes());
        assert_eq!(error.render_chat_stream_end(), format!("{expected}data: [DONE]\n\n"));
    }

    #[test]
    fn too_long_prompt_uses_the_phrase_that_clients_recognise() {
        let long = |message| ErrorBody { message, code: Some("context_overflow"), ..ErrorBody::default() };
        let said = |error: ErrorBody<'_>, face| {
            let mut event = Vec::new();
            error.write_event(face, &mut event);
            let event = String::from_utf8(event).unwrap();
            let body = String::from_utf8(error.render_body(face).to_vec()).unwrap();
            [event, body].map(|text| text.matches("prompt is too long").count())
        };
        assert_eq!(said(long("kimi: 9 of 8 tokens"), Api::Messages), [1, 1]);
        assert_eq!(said(long("kimi: prompt is too long: 9"), Api::Messages), [1, 1]);
        assert_eq!(said(long("kimi: 9 of 8 tokens"), Api::ChatCompletions), [0, 0]);
        assert_eq!(said(ErrorBody { code: None, ..long("kimi") }, Api::Messages), [0, 0]);
    }

    #[test]
    fn messages_and_responses_use_their_own_envelopes() {
        let error = ErrorBody {
            message: "full",
            kind: "overloaded",
            code: Some("overloaded"),
            request_id: Some("1"),
            ..ErrorBody::default()
        };
        let value: Value = serde_json::from_slice(&error.render_body(Api::Messages)).unwrap();
        let expected = json!({"type": "error", "error": {
            "message": "full", "type": "overloaded_error", "param": null, "code": "overloaded",
        }, "request_id": "1"});
        assert_eq!(value, expected);
        assert_eq!(error.render_body(Api::Responses), error.render_body(Api::ChatCompletions));
        let mut event = Vec::new();
        error.write_event(Api::Responses, &mut event);
        let data = event.strip_prefix(b"event: error\ndata: ").unwrap();
        let value: Value = serde_json::from_slice(data).unwrap();
        let expected = json!({
            "type": "error", "sequence_number": 0, "message": "full", "code": "server_is_overloaded", "param": null,
        });
        assert_eq!(value, expected);
    }
}
