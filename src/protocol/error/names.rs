//! Error names of each API format.
//!
//! A kind is an attempt reason, a `type` of OpenAI, Moonshot or Kimi Code, or one of Anthropic.

use super::ErrorBody;

impl ErrorBody<'_> {
    /// `error.type` of the Messages API (Anthropic's API reference, "Errors", 2026-11).
    pub(super) fn messages_error_type(&self) -> &'static str {
        self.codes().find_map(find_messages_error_type).unwrap_or("api_error")
    }

    /// `error.code` of a failed response. The SDKs name `server_error`, `rate_limit_exceeded` and
    /// `invalid_prompt`. Codex aborts the turn on `context_length_exceeded`, `insufficient_quota`,
    /// `usage_not_included`, `cyber_policy`, `invalid_prompt`, `server_is_overloaded` and `slow_down`. It
    /// retries on all others, on a stream without a final event and on `response.incomplete`. In the message of
    /// `rate_limit_exceeded` it searches for "try again in 3 s" (openai/codex,
    /// `codex-rs/codex-api/src/sse/responses.rs`, 2026). So an error that another target may serve on retry is
    /// a `server_error`.
    pub(super) fn responses_error_code(&self) -> &'static str {
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
mod tests {
    use super::ErrorBody;

    #[test]
    fn codex_retries_where_another_target_may_serve() {
        for (kind, alone, again) in [
            ("overloaded", "server_is_overloaded", "server_error"),
            ("quota", "insufficient_quota", "server_error"),
            ("rate_limit", "rate_limit_exceeded", "rate_limit_exceeded"),
            ("context_overflow", "context_length_exceeded", "context_length_exceeded"),
            ("content_filter", "invalid_prompt", "invalid_prompt"),
        ] {
            let error = ErrorBody { kind, code: Some(kind), ..ErrorBody::default() };
            assert_eq!(error.responses_error_code(), alone);
            assert_eq!(ErrorBody { is_retryable: true, ..error }.responses_error_code(), again);
            assert_eq!(
                ErrorBody { is_retryable: true, ..error }.messages_error_type(),
                error.messages_error_type()
            );
        }
    }

    #[test]
    fn code_is_more_specific_than_kind() {
        let named = |kind, code| {
            let error = ErrorBody { kind, code, ..ErrorBody::default() };
            (error.messages_error_type(), error.responses_error_code())
        };
        let cases = [
            (
                ("invalid_request_error", Some("context_overflow")),
                ("invalid_request_error", "context_length_exceeded"),
            ),
            (("invalid_request_error", Some("model_not_found")), ("not_found_error", "invalid_prompt")),
            (("invalid_request_error", Some("body_too_large")), ("request_too_large", "invalid_prompt")),
            (("rate_limit_error", Some("odd")), ("rate_limit_error", "rate_limit_exceeded")),
            (("quota", None), ("rate_limit_error", "insufficient_quota")),
            (("truncated", Some("truncated")), ("api_error", "server_error")),
            (("never_heard_of", None), ("api_error", "server_error")),
        ];
        for ((kind, code), expected) in cases {
            assert_eq!(named(kind, code), expected, "{kind} {code:?}");
        }
    }
}
