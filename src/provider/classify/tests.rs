//! Every documented refusal, one row each.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::catalog::AdapterId::{Generic, KimiCode, Moonshot, OpenRouter};
use crate::failure::Reason as R;

mod apis;

/// 2026-11-30T00:00:00Z.
const NOW: Duration = Duration::from_secs(1_795_996_800);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

fn read(adapter: AdapterId, status: u16, body: &str) -> Failure {
    let body = body.as_bytes();
    classifier(adapter).classify(&ProviderError {
        status,
        content_type: None,
        retry_after: None,
        received_at: now(),
        body,
    })
}

fn classifier(adapter: AdapterId) -> Classifier {
    Classifier::new(adapter, Redactor::default())
}

/// Checks one line of a table: `expected` is its reason and wait.
fn check(failure: &Failure, expected: &[&str], line: &str) {
    let own_rule = expected[0].ends_with('!');
    let wait = expected.get(1).map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
    assert_eq!(failure.reason.as_str(), expected[0].trim_end_matches('!'), "{line}");
    assert_eq!(failure.is_provider_rule, own_rule, "{line}");
    assert_eq!(failure.allows_failover(), failure.reason != R::BadRequest || own_rule, "{line}");
    assert_eq!(failure.retry_after, wait, "{line}");
}

fn lines(table: &str) -> impl Iterator<Item = (u16, Vec<&str>, &str, &str)> {
    table.lines().filter(|line| !line.is_empty()).map(|line| {
        let (head, said) = line.split_once(" | ").unwrap();
        let mut head = head.split(' ');
        (head.next().unwrap().parse().unwrap(), head.collect(), said, line)
    })
}

/// Rows with an error object of type and message.
fn rows(adapter: AdapterId, table: &str) {
    for (status, head, message, line) in lines(table) {
        let kind = Some(head[0]).filter(|kind| *kind != "-");
        let error = kind.map_or_else(
            || json!({"error": {"message": message}}),
            |kind| json!({"error": {"message": message, "type": kind}}),
        );
        let failure = read(adapter, status, &error.to_string());
        check(&failure, &head[1..], line);
        assert_eq!(failure.status, Some(status), "{line}");
        assert_eq!(failure.provider_error_type.as_deref(), kind, "{line}");
    }
}

/// Rows with a whole body.
fn bodies(adapter: AdapterId, table: &str) {
    for (status, head, body, line) in lines(table) {
        check(&read(adapter, status, body), &head, line);
    }
}

/// Status, `error.type` (`-`: none), reason (`!`: the provider's own rule), seconds to wait, then the message.
const MOONSHOT: &str = r###"
400 content_filter content_filter | The request was rejected because it was considered high risk
400 invalid_request_error content_filter | Invalid request: the request was rejected because it was considered high risk
400 invalid_request_error context_overflow | Input token length too long
400 invalid_request_error context_overflow | Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)
400 invalid_request_error bad_request | Invalid request: messages must not be empty
400 invalid_request_error bad_request | Invalid request: invalid scheme
400 invalid_request_error bad_request! | stop array too long. Expected an array with maximum length 5, but got 6
400 invalid_request_error bad_request! | invalid temperature: only 1 is allowed for this model
400 invalid_request_error bad_request! | invalid temperature: only 0.6 is allowed for this model
400 invalid_request_error bad_request! | invalid top_p: only 0.95 is allowed for this model
400 invalid_request_error bad_request! | invalid n: only 1 is allowed for this model
400 invalid_request_error bad_request! | invalid thinking: only type=enabled is allowed for this model
400 invalid_request_error bad_request! | thinking is enabled but reasoning_content is missing in assistant tool call message at index 2
400 invalid_request_error bad_request! | tool_choice 'required' is incompatible with thinking enabled
400 invalid_request_error bad_request! | tool_choice 'specified' is incompatible with thinking enabled
400 invalid_request_error bad_request! | Invalid request: unsupported image url: https://example.com/a.png
400 invalid_request_error bad_request! | Invalid request: function name is invalid, must start with a letter
400 invalid_request_error bad_request! | function name read is duplicated
400 invalid_request_error bad_request! | tools.function.parameters is not a valid moonshot flavored json schema, details: <At path 'properties.x': when using anyOf, type should be defined in anyOf items instead of the parent schema>
400 invalid_request_error bad_request! | reasoning.effort value "none" is not supported
401 invalid_authentication_error auth | Invalid Authentication
401 incorrect_api_key_error auth | Incorrect API key provided
403 permission_denied_error auth | The API you are accessing is not open
403 permission_denied_error auth | You are not allowed to get other user info
403 permission_denied_error auth | Your IP is not allowed to access this organization
404 resource_not_found_error model_not_found | Not found the model kimi-k9 or Permission denied
429 engine_overloaded_error overloaded | The engine is currently overloaded, please try again later
429 rate_limit_reached_error rate_limit 2 | Your account org-1a2b/proj-3c4d<ak-5e6f> request reached organization max concurrency: 3, please try again after 2 seconds
429 rate_limit_reached_error rate_limit 1 | Your account org-1a2b<ak-5e6f> request reached organization max RPM: 20, please try again after 1 seconds
429 rate_limit_reached_error rate_limit | Your account org-1a2b<ak-5e6f> request reached TPM rate limit, current:9, limit:8
429 rate_limit_reached_error quota | Your account org-1a2b request reached TPD rate limit, current: 1526210, limit: 1500000
429 exceeded_current_quota_error billing | Your account org-1a2b<ak-5e6f> is suspended due to insufficient balance, please recharge your account or check your plan and billing details
429 exceeded_current_quota_error quota | You exceeded your current token quota: org-1a2b 100, please check your account balance
429 - rate_limit 1 | Organization Rate limit exceeded, please try again after 1 seconds
499 client_closed_request server | client closed request
500 server_error server | something failed
500 unexpected_output server | the model produced an unexpected output
503 server_unavailable server | unavailable
"###;

/// As [`MOONSHOT`].
const KIMI_CODE: &str = r###"
401 invalid_authentication_error auth | The API Key appears to be invalid or may have expired. Please verify your credentials and try again.
402 invalid_request_error billing | We're unable to verify your membership benefits at this time. Please ensure your membership is active.
403 access_terminated_error forbidden_client | Kimi For Coding is currently only available for Coding Agents such as Kimi CLI, Claude Code, Roo Code, Kilo Code, etc.
403 access_terminated_error quota | You've reached your 5-hour usage limit. Your quota will reset when the current 5-hour window ends.
403 permission_error quota | You've reached your weekly (7-day) usage limit. Your quota will reset next week.
403 access_terminated_error quota | You've reached your usage limit for this billing cycle. Your quota will be refreshed in the next cycle.
403 access_terminated_error rate_limit | You've reached your concurrent request limit. Please wait for your ongoing requests to finish and try again.
403 access_terminated_error auth | Access terminated.
404 resource_not_found_error model_not_found | Not found the model kimi-for-coding or Permission denied
404 resource_not_found_error model_not_found | method not found
429 engine_overloaded_error overloaded | The engine is currently overloaded, please try again later
429 rate_limit_error overloaded | The engine is currently overloaded, please try again later
429 rate_limit_reached_error rate_limit | We're receiving too many requests at the moment. Please wait a moment and try again.
429 - quota | You've reached kimi monthly usage limit for this billing cycle. Please upgrade.
429 - quota | You've reached your usage limit for this period.
400 invalid_request_error context_overflow | total message size 2200000 exceeds limit 2097152
400 invalid_request_error context_overflow | Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)
400 invalid_request_error bad_request! | thinking is enabled but reasoning_content is missing in assistant tool call message at index 0
400 invalid_request_error bad_request! | temperature must not be greater than 1.000000
400 invalid_request_error bad_request | Invalid request: something else
499 - server | context canceled
500 - server | failed to query membership from database
"###;

/// Status, reason, seconds to wait, then the body.
const OPENROUTER: &str = r###"
400 bad_request | {"error":{"code":400,"message":"Invalid parameters"}}
400 model_not_found | {"error":{"code":400,"message":"nosuch is not a valid model ID"}}
401 auth | {"error":{"code":401,"message":"No cookie auth credentials found"}}
401 auth | {"error":{"code":401,"message":"User not found."}}
402 billing | {"error":{"code":402,"message":"Insufficient credits","metadata":{"limit_source":"openrouter_credits"}}}
402 billing | {"error":{"code":402,"message":"This request requires more credits","metadata":{"reason":"weight_exceeds_budget","limit_source":"openrouter_credits"}}}
402 rate_limit | {"error":{"code":402,"message":"Too many requests in flight","metadata":{"reason":"in_flight_budget_exhausted","limit_source":"openrouter_in_flight_budget"}}}
402 billing | {"error":{"code":402,"message":"Key limit exceeded","metadata":{"limit_source":"openrouter_key_limit"}}}
403 content_filter | {"error":{"code":403,"message":"Your input was flagged","metadata":{"reasons":["violence"],"flagged_input":"…","provider_name":"OpenAI"}}}
403 quota 86400 | {"error":{"code":403,"message":"Budget limit exceeded","metadata":{"limit_source":"openrouter_workspace_budget","limit_usd":5,"resets_at":"2026-12-01T00:00:00Z"}}}
402 quota 3600 | {"error":{"code":402,"message":"Key limit exceeded","metadata":{"limit_source":"openrouter_key_limit","resets_at":1796000400000}}}
402 quota | {"error":{"code":402,"message":"Key limit exceeded","metadata":{"limit_source":"openrouter_key_limit","resets_at":"2026-11-01T00:00:00Z"}}}
402 quota | {"error":{"code":402,"message":"Key limit exceeded","metadata":{"limit_source":"openrouter_key_limit","resets_at":"tomorrow"}}}
402 rate_limit | {"error":{"code":402,"message":"Too many","metadata":{"limit_source":"openrouter_in_flight_budget","resets_at":"2026-12-01T00:00:00Z"}}}
403 billing | {"error":{"code":403,"message":"Budget limit exceeded","metadata":{"limit_source":"openrouter_guardrail_budget"}}}
403 auth | {"error":{"code":403,"message":"Forbidden"}}
404 model_not_found | {"error":{"code":404,"message":"No endpoints found that support image input","metadata":{"failed_routing_step":"filter"}}}
408 timeout | {"error":{"code":408,"message":"Request timed out"}}
413 context_overflow | {"error":{"code":413,"message":"Payload too large"}}
422 bad_request | {"error":{"code":422,"message":"Invalid input"}}
429 rate_limit | {"error":{"code":429,"message":"Rate limit exceeded: free-models-per-min"}}
429 quota | {"error":{"code":429,"message":"Rate limit exceeded: free-models-per-day. Add credits"}}
429 rate_limit | {"error":{"code":429,"message":"Provider returned error","metadata":{"provider_name":"Moonshot AI","raw":"kimi-k2.6 is temporarily rate-limited upstream","limit_source":"upstream_provider_shared_pool"}}}
429 server | {"error":{"code":429,"message":"Provider returned error","metadata":{"provider_name":"Moonshot AI","raw":"{\"error\":{\"message\":\"Your account is suspended due to insufficient balance\",\"type\":\"exceeded_current_quota_error\"}}"}}}
429 billing | {"error":{"code":429,"message":"Provider returned error","metadata":{"is_byok":true,"provider_name":"Moonshot AI","raw":"{\"error\":{\"message\":\"Your account is suspended due to insufficient balance\",\"type\":\"exceeded_current_quota_error\"}}"}}}
401 server | {"error":{"code":401,"message":"Provider returned error","metadata":{"provider_name":"X","raw":"bad key"}}}
400 bad_request! | {"error":{"code":400,"message":"Provider returned error","metadata":{"provider_name":"Moonshot AI","raw":{"error":{"message":"tool_choice 'required' is incompatible with thinking enabled","type":"invalid_request_error"}}}}}
400 context_overflow | {"error":{"code":400,"message":"Provider returned error","metadata":{"provider_name":"X","raw":"This model's maximum context length is 8192 tokens"}}}
500 server | {"error":{"code":500,"message":"Internal Server Error"}}
502 server | {"error":{"code":502,"message":"Provider returned error","metadata":{"provider_name":"X","raw":"upstream connect error"}}}
502 overloaded | {"error":{"code":502,"message":"Provider returned error","metadata":{"provider_name":"X","raw":"{\"error\":{\"message\":\"The engine is currently overloaded\"}}"}}}
503 server | {"error":{"code":503,"message":"No available model provider meets your routing requirements"}}
524 timeout | {"error":{"code":524,"message":"Edge timeout"}}
529 overloaded | {"error":{"code":529,"message":"Provider busy"}}
200 server | {"error":{"code":502,"message":"Provider returned error","metadata":{"error_type":"provider_unavailable"}}}
200 rate_limit | {"error":{"code":"429","message":"Rate limited"}}
200 overloaded | {"id":"gen-1","choices":[{"index":0,"error":{"code":529,"message":"busy"}}]}
200 server | {"error":{"message":"it broke"}}
200 context_overflow | {"error":{"message":"This model's maximum context length is 8192 tokens"}}
"###;

/// As [`OPENROUTER`].
const OTHERS: &str = r###"
429 billing | {"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}
429 rate_limit 20 | {"error":{"message":"Rate limit reached for gpt. Please try again in 20s.","type":"requests","code":"rate_limit_exceeded"}}
429 quota | {"error":{"message":"Rate limit reached on tokens per day (TPD)","type":"tokens","code":"rate_limit_exceeded"}}
401 auth | {"error":{"message":"Incorrect API key provided: sk-abc***xyz","type":"invalid_request_error","code":"invalid_api_key"}}
404 model_not_found | {"error":{"message":"The model `x` does not exist","code":"model_not_found"}}
404 model_not_found | {"error":"model \"x\" not found, try pulling it first"}
400 context_overflow | {"error":{"message":"This model's maximum context length is 8192 tokens","code":"context_length_exceeded"}}
400 bad_request! | {"error":{"message":"Unsupported parameter: 'max_tokens'","code":"unsupported_parameter"}}
400 bad_request! | {"error":"registry.ollama.ai/library/x does not support tools"}
400 bad_request | {"object":"error","message":"bad","type":"BadRequestError","code":400}
402 billing | {"error":{"message":"Insufficient Balance","type":"unknown_error"}}
422 bad_request | {"detail":[{"loc":["body"],"msg":"Field required","type":"missing"}]}
500 server | upstream exploded
529 overloaded | {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}
200 overloaded | {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}
413 context_overflow | {"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}
400 context_overflow | {"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}
400 billing | {"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}
403 auth | {"type":"error","error":{"type":"permission_error","message":"no"}}
500 server | {"type":"error","error":{"type":"api_error","message":"Internal"}}
429 rate_limit | [{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}]
403 billing | {"error":{"message":"用户余额不足"}}
400 billing | {"error":{"message":"账户已欠费"}}
400 rate_limit | {"error":{"message":"请求过于频繁,请稍后再试"}}
400 quota | {"error":{"message":"额度已用尽"}}
500 overloaded | {"error":{"message":"服务过载"}}
400 auth | {"error":{"message":"密钥无效"}}
400 context_overflow | {"error":{"message":"上下文过长"}}
"###;

#[test]
fn moonshot() {
    rows(Moonshot, MOONSHOT);
}

#[test]
fn kimi_code() {
    rows(KimiCode, KIMI_CODE);
    let body = r#"{"error":{"type":"<nil>","message":"We're receiving too many requests at the moment."},"type":"error"}"#;
    let nil = read(KimiCode, 429, body);
    assert_eq!((nil.reason, nil.provider_error_type), (R::RateLimit, None));
}

#[test]
fn openrouter() {
    bodies(OpenRouter, OPENROUTER);
}

#[test]
fn openrouter_error_types() {
    for (kind, reason, rule) in [
        ("context_length_exceeded", R::ContextOverflow, false),
        ("max_tokens_exceeded", R::BadRequest, true),
        ("token_limit_exceeded", R::ContextOverflow, false),
        ("string_too_long", R::ContextOverflow, false),
        ("authentication", R::Auth, false),
        ("permission_denied", R::Auth, false),
        ("payment_required", R::Billing, false),
        ("rate_limit_exceeded", R::RateLimit, false),
        ("provider_overloaded", R::Overloaded, false),
        ("provider_unavailable", R::Server, false),
        ("invalid_request", R::BadRequest, false),
        ("invalid_prompt", R::BadRequest, false),
        ("not_found", R::ModelNotFound, false),
        ("precondition_failed", R::BadRequest, false),
        ("payload_too_large", R::ContextOverflow, false),
        ("unprocessable", R::BadRequest, false),
        ("content_policy_violation", R::ContentFilter, false),
        ("refusal", R::ContentFilter, false),
        ("invalid_image", R::BadRequest, false),
        ("image_too_large", R::BadRequest, true),
        ("image_too_small", R::BadRequest, true),
        ("unsupported_image_format", R::BadRequest, true),
        ("image_not_found", R::BadRequest, false),
        ("image_download_failed", R::BadRequest, true),
        ("server", R::Server, false),
        ("timeout", R::Timeout, false),
        ("unmapped", R::Server, false),
    ] {
        let body = json!({"error": {"code": 502, "message": "Provider returned error", "metadata": {"error_type": kind}}});
        let failure = read(OpenRouter, 200, &body.to_string());
        assert_eq!((failure.reason, failure.is_provider_rule), (reason, rule), "{kind}");
        assert_eq!(failure.provider_error_type.as_deref(), Some(kind));
    }
}

#[test]
fn others() {
    bodies(Generic, OTHERS);
}

#[test]
fn bodies_without_text_are_classified_by_status() {
    for (status, body, reason, message) in [
        (504, "<html><head><title>504</title></head></html>", R::Timeout, "HTML page, status 504"),
        (502, "\n<!DOCTYPE html>\n<p>Bad gateway", R::Server, "HTML page, status 502"),
        (520, "<html>", R::Server, "HTML page, status 520"),
        (521, "<html>", R::Server, "HTML page, status 521"),
        (522, "<html>", R::Timeout, "HTML page, status 522"),
        (524, "<html>", R::Timeout, "HTML page, status 524"),
        (529, "<html>", R::Overloaded, "HTML page, status 529"),
        (429, "<html>", R::RateLimit, "HTML page, status 429"),
        // The error comes from an edge proxy, not the API: neither the key nor the request is the cause.
        (403, "<html>overloaded, insufficient balance", R::Server, "HTML page, status 403"),
        (400, "<html>", R::Server, "HTML page, status 400"),
        (503, "", R::Server, "empty body, status 503"),
        (401, "", R::Auth, "empty body, status 401"),
        (500, "\u{feff}{\"error\":{}}", R::Server, "{\"error\":{}}"),
        (
            500,
            "{\"error\":{\"message\":\"\\ud83d lone\"}}",
            R::Server,
            "{\"error\":{\"message\":\"\\ud83d lone\"}}",
        ),
        (400, "nonsense", R::BadRequest, "nonsense"),
    ] {
        for adapter in [Moonshot, KimiCode, OpenRouter, Generic] {
            let failure = read(adapter, status, body);
            assert_eq!((failure.reason, failure.message.as_str()), (reason, message), "{adapter:?} {status}");
        }
    }
    let labelled = ProviderError {
        status: 504,
        content_type: Some("text/html; charset=utf-8"),
        retry_after: None,
        received_at: now(),
        body: b"gateway",
    };
    assert_eq!(classifier(Moonshot).classify(&labelled).reason, R::Timeout);
    let mislabelled =
        ProviderError { status: 429, body: br#"{"error":{"type":"engine_overloaded_error"}}"#, ..labelled };
    assert_eq!(classifier(Moonshot).classify(&mislabelled).reason, R::Overloaded);
    let invalid = ProviderError { status: 500, content_type: None, body: b"\xff\xfe gzip? \x1f", ..labelled };
    assert_eq!(classifier(Moonshot).classify(&invalid).message, "\u{fffd}\u{fffd} gzip?");
}

#[test]
fn every_status_has_a_meaning() {
    for adapter in [Moonshot, KimiCode, OpenRouter, Generic] {
        for status in 100..=599 {
            let failure = read(adapter, status, "");
            assert_eq!(failure.status, Some(status));
            assert!(!failure.is_provider_rule && !failure.message.is_empty());
        }
    }
}

#[test]
fn the_header_wins_over_the_text() {
    let refused = ProviderError {
        status: 429,
        content_type: None,
        retry_after: Some(Duration::from_secs(9)),
        received_at: now(),
        body:
            br#"{"error":{"type":"rate_limit_reached_error","message":"please try again after 1 seconds"}}"#,
    };
    assert_eq!(classifier(Moonshot).classify(&refused).retry_after, Some(Duration::from_secs(9)));
}

#[test]
fn account_identifiers_are_redacted() {
    let failure = read(
        Moonshot,
        429,
        r#"{"error":{"type":"rate_limit_reached_error","message":"Your account org-1a2b3c/proj-4d<ak-5e6f> request reached"}}"#,
    );
    assert_eq!(failure.message, "Your account …/…<…> request reached");
    let behind = read(
        OpenRouter,
        502,
        r#"{"error":{"code":502,"message":"Provider returned error","metadata":{"provider_name":"Moonshot AI","raw":"{\"error\":{\"message\":\"account org-1a2b3c failed\"}}"}}}"#,
    );
    assert_eq!(behind.message, "Provider returned error (Moonshot AI): account … failed");
    let kind = read(Generic, 400, r#"{"error":{"type":"sk-secret1","message":"x"}}"#);
    assert_eq!(kind.provider_error_type, None);
}
