//! Reading answers, whatever they are.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::assistant::search::answer::Citations;
use crate::assistant::search::answer::{ConversationState, NextStep, ParsedAnswer, parse_answer};
use crate::catalog::ThinkingControl;
use crate::protocol::json::{to_string_literal, unescape};

fn body(message: &str) -> Vec<u8> {
    format!(r#"{{"choices":[{{"message":{message},"finish_reason":"x"}}]}}"#).into_bytes()
}

fn again(reading: Option<ParsedAnswer>) -> Vec<Value> {
    match reading.unwrap().step {
        NextStep::Continue(messages) => {
            messages.iter().map(|message| serde_json::from_slice(message).unwrap()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn lone_surrogates_are_returned_unchanged() {
    let message = r#"{"role":"assistant","content":null,"tool_calls":[{"id":"a","function":{"name":"$web_search","arguments":"{\"q\":\"\ud83d\"}"}}]}"#;
    let NextStep::Continue(messages) =
        parse_answer(&body(message), &mut ConversationState::default()).unwrap().step
    else {
        panic!()
    };
    assert_eq!(messages[0], message.as_bytes(), "the message is the model's own, byte for byte");
    assert!(String::from_utf8_lossy(&messages[1]).ends_with(r#""content":"{\"q\":\"\ud83d\"}"}"#));
}

#[test]
fn missing_fields_are_added_to_a_message_and_nothing_else_changes() {
    let message = r#"{"content":"","tool_calls":[{"function":{"name":"$web_search","arguments":{"a":1}}},{"id":"x","function":{"name":"$web_search"}},{"id":"x","function":{"name":"$web_search","arguments":""}}]}"#;
    let mut memory = ConversationState::for_model(ThinkingControl::Effort);
    let messages = again(parse_answer(&body(message), &mut memory));
    assert_eq!(messages[0]["role"], "assistant");
    assert_eq!(messages[0]["reasoning_content"], " ");
    let ids: Vec<&Value> =
        messages[0]["tool_calls"].as_array().unwrap().iter().map(|call| &call["id"]).collect();
    assert_eq!(ids, ["search_0", "x", "x_2"]);
    let replies: Vec<(&Value, &Value)> =
        messages[1..].iter().map(|each| (&each["tool_call_id"], &each["content"])).collect();
    let expected =
        [(json!("search_0"), json!("{\"a\":1}")), (json!("x"), json!("{}")), (json!("x_2"), json!(""))];
    assert_eq!(replies, expected.iter().map(|(id, content)| (id, content)).collect::<Vec<_>>());
}

#[test]
fn invalid_answer_is_not_parsed() {
    for text in
        ["", "[]", "{", r#"{"choices":[]}"#, r#"{"choices":[{}]}"#, r#"{"choices":[{"message":"x"}]}"#]
    {
        assert_eq!(parse_answer(text.as_bytes(), &mut ConversationState::default()), None, "{text}");
    }
    let reading = parse_answer(
        &body(r#"{"content":"","reasoning_content":"only thought"}"#),
        &mut ConversationState::default(),
    );
    assert_eq!(reading.unwrap().step, NextStep::Answer("only thought".to_owned()));
}

#[test]
fn url_in_a_text_ends_before_punctuation() {
    let found = |text: &str| {
        let mut citations = Citations::default();
        citations.add_from_text(text);
        citations.0
    };
    assert_eq!(
        found(
            "[a](https://a.example/x_(y)), <http://b.example>; https://a.example/x_(y). 见https://c.example/月。 https://"
        ),
        ["https://a.example/x_(y)", "http://b.example", "https://c.example/月"]
    );
    assert_eq!(found("[https://a.example/1](https://a.example/1) httpx https://"), ["https://a.example/1"]);
    assert_eq!(
        found("https://a.example/\u{1b}[31mred"),
        ["https://a.example/"],
        "nothing that a terminal obeys"
    );
}

proptest! {
    /// Whatever the arguments hold, the tool message holds the same text, and the whole conversation stays JSON.
    #[test]
    fn arguments_are_returned_unchanged(arguments in any::<String>(), id in "[a-z$_.:0-9]{1,12}", repeat in 1_usize..4) {
        let call = json!({ "id": id, "type": "builtin_function", "function": { "name": "$web_search", "arguments": arguments } });
        let message = json!({ "role": "assistant", "content": "", "tool_calls": vec![call; repeat] });
        let mut memory = ConversationState::default();
        let messages = again(parse_answer(&body(&message.to_string()), &mut memory));
        prop_assert_eq!(messages.len(), repeat + 1);
        let mut ids: Vec<&str> = Vec::new();
        for (reply, call) in messages[1..].iter().zip(messages[0]["tool_calls"].as_array().unwrap()) {
            prop_assert_eq!(reply["content"].as_str(), Some(arguments.as_str()));
            prop_assert_eq!(&reply["tool_call_id"], &call["id"]);
            ids.push(reply["tool_call_id"].as_str().unwrap());
        }
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), repeat);
    }

    /// No text makes reading fail otherwise than with "no answer", and citations are pages, each once.
    #[test]
    fn any_text_is_parsed(text in "(https?://|[a-z./(){}\\[\\]\"<>\\\\ \u{1b}月])*") {
        let mut citations = Citations::default();
        citations.add_from_text(&text);
        let urls = citations.0;
        for (at, url) in urls.iter().enumerate() {
            prop_assert!(url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")));
            prop_assert!(!url.chars().any(char::is_control) && !urls[..at].contains(url));
            prop_assert!(text.contains(url.as_str()));
        }
        let _ = parse_answer(text.as_bytes(), &mut ConversationState::default());
        let literal = to_string_literal(&text);
        prop_assert_eq!(unescape(&literal).unwrap(), text.as_str());
    }
}
