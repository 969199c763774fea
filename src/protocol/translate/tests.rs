//! Requests translated between formats; the submodules test responses.

mod answers;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;

mod arbitrary;
mod captures;
mod conversations;
mod kept;
mod lost;
mod tools;

fn target(api: Api) -> TranslationTarget {
    TranslationTarget {
        api,
        default_max_tokens: None,
        seal_origin: SealOrigin::new("own", "m", api),
        cache_control: CacheControlSupport::Removed,
        is_openrouter: false,
    }
}

fn translated(from: Api, to: Api, body: &Value) -> TranslatedRequest {
    let parsed = RequestBody::parse(from, Bytes::from(body.to_string())).unwrap();
    translate_request(&parsed, &target(to)).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn said(translated: &TranslatedRequest) -> Value {
    serde_json::from_slice(&translated.body).unwrap()
}

#[test]
fn text_round_trips_between_chat_and_messages() {
    let chat = json!({
        "model": "m", "stream": true, "max_tokens": 5,
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "hi"},
            {"role": "user", "content": "bye"},
        ],
    });
    let messages = said(&translated(Api::ChatCompletions, Api::Messages, &chat));
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    assert_eq!(
        messages,
        json!({
            "model": "m", "max_tokens": 5, "stream": true, "system": text("be brief"),
            "messages": [
                {"role": "user", "content": text("hello")},
                {"role": "assistant", "content": text("hi")},
                {"role": "user", "content": text("bye")},
            ],
        })
    );
    let back = said(&translated(Api::Messages, Api::ChatCompletions, &messages));
    assert_eq!(back["messages"], chat["messages"]);
    assert_eq!(back["max_completion_tokens"], 5);
    assert_eq!(back["stream_options"], json!({"include_usage": true}));
}
