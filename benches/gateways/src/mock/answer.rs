//! Whole answers and failures.

use crate::mock::ANSWER;
use crate::row::Api;

/// The bytes of a whole answer, head included.
pub(super) fn whole(api: Api) -> Vec<u8> {
    let body = match api {
        Api::Chat => format!(
            r#"{{"id":"chatcmpl-6a2f0c51d94e7b3801aa55c2","object":"chat.completion","created":1784246400,"model":"kimi-k2.6","choices":[{{"index":0,"message":{{"role":"assistant","content":"{ANSWER}, in two sentences. It is as long as a short answer is."}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"cached_tokens":64,"prompt_tokens_details":{{"cached_tokens":64}}}}}}"#
        ),
        Api::Messages => format!(
            r#"{{"id":"msg_6a2f0c51d94e7b3801aa55c2","type":"message","role":"assistant","model":"kimi-k2.6","content":[{{"type":"text","text":"{ANSWER}, in two sentences. It is as long as a short answer is."}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":36,"cache_read_input_tokens":64,"output_tokens":40}}}}"#
        ),
    };
    with_head("200 OK", &body)
}

/// A failure in the shape of the provider.
pub(super) fn failure(status: u16) -> Vec<u8> {
    let (line, kind, message) = match status {
        401 => ("401 Unauthorized", "incorrect_api_key_error", "Incorrect API key provided"),
        404 => ("404 Not Found", "resource_not_found_error", "Not found"),
        429 => (
            "429 Too Many Requests",
            "engine_overloaded_error",
            "The engine is currently overloaded, please try again later",
        ),
        503 => ("503 Service Unavailable", "server_unavailable", "The server is unavailable"),
        _ => ("500 Internal Server Error", "server_error", "The server had an error"),
    };
    with_head(line, &format!(r#"{{"error":{{"message":"{message}","type":"{kind}"}}}}"#))
}

/// The list that some gateways want to see before they start.
pub(super) fn models() -> Vec<u8> {
    with_head(
        "200 OK",
        r#"{"object":"list","data":[{"id":"kimi-k2.6","object":"model","created":1784246400,"owned_by":"moonshot"}]}"#,
    )
}

fn with_head(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}
