//! Tests of chunk parsing.

use proptest::prelude::*;
use serde_json::Value;

use super::{ChatChunk, find_tool_names};
use crate::protocol::json::{self, sample};
use crate::protocol::usage::TokenUsage;

fn parse(text: &str) -> ChatChunk {
    ChatChunk::parse(text.as_bytes()).unwrap()
}

#[test]
fn the_last_of_duplicate_keys_counts_and_null_is_absent() {
    let text = r#"{"model":"a","model":"b","error":{"message":"x"},"error":null,"choices":[{"finish_reason":"stop"}],"choices":[{"finish_reason":null}]}"#;
    let chunk = parse(text);
    assert_eq!(chunk.model(text.as_bytes()).unwrap(), "b");
    assert_eq!(chunk.error(text.as_bytes()), None);
    assert_eq!((chunk.parsed_choices.len(), chunk.finish_reason(text.as_bytes())), (1, None));
}

#[test]
fn escaped_keys_count() {
    let text = r#"{"\u0063hoices":[{"\u0064elta":{"c\u006fntent":"a"},"finish\u005freason":"stop"}]}"#;
    let chunk = parse(text);
    assert!(chunk.has_output());
    assert_eq!(chunk.finish_reason(text.as_bytes()).unwrap(), "stop");
}

#[test]
fn empty_values_are_not_content() {
    for delta in [
        r#"{"role":"assistant"}"#,
        r#"{"content":""}"#,
        r#"{"content":null,"refusal":null}"#,
        r#"{"content":[ ]}"#,
        r#"{"tool_calls":[]}"#,
        r#"{"tool_calls":[ ]}"#,
        r#"{"tool_calls":null,"reasoning":"","reasoning_details":[],"reasoning_content":null}"#,
    ] {
        assert!(!parse(&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#)).has_output(), "{delta}");
    }
}

#[test]
fn empty_finish_reason_is_ignored() {
    let text = r#"{"choices":[{"finish_reason":""}]}"#;
    assert_eq!(parse(text).finish_reason(text.as_bytes()), None);
}

#[test]
fn top_level_usage_wins_over_that_of_a_choice() {
    let text = r#"{"choices":[{"usage":{"prompt_tokens":1,"completion_tokens":2}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let usage = parse(text).usage(text.as_bytes()).unwrap();
    assert_eq!((usage.input, usage.output), (3, 4));
    let text = r#"{"choices":[{"usage":{"prompt_tokens":1,"completion_tokens":2}}],"usage":null}"#;
    assert_eq!(parse(text).usage(text.as_bytes()).unwrap().input, 1);
}

#[test]
fn only_objects_and_texts_are_errors() {
    for (error, counts) in [
        ("{}", false),
        ("\"\"", false),
        ("false", false),
        ("0", false),
        ("\"x\"", true),
        (r#"{"code":1}"#, true),
    ] {
        let text = format!(r#"{{"error":{error}}}"#);
        assert_eq!(parse(&text).error(text.as_bytes()).is_some(), counts, "{error}");
        let text = format!(r#"{{"choices":[{{"error":{error}}}]}}"#);
        assert_eq!(parse(&text).error(text.as_bytes()).is_some(), counts, "{error}");
    }
}

#[test]
fn names_of_calls_are_found() {
    let text = r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"a","arguments":"{\"name\":1}"}},{"index":1},7,{"function":{"name":null}}]}}]}"#;
    let chunk = parse(text);
    let names = find_tool_names(text.as_bytes(), chunk.parsed_choices[0].tool_calls.as_ref().unwrap());
    let names: Vec<_> = names.into_iter().map(|span| &text[span]).collect();
    assert_eq!(names, ["\"a\""]);
}

#[test]
fn text_other_than_one_object_is_malformed() {
    for text in ["", "null", "[]", "{} x", "{\"choices\":[{]}", "{\"a\" 1}"] {
        assert!(ChatChunk::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn usage_arithmetic() {
    let read =
        |text: &str| TokenUsage::from_json(crate::protocol::api::Api::ChatCompletions, text.as_bytes());
    let moonshot = read(r#" {"prompt_tokens":100,"completion_tokens":40,"cached_tokens":64}"#).unwrap();
    assert_eq!((moonshot.input, moonshot.cache_read), (36, 64));
    let details_win =
        read(r#"{"prompt_tokens":9,"cached_tokens":1,"prompt_tokens_details":{"cached_tokens":4}}"#).unwrap();
    assert_eq!((details_win.input, details_win.cache_read), (5, 4));
    let null_details = read(r#"{"prompt_tokens":9,"cached_tokens":1,"prompt_tokens_details":null}"#).unwrap();
    assert_eq!(null_details.input, 8);
    let odd = read(r#"{"prompt_tokens":1e2,"completion_tokens":-1,"cost":1.4e-05,"prompt_tokens_details":{"cached_tokens":1000}}"#).unwrap();
    assert_eq!((odd.input, odd.output, odd.cost), (0, 0, crate::protocol::amount::Amount::parse("0.000014")));
    let huge = read(r#"{"prompt_tokens":123456789012345678901234567890,"completion_tokens":1e999}"#).unwrap();
    assert_eq!((huge.input, huge.output), (u64::MAX, 0));
    assert_eq!(read("{}"), None);
    assert_eq!(read("null"), None);
    assert_eq!(read(r#"{"prompt_tokens":"#), None);
}

/// Whether a tree's value counts as content.
fn holds(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

proptest! {
    #[test]
    fn chunk_matches_its_parsed_tree(
        key in prop::sample::select(&["content", "reasoning", "reasoning_content", "reasoning_details", "refusal", "tool_calls", "role", "x"][..]),
        value in sample::value(sample::Text::ForTrees),
        finish in sample::value(sample::Text::ForTrees),
        error in sample::value(sample::Text::ForTrees),
    ) {
        let text = format!(r#" {{ "choices" : [ {{ "delta" : {{"{key}": {value} }} , "finish_reason":{finish}}} ], "error":{error}, "model":{finish}}} "#);
        let chunk = ChatChunk::parse(text.as_bytes()).unwrap();
        let tree: Value = serde_json::from_str(&text).unwrap();
        let said = &tree["choices"][0]["delta"][key];
        let speaks = match key {
            "role" => false,
            // A member that is not known.
            "refusal" | "x" => !matches!(said, Value::Bool(_) | Value::Number(_)) && holds(said),
            "tool_calls" => said.is_array() && holds(said),
            _ => holds(said),
        };
        prop_assert_eq!(chunk.has_output(), speaks);
        let finish = tree["choices"][0]["finish_reason"].as_str().filter(|finish| !finish.is_empty());
        let found = chunk.finish_reason(text.as_bytes());
        prop_assert_eq!(found.as_deref(), finish);
        let found = chunk.model(text.as_bytes());
        prop_assert_eq!(found.as_deref(), tree["model"].as_str());
        let fails = matches!(&tree["error"], Value::Object(_) | Value::String(_)) && holds(&tree["error"]);
        prop_assert_eq!(chunk.error(text.as_bytes()).is_some(), fails);
    }

    #[test]
    fn damage_never_panics(
        value in sample::value(sample::Text::Any),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{"function":{{"name":{value}}}}}],"content":{value}}}}}],"usage":{{"prompt_tokens":{value}}}}}"#).into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let loose = ChatChunk::parse(&bytes);
        prop_assert_eq!(ChatChunk::parse_strict(&bytes).is_ok(), loose.is_ok() && json::is_valid(&bytes));
        if let Ok(chunk) = loose {
            let _ = (chunk.usage(&bytes), chunk.finish_reason(&bytes), chunk.error(&bytes));
            for calls in chunk.parsed_choices.iter().filter_map(|choice| choice.tool_calls.as_ref()) {
                let names = find_tool_names(&bytes, calls);
                prop_assert!(names.iter().all(|name| name.end <= bytes.len()));
            }
        }
    }
}
