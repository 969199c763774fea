//! Complete error bodies as the Messages and Responses APIs wrap them: the meaning is the same.

use super::*;

/// Moonshot wraps its 400 and 500 errors. Its 401 and 429 errors have the format of the `OpenAI` APIs (reported
/// 2026-09).
const MOONSHOT: &str = r###"
400 bad_request! | {"type":"error","error":{"type":"invalid_request_error","message":"invalid temperature: only 1 is allowed for this model"}}
400 bad_request! | {"type":"error","error":{"type":"invalid_request_error","message":"thinking is enabled but reasoning_content is missing in assistant tool call message at index 3"}}
400 bad_request! | {"type":"error","error":{"type":"invalid_request_error","message":"tool_choice 'specified' is incompatible with thinking enabled"}}
400 bad_request! | {"type":"error","error":{"type":"invalid_request_error","message":"failed to convert tool result content: unsupported content type in ContentBlockParamUnion: tool_reference"},"request_id":"r"}
400 context_overflow | {"type":"error","error":{"type":"invalid_request_error","message":"Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)"}}
400 content_filter | {"type":"error","error":{"type":"invalid_request_error","message":"The request was rejected because it was considered high risk"}}
400 bad_request | {"type":"error","error":{"type":"invalid_request_error","message":"messages must not be empty"}}
401 auth | {"error":{"message":"Incorrect API key provided","type":"incorrect_api_key_error"}}
404 model_not_found | {"type":"error","error":{"type":"not_found_error","message":"Not found the model x or Permission denied"}}
429 rate_limit 1 | {"error":{"message":"Organization Rate limit exceeded, please try again after 1 seconds","type":"rate_limit_reached_error"}}
500 server | {"type":"error","error":{"type":"api_error","message":"something"}}
400 bad_request! | {"error":{"message":"reasoning.effort value \"none\" is not supported","type":"invalid_request_error"}}
"###;

/// Kimi Code's error reference, 2026-10; its 5xx name no type.
const KIMI_CODE: &str = r###"
401 auth | {"error":{"type":"authentication_error","message":"The API Key appears to be invalid or may have expired."},"type":"error"}
402 billing | {"error":{"type":"invalid_request_error","message":"We're unable to verify your membership benefits at this time."},"type":"error"}
403 quota | {"error":{"type":"permission_error","message":"You've reached your 5-hour usage limit. Your quota will reset when the current 5-hour window ends."},"type":"error"}
403 rate_limit | {"error":{"type":"permission_error","message":"You've reached your concurrent request limit. Please wait for your ongoing requests to finish and try again."},"type":"error"}
403 auth | {"error":{"type":"permission_error","message":"Access terminated."},"type":"error"}
404 model_not_found | {"error":{"type":"resource_not_found_error","message":"Not found the model k9 or Permission denied"},"type":"error"}
429 overloaded | {"error":{"type":"rate_limit_error","message":"The engine is currently overloaded, please try again later"},"type":"error"}
429 rate_limit | {"error":{"type":"rate_limit_error","message":"We're receiving too many requests at the moment. Please wait a moment and try again."},"type":"error"}
500 server | {"error":{"type":"<nil>","message":"context canceled"},"type":"error"}
400 context_overflow | {"error":{"type":"invalid_request_error","message":"total message size 2097153 exceeds limit 2097152"},"type":"error"}
400 bad_request! | {"error":{"type":"invalid_request_error","message":"Invalid request Error"},"type":"error"}
"###;

/// OpenRouter names its own type beside Anthropic's.
const OPENROUTER: &str = r###"
400 context_overflow | {"type":"error","error":{"type":"invalid_request_error","message":"no","error_type":"context_length_exceeded"},"request_id":"r"}
401 auth | {"type":"error","error":{"type":"authentication_error","message":"No cookie auth credentials found","error_type":"authentication"}}
402 billing | {"type":"error","error":{"type":"billing_error","message":"no","error_type":"payment_required"},"request_id":"r"}
403 content_filter | {"type":"error","error":{"type":"permission_error","message":"no","error_type":"content_policy_violation"}}
404 model_not_found | {"type":"error","error":{"type":"not_found_error","message":"No endpoints found","error_type":"not_found"}}
429 rate_limit | {"type":"error","error":{"type":"rate_limit_error","message":"no","error_type":"rate_limit_exceeded"}}
502 server | {"type":"error","error":{"type":"api_error","message":"no","error_type":"provider_unavailable"}}
529 overloaded | {"type":"error","error":{"type":"overloaded_error","message":"no","error_type":"provider_overloaded"}}
400 bad_request! | {"type":"error","error":{"type":"invalid_request_error","message":"no","error_type":"unsupported_image_format"}}
200 overloaded | {"type":"error","error":{"type":"x","message":"no","error_type":"provider_overloaded"}}
"###;

/// Anthropic's error page, 2026-10; `OpenAI`'s streaming reference, 2026. With 200, an event of a stream.
const OTHERS: &str = r###"
400 bad_request | {"type":"error","error":{"type":"invalid_request_error","message":"messages: at least one message is required"}}
400 context_overflow | {"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 215000 tokens > 200000 maximum"}}
400 context_overflow | {"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}}
400 billing | {"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}
401 auth | {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}
402 billing | {"type":"error","error":{"type":"billing_error","message":"no"}}
403 auth | {"type":"error","error":{"type":"permission_error","message":"no"}}
404 model_not_found | {"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}
413 context_overflow | {"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}
429 rate_limit | {"type":"error","error":{"type":"rate_limit_error","message":"no"}}
500 server | {"type":"error","error":{"type":"api_error","message":"Internal server error"}}
504 timeout | {"type":"error","error":{"type":"timeout_error","message":"no"}}
529 overloaded | {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}
200 overloaded | {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}
200 server | {"type":"error","error":{"type":"api_error","message":"Internal server error"}}
200 timeout | {"type":"error","error":{"type":"timeout_error","message":"no"}}
200 rate_limit | {"type":"error","code":"rate_limit_exceeded","message":"no","param":null,"sequence_number":3}
200 server | {"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"no"}}}
200 context_overflow | {"type":"response.failed","response":{"status":"failed","error":{"code":"context_length_exceeded","message":"no"}}}
200 overloaded | {"type":"response.failed","response":{"status":"failed","error":{"code":"server_is_overloaded","message":"no"}}}
200 billing | {"type":"response.failed","response":{"status":"failed","error":{"code":"insufficient_quota","message":"no"}}}
"###;

#[test]
fn moonshot() {
    bodies(Moonshot, MOONSHOT);
}

#[test]
fn kimi_code() {
    bodies(KimiCode, KIMI_CODE);
}

#[test]
fn openrouter() {
    bodies(OpenRouter, OPENROUTER);
}

#[test]
fn others() {
    bodies(Generic, OTHERS);
}
