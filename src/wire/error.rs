//! The chat face's errors, as the OpenAI SDKs parse them.
//!
//! Both SDKs read `error.message`, `type`, `param` and `code` of an error status' body. In a stream they raise on any
//! data frame whose JSON has `error`, as long as it has no `event:` line (openai-python `_streaming.py` and
//! openai-node `core/streaming.ts`, 2026).

use bytes::Bytes;

use super::json::write_string;
use super::sse::DONE;

/// An error for a client of the chat face.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatError<'a> {
    /// For people.
    pub message: &'a str,
    /// `type`, as `invalid_request_error` or `rate_limit`.
    pub kind: &'a str,
    /// `code`, where there is one; SDKs show it, programs branch on it.
    pub code: Option<&'a str>,
    /// `param`: the field that is wrong.
    pub param: Option<&'a str>,
    /// Every attempt, in order; the member is left out when there was none.
    pub attempts: &'a [AttemptLine<'a>],
}

/// One attempt, as an error body tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptLine<'a> {
    /// `provider/model`.
    pub model: &'a str,
    /// How it ended, as in `x-moonrelay-attempts`.
    pub result: &'a str,
    /// For people; left out when empty.
    pub message: &'a str,
}

impl ChatError<'_> {
    /// The body: `{"error":{"message","type","param","code"}}`, and `attempts` inside it.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out);
        out.into()
    }

    /// The end of a stream that failed: the error as an event, then `[DONE]`, on which clients that know no error
    /// events stop waiting.
    #[must_use]
    pub fn stream_end(&self) -> Bytes {
        let mut out = self.event_text();
        out.extend_from_slice(DONE);
        out.into()
    }

    /// The event alone.
    #[must_use]
    pub fn event(&self) -> Bytes {
        self.event_text().into()
    }

    fn event_text(&self) -> Vec<u8> {
        let mut out = b"data: ".to_vec();
        self.write(&mut out);
        out.extend_from_slice(b"\n\n");
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"error\":{\"message\":");
        write_string(out, self.message);
        out.extend_from_slice(b",\"type\":");
        write_string(out, self.kind);
        out.extend_from_slice(b",\"param\":");
        write_optional(out, self.param);
        out.extend_from_slice(b",\"code\":");
        write_optional(out, self.code);
        if !self.attempts.is_empty() {
            out.extend_from_slice(b",\"attempts\":[");
            for (index, attempt) in self.attempts.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                attempt.write(out);
            }
            out.push(b']');
        }
        out.extend_from_slice(b"}}");
    }
}

impl AttemptLine<'_> {
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

    use super::{AttemptLine, ChatError};

    #[test]
    fn the_body_is_what_the_sdks_parse() {
        let attempts = [
            AttemptLine {
                model: "kimi/kimi-for-coding",
                result: "rate_limit",
                message: "wait \"a\" while\u{1}",
            },
            AttemptLine { model: "openrouter/auto", result: "no_key", message: "" },
        ];
        let error = ChatError {
            message: "nobody\nanswered",
            kind: "rate_limit",
            code: Some("rate_limit"),
            param: None,
            attempts: &attempts,
        };
        let value: Value = serde_json::from_slice(&error.body()).unwrap();
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
        let error = ChatError { message: "cut", kind: "truncated", ..ChatError::default() };
        let expected =
            "data: {\"error\":{\"message\":\"cut\",\"type\":\"truncated\",\"param\":null,\"code\":null}}\n\n";
        assert_eq!(error.event(), expected);
        assert_eq!(error.stream_end(), format!("{expected}data: [DONE]\n\n"));
    }
}
