//! What cannot be carried is named; what the model would have to see is refused with its place.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::losses::LOSSES;
use super::super::{RequestBody, request};
use super::{said, translated};
use crate::protocol::face::Face;
use Face::{Chat, Messages, Responses};

fn user(parts: Value) -> Value {
    json!({"messages": [{"role": "user", "content": parts}]})
}

fn dropped(from: Face, to: Face, body: &Value) -> Vec<&'static str> {
    translated(from, to, body).dropped
}

/// Name, faces, and a request that loses just that.
#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(&'static str, Face, Face, Value)> {
    let hi = || user(json!("hi"));
    let with = |mut body: Value, key: &str, value: Value| {
        body[key] = value;
        body
    };
    let input = |items: Value| json!({"input": items});
    let result = |content: Value, is_error: bool| {
        json!({"messages": [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "run", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": content, "is_error": is_error}]},
        ]})
    };
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://a/b.png"}});
    let call = |arguments: &str| {
        json!({"messages": [{"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "run", "arguments": arguments}}]}]})
    };
    let function = json!({"type": "function", "function": {"name": "run"}});
    let offered = with(hi(), "tools", json!([function]));
    let namespace = |tools: Value| {
        let tools = [
            tools.as_array().unwrap().as_slice(),
            &[json!(
            {"type": "namespace", "name": "a", "tools": [{"type": "function", "name": "b"}]})],
        ]
        .concat();
        json!({"input": "hi", "tools": tools})
    };
    vec![
        (
            "system_in_place",
            Chat,
            Messages,
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}),
        ),
        ("names", Chat, Responses, json!({"messages": [{"role": "user", "name": "n", "content": "a"}]})),
        ("thinking_keep", Chat, Messages, with(hi(), "thinking", json!({"type": "enabled", "keep": "all"}))),
        (
            "thinking_budget",
            Messages,
            Chat,
            with(hi(), "thinking", json!({"type": "enabled", "budget_tokens": 4096})),
        ),
        ("thinking_detail", Chat, Messages, with(hi(), "reasoning", json!({"exclude": true}))),
        (
            "reasoning_alone",
            Messages,
            Chat,
            json!({"messages": [{"role": "assistant", "content": [{"type": "redacted_thinking", "data": "d"}]}]}),
        ),
        (
            "cache_control",
            Messages,
            Chat,
            user(json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}])),
        ),
        ("cache_key", Chat, Messages, with(hi(), "prompt_cache_key", json!("k"))),
        (
            "deferred_tools",
            Messages,
            Chat,
            with(hi(), "tools", json!([{"name": "late", "input_schema": {}, "defer_loading": true}])),
        ),
        (
            "hosted_tools",
            Messages,
            Chat,
            with(hi(), "tools", json!([{"type": "web_search_20250305", "name": "web_search"}])),
        ),
        ("hosted_calls", Responses, Chat, input(json!([{"type": "web_search_call", "id": "ws_1"}]))),
        (
            "custom_tools",
            Responses,
            Chat,
            json!({"input": "hi", "tools": [{"type": "custom", "name": "apply_patch"}]}),
        ),
        ("namespaces", Responses, Chat, namespace(json!([]))),
        ("namespace_clash", Responses, Chat, namespace(json!([{"type": "function", "name": "a__b"}]))),
        (
            "dynamic_tools",
            Chat,
            Messages,
            json!({"messages": [{"role": "system", "tools": [function]}, {"role": "user", "content": "a"}]}),
        ),
        (
            "tool_extras",
            Messages,
            Chat,
            with(hi(), "tools", json!([{"name": "a", "input_schema": {}, "input_examples": [{}]}])),
        ),
        (
            "tool_choice",
            Chat,
            Messages,
            with(
                offered.clone(),
                "tool_choice",
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}),
            ),
        ),
        (
            "parallel",
            Chat,
            Messages,
            with(with(offered, "tool_choice", json!("none")), "parallel_tool_calls", json!(false)),
        ),
        ("arguments", Chat, Messages, call("{\"command")),
        ("result_images", Messages, Chat, result(json!([image]), false)),
        ("is_error", Messages, Chat, result(json!("x"), true)),
        (
            "image_detail",
            Chat,
            Messages,
            user(json!([{"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}])),
        ),
        ("videos", Chat, Responses, user(json!([{"type": "video_url", "video_url": {"url": "ms://1"}}]))),
        ("audio", Chat, Messages, user(json!([{"type": "input_audio", "input_audio": {"data": "AA=="}}]))),
        (
            "document_terms",
            Messages,
            Chat,
            user(json!([{"type": "document", "context": "c", "source": {"type": "text", "data": "d"}}])),
        ),
        (
            "citations",
            Responses,
            Chat,
            input(
                json!([{"role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": [{}]}]}]),
            ),
        ),
        ("unknown_blocks", Messages, Chat, user(json!([{"type": "hologram", "text": "a"}]))),
        ("stop", Chat, Responses, with(hi(), "stop", json!("a"))),
        ("top_k", Messages, Responses, with(hi(), "top_k", json!(3))),
        ("sampling", Chat, Messages, with(hi(), "seed", json!(7))),
        ("choices", Chat, Messages, with(hi(), "n", json!(2))),
        ("modalities", Chat, Messages, with(hi(), "modalities", json!(["text", "audio"]))),
        ("format", Chat, Messages, with(hi(), "response_format", json!({"type": "json_object"}))),
        ("verbosity", Chat, Messages, with(hi(), "verbosity", json!("low"))),
        ("service_tier", Chat, Messages, with(hi(), "service_tier", json!("flex"))),
        ("user", Messages, Chat, with(hi(), "metadata", json!({"user_id": "u".repeat(65)}))),
        ("metadata", Chat, Messages, with(hi(), "metadata", json!({"a": "b"}))),
        (
            "context_management",
            Messages,
            Chat,
            with(hi(), "context_management", json!({"edits": [{"type": "clear_tool_uses_20250919"}]})),
        ),
        ("storage", Responses, Chat, json!({"input": "hi", "store": true})),
        ("routing", Chat, Messages, with(hi(), "provider", json!({"sort": "price"}))),
        ("unknown_fields", Chat, Messages, with(hi(), "colour", json!("red"))),
    ]
}

#[test]
fn every_loss_has_a_request_that_loses_it_and_nothing_else() {
    let cases = cases();
    for (name, from, to, body) in &cases {
        let mut lost = dropped(*from, *to, body);
        lost.retain(|other| name == other || (*other, *name) != ("namespaces", "namespace_clash"));
        assert_eq!(lost, [*name], "{body}");
    }
    let tried: BTreeSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    let known: BTreeSet<&str> = LOSSES.iter().map(|loss| loss.name).collect();
    assert_eq!(tried, known);
}

#[test]
fn what_says_nothing_is_no_loss() {
    let idle = json!({
        "messages": [{"role": "user", "content": "hi"}], "n": 1, "seed": null, "store": false, "logprobs": false,
        "presence_penalty": 0, "logit_bias": {}, "stop": null, "reasoning_effort": null, "tools": [], "stream": false,
        "modalities": ["text"], "response_format": {"type": "text"}, "functions": null,
    });
    for to in [Messages, Responses] {
        assert_eq!(dropped(Chat, to, &idle), Vec::<&str>::new());
    }
}

#[test]
fn what_the_model_would_have_to_see_is_refused_with_its_place() {
    let cases = [
        (Chat, user(json!(7)), "messages[0].content: must be a string or an array of parts, not a number"),
        (
            Chat,
            user(json!([{"type": "text", "text": 7}])),
            "messages[0].content[0].text: must be a string, not a number",
        ),
        (Chat, json!({"messages": {}}), "messages: must be an array, not an object"),
        (Chat, json!({"messages": [7]}), "messages[0]: must be an object, not a number"),
        (
            Chat,
            json!({"messages": [{"role": "owner"}]}),
            "messages[0].role: \"owner\" is no role; there are system, developer, user, assistant and tool",
        ),
        (
            Chat,
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}),
            "messages[0].tool_calls[0].function: must be an object and is missing",
        ),
        (
            Chat,
            json!({"messages": [], "tools": [{"type": "function"}]}),
            "tools[0].function: must be an object and is missing",
        ),
        (
            Messages,
            user(json!([{"type": "hologram"}])),
            "messages[0].content[0].type: \"hologram\" is no block of a message that other faces have",
        ),
        (
            Messages,
            user(json!([{"type": "tool_result", "content": [{"type": "image"}]}])),
            "messages[0].content[0].content[0].source: must be an object and is missing",
        ),
        (
            Messages,
            json!({"messages": [], "system": 7}),
            "system: must be a string or an array of blocks, not a number",
        ),
        (Responses, json!({"input": 7}), "input: must be a string or an array of items, not a number"),
        (
            Responses,
            json!({"input": [{"type": "compaction", "encrypted_content": "x"}]}),
            "input[0]: holds the conversation in a form",
        ),
        (
            Responses,
            json!({"previous_response_id": "resp_1", "input": "hi"}),
            "previous_response_id: names an answer that is kept at another provider; send the whole conversation in `input`",
        ),
    ];
    for (from, body, expected) in cases {
        let parsed = RequestBody::parse(from, Bytes::from(body.to_string())).unwrap();
        for to in Face::ALL {
            let wrong = request(&parsed, to, None).unwrap_err().to_string();
            assert!(wrong.starts_with(expected), "{wrong}");
        }
    }
}

#[test]
fn a_deferred_tool_is_sent_once_it_was_fetched() {
    let body = json!({
        "tools": [{"name": "late", "input_schema": {}, "defer_loading": true}],
        "messages": [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "ToolSearch", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a",
                "content": [{"type": "tool_reference", "tool_name": "late"}]}]},
        ],
    });
    let translated = translated(Messages, Chat, &body);
    assert_eq!(said(&translated)["tools"][0]["function"]["name"], "late");
    assert_eq!(said(&translated)["messages"][1]["content"], "The tool late can be called now.");
}
