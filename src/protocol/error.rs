//! The error bodies of each API, as its SDKs parse them.
//!
//! Chat Completions and Responses: both OpenAI SDKs read `error.message`, `type`, `param` and `code` from the
//! body of an error status. In a chat stream they raise on any data frame whose JSON has `error`, as long as it
//! has no `event:` line (openai-python `_streaming.py` and openai-node `core/streaming.ts`, 2026). Messages:
//! `{"type":"error","error":{"type","message"}}`, in a stream as `event: error` (anthropic-python
//! `_streaming.py`, 2026).

use bytes::Bytes;

use super::api::Api;
use super::sse::DONE;
use super::writer::{ObjectWriter, write_data, write_event, write_object};

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
    /// (`rate_limit`). Each API maps it to its own term.
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
    pub fn render_body(&self, api: Api) -> Bytes {
        let mut out = Vec::with_capacity(256);
        write_object(&mut out, |body| {
            if api == Api::Messages {
                body.escaped("type", "error");
            }
            self.write_members(api, body);
        });
        out.into()
    }

    /// The end of a failed chat stream: the error as an event, then `[DONE]`, at which clients without support
    /// for error events stop waiting. [`super::translate::Encoder::fail`] ends the streams of every
    /// API.
    #[must_use]
    pub fn render_chat_stream_end(&self) -> Bytes {
        let mut out = Vec::with_capacity(256);
        self.write_event(Api::ChatCompletions, &mut out);
        out.extend_from_slice(DONE);
        out.into()
    }

    /// The error as one event, valid anywhere in a stream. In a Responses stream it has the sequence number 0,
    /// so it is only for a stream that has not started.
    pub fn write_event(&self, api: Api, out: &mut Vec<u8>) {
        match api {
            Api::ChatCompletions => write_data(out, |body| self.write_members(api, body)),
            Api::Messages => write_event(out, "error", |body| self.write_members(api, body)),
            // Flat: `ResponseErrorEvent` of the OpenAI SDKs.
            Api::Responses => write_event(out, "error", |event| {
                event.raw("sequence_number", "0");
                event.text("message", self.message);
                event.escaped("code", self.responses_error_code());
                event.text_or_null("param", self.param);
                self.write_attempts(event);
            }),
        }
    }

    /// `error` of a failed response: `{"code","message"}`, and `attempts`.
    pub(super) fn write_response_error(&self, error: &mut ObjectWriter<'_>) {
        error.text("message", self.message);
        error.escaped("code", self.responses_error_code());
        self.write_attempts(error);
    }

    /// The body's members after `type`, which Messages has.
    fn write_members(&self, api: Api, body: &mut ObjectWriter<'_>) {
        let is_messages = api == Api::Messages;
        let prefixed = (is_messages && self.needs_too_long_prefix())
            .then(|| format!("{PROMPT_TOO_LONG}: {}", self.message));
        body.object("error", |error| {
            error.text("message", prefixed.as_deref().unwrap_or(self.message));
            error.text("type", if is_messages { self.messages_error_type() } else { self.kind });
            error.text_or_null("param", self.param);
            error.text_or_null("code", self.code);
            self.write_attempts(error);
        });
        if let Some(id) = self.request_id.filter(|_| is_messages) {
            body.text("request_id", id);
        }
    }

    /// For a conversation that must be shortened, when the provider's text does not contain Anthropic's phrase.
    fn needs_too_long_prefix(&self) -> bool {
        matches!(self.code, Some("context_overflow" | "context_length_exceeded"))
            && !self.message.contains(PROMPT_TOO_LONG)
    }

    fn write_attempts(&self, error: &mut ObjectWriter<'_>) {
        if self.attempts.is_empty() {
            return;
        }
        error.array("attempts", self.attempts, |out, attempt| {
            write_object(out, |body| {
                body.text("model", attempt.model);
                body.text("result", attempt.result);
                if !attempt.message.is_empty() {
                    body.text("message", attempt.message);
                }
            });
        });
    }
}

// Error names: a kind is an attempt reason, a `type` of OpenAI, Moonshot or Kimi Code, or one of Anthropic.

impl ErrorBody<'_> {
    /// `error.type` of the Messages API (Anthropic's API reference, "Errors", 2026-11).
    fn messages_error_type(&self) -> &'static str {
        self.codes().find_map(find_messages_error_type).unwrap_or("api_error")
    }

    /// `error.code` of a failed response. The SDKs name `server_error`, `rate_limit_exceeded` and
    /// `invalid_prompt`. Codex aborts the turn on `context_length_exceeded`, `insufficient_quota`,
    /// `usage_not_included`, `cyber_policy`, `invalid_prompt`, `server_is_overloaded` and `slow_down`. It
    /// retries on all others, on a stream without a final event and on `response.incomplete`. In the message of
    /// `rate_limit_exceeded` it searches for "try again in 3 s" (openai/codex,
    /// `codex-rs/codex-api/src/sse/responses.rs`, 2026). So an error that another target may serve on retry is
    /// a `server_error`.
    fn responses_error_code(&self) -> &'static str {
        let code = self.codes().find_map(find_responses_error_code).unwrap_or("server_error");
        match code {
            "insufficient_quota" | "server_is_overloaded" if self.is_retryable => "server_error",
            _ => code,
        }
    }

    /// The code is the more precise of the two.
    fn codes(&self) -> impl Iterator<Item = &str> {
        self.code.into_iter().chain([self.kind])
    }
}

fn find_messages_error_type(word: &str) -> Option<&'static str> {
    Some(match word {
        "body_too_large" | "request_too_large" => "request_too_large",
        "auth"
        | "invalid_api_key"
        | "authentication_error"
        | "invalid_authentication_error"
        | "incorrect_api_key_error" => "authentication_error",
        "forbidden_client" | "permission_error" | "permission_denied_error" | "access_terminated_error" => {
            "permission_error"
        }
        "model_not_found" | "no_route" | "not_found_error" | "resource_not_found_error" => "not_found_error",
        "rate_limit" | "quota" | "rate_limit_error" | "rate_limit_reached_error" => "rate_limit_error",
        "billing" | "billing_error" | "insufficient_quota" | "exceeded_current_quota_error" => {
            "billing_error"
        }
        "overloaded" | "overloaded_error" | "engine_overloaded_error" => "overloaded_error",
        "timeout" | "timeout_error" => "timeout_error",
        "bad_request" | "context_overflow" | "content_filter" | "invalid_request_error" => {
            "invalid_request_error"
        }
        "network" | "truncated" | "server" | "server_error" | "api_error" => "api_error",
        _ => return None,
    })
}

fn find_responses_error_code(word: &str) -> Option<&'static str> {
    Some(match word {
        "context_overflow" => "context_length_exceeded",
        "rate_limit" | "rate_limit_error" | "rate_limit_reached_error" => "rate_limit_exceeded",
        "quota" | "billing" | "billing_error" | "insufficient_quota" | "exceeded_current_quota_error" => {
            "insufficient_quota"
        }
        "overloaded" | "overloaded_error" | "engine_overloaded_error" => "server_is_overloaded",
        "bad_request" | "content_filter" | "model_not_found" | "invalid_request_error" => "invalid_prompt",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
