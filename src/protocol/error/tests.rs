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
        message: "no target\nanswered",
        kind: "rate_limit",
        code: Some("rate_limit"),
        attempts: &attempts,
        ..ErrorBody::default()
    };
    let value: Value = serde_json::from_slice(&error.render_body(Api::ChatCompletions)).unwrap();
    let expected = json!({"error": {
        "message": "no target\nanswered", "type": "rate_limit", "param": null, "code": "rate_limit",
        "attempts": [
            {"model": "kimi/kimi-for-coding", "result": "rate_limit", "message": "wait \"a\" while\u{1}"},
            {"model": "openrouter/auto", "result": "no_key"},
        ],
    }});
    assert_eq!(value, expected);
}

#[test]
fn chat_stream_ends_with_error_and_done() {
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
    let said = |error: ErrorBody<'_>, api| {
        let mut event = Vec::new();
        error.write_event(api, &mut event);
        let event = String::from_utf8(event).unwrap();
        let body = String::from_utf8(error.render_body(api).to_vec()).unwrap();
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
