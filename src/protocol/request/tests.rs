//! The index of a request.

use bytes::Bytes;
use proptest::prelude::*;

use super::RequestBody;
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::sample;

fn parse(text: &str) -> RequestBody {
    RequestBody::parse(Api::ChatCompletions, Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

#[test]
fn request_parts_are_indexed() {
    let body = parse(
        r#" {"model":"k\u0069mi","messages":[{"role":"old"}],"stream":true,"stream_options":{"include_usage":true},
            "messages":[{"role":"system","content":"a"}, 7, {"role":"us\u0065r","content":[{"type":"text"}]}]} "#,
    );
    assert_eq!(body.string("model").unwrap(), "kimi");
    assert!(body.wants_stream() && body.wants_usage());
    let [system, seven, user] = body.messages.as_slice() else { panic!("the last `messages` counts") };
    assert!(body.has_role(system, "system") && body.has_role(user, "user") && !body.has_role(seven, "user"));
    assert_eq!(body.field(user, "content").unwrap(), br#"[{"type":"text"}]"#);
    assert_eq!(&body.text[seven.span.clone()], b"7");
    assert_eq!((body.value("tools"), body.string("stream")), (None, None));
}

#[test]
fn escaped_keys_are_found() {
    let body = parse(r#"{"mod\u0065l":"k3","stream":false,"str\u0065am":true}"#);
    assert_eq!(body.string("model").unwrap(), "k3");
    assert!(body.wants_stream());
    assert!(body.value_span("tools").is_none() && body.value_span("messages").is_none());
}

#[test]
fn messages_that_are_not_an_array_override_earlier_ones() {
    let body = parse(r#"{"messages":[{"role":"user"}],"messages":null}"#);
    assert!(body.messages.is_empty());
}

#[test]
fn byte_order_mark_is_skipped() {
    let body = parse("\u{feff}{\"model\":\"a\"}");
    assert_eq!((body.open_brace, body.string("model").unwrap()), (3, "a".to_owned()));
}

#[test]
fn body_other_than_an_object_is_malformed() {
    for text in
        ["", " ", "[]", "\"a\"", "{} {}", "{\"messages\":[{\"role\":\"user\"]}", "{\"a\":1", "\u{feff}"]
    {
        assert!(
            RequestBody::parse(Api::ChatCompletions, Bytes::copy_from_slice(text.as_bytes())).is_err(),
            "{text}"
        );
    }
    assert!(!parse(r#"{"stream":"true","stream_options":null}"#).wants_usage());
    assert!(!parse(r#"{"stream":1,"stream_options":[true]}"#).wants_stream());
}

proptest! {
    #[test]
    fn edit_keeps_the_bytes_of_messages(messages in sample::value(sample::Text::Any), other in sample::value(sample::Text::Any)) {
        let text = format!("{{\"model\": \"a\",\"temperature\":{other} ,\"messages\":[{messages} , {other}], \"x\" : {other}}}");
        let body = parse(&text);
        let mut edits = Edits::new();
        let mut patch = ObjectPatch::new(&body.text, body.open_brace, &body.members);
        patch.set("model", "\"b\"");
        patch.remove("temperature");
        patch.write_edits(&mut edits);
        let expected = format!("{{\"model\": \"b\" ,\"messages\":[{messages} , {other}], \"x\" : {other}}}");
        prop_assert_eq!(&edits.apply(&body.text).to_bytes()[..], expected.as_bytes());
        prop_assert_eq!(body.messages.len(), 2);
        let spans: Vec<_> = body.messages.iter().map(|message| &text[message.span.clone()]).collect();
        prop_assert_eq!(spans, [messages, other]);
    }

    #[test]
    fn damage_never_panics(
        messages in sample::object(sample::Text::Any),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = format!("{{\"messages\":[{messages}],\"stream\":true,\"model\":\"a\"}}").into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(body) = RequestBody::parse(Api::ChatCompletions, bytes.into()) {
            let _ = (body.string("model"), body.wants_usage(), body.wants_stream());
            for message in &body.messages {
                let _ = body.has_role(message, "user");
            }
        }
    }
}
