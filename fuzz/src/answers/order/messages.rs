//! Anthropic Messages.

use serde_json::Value;

use super::{Ending, number, text};

#[derive(Debug)]
struct Open {
    kind: String,
    signed: bool,
}

pub(super) fn check(events: &[(String, Value)], ending: Ending) {
    let ((last, error), rest) = events.split_last().expect("a stream ends");
    match ending {
        Ending::Well => assert_eq!(last, "message_stop"),
        Ending::Broken => {
            assert_eq!(last, "error");
            assert!(error["error"]["type"].is_string() && error["error"]["message"].is_string());
        }
    }
    let Some(((first, start), rest)) = rest.split_first() else {
        assert_eq!(ending, Ending::Broken);
        return;
    };
    assert_eq!(first, "message_start");
    let message = &start["message"];
    assert!(text(message, "id").starts_with("msg_") && message["content"] == Value::Array(Vec::new()));
    number(&message["usage"], "input_tokens");
    let (mut open, mut next, mut stopped): (Option<Open>, u64, bool) = (None, 0, false);
    for (kind, event) in rest {
        assert!(!stopped, "nothing stands between the stop reason and the stop: {event}");
        match kind.as_str() {
            "content_block_start" => {
                assert!(open.is_none(), "blocks come one after the other: {event}");
                assert_eq!(number(event, "index"), next);
                let kind = text(&event["content_block"], "type");
                if kind == "tool_use" {
                    check_call(&event["content_block"]);
                }
                open = Some(Open { kind, signed: false });
            }
            "content_block_delta" => {
                assert_eq!(number(event, "index"), next);
                let open = open.as_mut().expect("a delta is of an open block");
                let delta = text(&event["delta"], "type");
                assert!(!open.signed, "the signature is the last of its block");
                open.signed = delta == "signature_delta";
                let wanted = match delta.as_str() {
                    "text_delta" => "text",
                    "thinking_delta" | "signature_delta" => "thinking",
                    "input_json_delta" => "tool_use",
                    other => panic!("{other}"),
                };
                assert_eq!(open.kind, wanted, "{event}");
            }
            "content_block_stop" => {
                assert_eq!(number(event, "index"), next);
                let closed = open.take().expect("an open block");
                assert!(closed.kind != "thinking" || closed.signed, "thinking has a signature");
                next += 1;
            }
            "message_delta" => {
                assert!(open.is_none());
                text(&event["delta"], "stop_reason");
                number(&event["usage"], "output_tokens");
                stopped = true;
            }
            other => panic!("{other} in the middle"),
        }
    }
    assert!(stopped || ending == Ending::Broken, "a stop reason");
}

fn check_call(block: &Value) {
    let id = text(block, "id");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    assert!((1..=64).contains(&id.len()) && id.bytes().all(plain), "Anthropic's pattern: {id}");
    assert!(block["name"].is_string() && block["input"].as_object().is_some_and(|input| input.is_empty()));
}
