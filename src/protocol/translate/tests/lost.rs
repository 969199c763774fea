//! Losses are reported by name; content that the model must see is rejected with its location.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{RequestBody, translate_request};
use super::{said, target, translated};
use crate::protocol::api::Api;
use crate::protocol::model::losses::LOSSES;
use Api::{ChatCompletions, Messages, Responses};

fn user(parts: Value) -> Value {
    json!({"messages": [{"role": "user", "content": parts}]})
}

fn dropped(from: Api, to: Api, body: &Value) -> Vec<&'static str> {
    translated(from, to, body).losses
}

/// Name, formats, and a request that has only this loss.
#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(&'static str, Api, Api, Value)> {
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
            ChatCompletions,
            Messages,
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}),
        ),
        (
            "names",
            ChatCompletions,
            Responses,
            json!({"messages": [{"role": "user", "name": "n", "content": "a"}]}),
        ),
        (
            "thinking_keep",
            ChatCompletions,
            Messages,
            with(hi(), "thinking", json!({"type": "enabled", "keep": "all"})),
        ),
        (
            "thinking_budget",
            Messages,
            ChatCompletions,
            with(hi(), "thinking", json!({"type": "enabled", "budget_tokens": 4096})),
        ),
        ("thinking_detail", ChatCompletions, Messages, with(hi(), "reasoning", json!({"exclude": true}))),
        (
            "reasoning_alone",
            Messages,
            ChatCompletions,
            json!({"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}]}]}),
        ),
        (
            "sealed_reasoning",
            Messages,
            ChatCompletions,
            json!({"messages": [{"role": "assistant", "content": [
                {"type": "redacted_thinking", "data": "moonrelay:other:openai-completions:::d"},
                {"type": "text", "text": "a"}]}, {"role": "user", "content": "hi"}]}),
        ),
        (
            "cache_control",
            Messages,
            ChatCompletions,
            user(json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}])),
        ),
        ("cache_key", ChatCompletions, Messages, with(hi(), "prompt_cache_key", json!("k"))),
        (
            "deferred_tools",
            Messages,
            ChatCompletions,
            with(hi(), "tools", json!([{"name": "late", "input_schema": {}, "defer_loading": true}])),
        ),
        (
            "hosted_tools",
            Messages,
            ChatCompletions,
            with(hi(), "tools", json!([{"type": "web_search_20250305", "name": "web_search"}])),
        ),
        (
            "hosted_calls",
            Responses,
            ChatCompletions,
            input(json!([{"type": "web_search_call", "id": "ws_1"}])),
        ),
        (
            "custom_tools",
            Responses,
            ChatCompletions,
            json!({"input": "hi", "tools": [{"type": "custom", "name": "apply_patch"}]}),
        ),
        ("namespaces", Responses, ChatCompletions, namespace(json!([]))),
        (
            "namespace_clash",
            Responses,
            ChatCompletions,
            namespace(json!([{"type": "function", "name": "a__b"}])),
        ),
        (
            "dynamic_tools",
            ChatCompletions,
            Messages,
            json!({"messages": [{"role": "system", "tools": [function]}, {"role": "user", "content": "a"}]}),
        ),
        (
            "tool_extras",
            Messages,
            ChatCompletions,
            with(hi(), "tools", json!([{"name": "a", "input_schema": {}, "input_examples": [{}]}])),
        ),
        (
            "tool_choice",
            ChatCompletions,
            Messages,
            with(
                offered.clone(),
                "tool_choice",
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}),
            ),
        ),
        (
            "parallel",
            ChatCompletions,
            Messages,
            with(with(offered, "tool_choice", json!("none")), "parallel_tool_calls", json!(false)),
        ),
        ("arguments", ChatCompletions, Messages, call("{\"command")),
        ("result_images", Messages, ChatCompletions, result(json!([image]), false)),
        ("is_error", Messages, ChatCompletions, result(json!("x"), true)),
        (
            "image_detail",
            ChatCompletions,
            Messages,
            user(json!([{"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}])),
        ),
        (
            "assistant_images",
            ChatCompletions,
            Responses,
            json!({"messages": [{"role": "assistant", "content": "", "images": [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]}]}),
        ),
        (
            "videos",
            ChatCompletions,
            Responses,
            user(json!([{"type": "video_url", "video_url": {"url": "ms://1"}}])),
        ),
        (
            "audio",
            ChatCompletions,
            Messages,
            user(json!([{"type": "input_audio", "input_audio": {"data": "AA=="}}])),
        ),
        (
            "document_terms",
            Messages,
            ChatCompletions,
            user(json!([{"type": "document", "context": "c", "source": {"type": "text", "data": "d"}}])),
        ),
        (
            "citations",
            Responses,
            ChatCompletions,
            input(
                json!([{"role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": [{}]}]}]),
            ),
        ),
        ("unknown_blocks", Messages, ChatCompletions, user(json!([{"type": "hologram", "text": "a"}]))),
        ("stop", ChatCompletions, Responses, with(hi(), "stop", json!("a"))),
        ("top_k", Messages, Responses, with(hi(), "top_k", json!(3))),
        ("sampling", ChatCompletions, Messages, with(hi(), "seed", json!(7))),
        ("choices", ChatCompletions, Messages, with(hi(), "n", json!(2))),
        ("modalities", ChatCompletions, Messages, with(hi(), "modalities", json!(["text", "audio"]))),
        ("format", ChatCompletions, Messages, with(hi(), "response_format", json!({"type": "json_object"}))),
        ("verbosity", ChatCompletions, Messages, with(hi(), "verbosity", json!("low"))),
        ("service_tier", ChatCompletions, Messages, with(hi(), "service_tier", json!("flex"))),
        ("user", Messages, ChatCompletions, with(hi(), "metadata", json!({"user_id": "u".repeat(65)}))),
        ("metadata", ChatCompletions, Messages, with(hi(), "metadata", json!({"a": "b"}))),
        (
            "context_management",
            Messages,
            ChatCompletions,
            with(hi(), "context_management", json!({"edits": [{"type": "clear_tool_uses_20250919"}]})),
        ),
        ("storage", Responses, ChatCompletions, json!({"input": "hi", "store": true})),
        ("routing", ChatCompletions, Messages, with(hi(), "provider", json!({"sort": "price"}))),
        ("unknown_fields", ChatCompletions, Messages, with(hi(), "colour", json!("red"))),
    ]
}

#[test]
fn each_loss_is_reported_alone() {
    let cases = cases();
    for (name, from, to, body) in &cases {
        let mut lost = dropped(*from, *to, body);
        lost.retain(|other| name == other || (*other, *name) != ("namespaces", "namespace_clash"));
        assert_eq!(lost, [*name], "{body}");
    }
    let tried: BTreeSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    // Those of answers have a test of their own.
    let known = LOSSES.iter().map(|loss| loss.name).filter(|name| !name.starts_with("answer_"));
    assert_eq!(tried, known.collect());
}

#[test]
fn empty_values_are_not_losses() {
    let idle = json!({
        "messages": [{"role": "user", "content": "hi"}], "n": 1, "seed": null, "store": false, "logprobs": false,
        "presence_penalty": 0, "logit_bias": {}, "stop": null, "reasoning_effort": null, "tools": [], "stream": false,
        "modalities": ["text"], "response_format": {"type": "text"}, "functions": null,
    });
    for to in [Messages, Responses] {
        assert_eq!(dropped(ChatCompletions, to, &idle), Vec::<&str>::new());
    }
}

#[test]
fn required_content_is_rejected_with_its_location() {
    let cases = [
        (ChatCompletions, user(json!(7)), "messages[0].content: must be a string or an array of parts"),
        (
            ChatCompletions,
            user(json!([{"type": "text", "text": 7}])),
            "messages[0].content[0].text: must be a string, not a number",
        ),
        (ChatCompletions, json!({"messages": {}}), "messages: must be an array, not an object"),
        (ChatCompletions, json!({"messages": [7]}), "messages[0]: must be an object, not a number"),
        (
            ChatCompletions,
            json!({"messages": [{"role": "owner"}]}),
            "messages[0].role: \"owner\" is not a role; use system, developer, user, assistant or tool",
        ),
        (
            ChatCompletions,
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}),
            "messages[0].tool_calls[0].function: must be an object and is missing",
        ),
        (
            ChatCompletions,
            json!({"messages": [], "tools": [{"type": "function"}]}),
            "tools[0].function: must be an object and is missing",
        ),
        (
            Messages,
            user(json!([{"type": "hologram"}])),
            "messages[0].content[0].type: \"hologram\" is not a block of a message that other APIs have",
        ),
        (
            Messages,
            user(json!([{"type": "tool_result", "content": [{"type": "image"}]}])),
            "messages[0].content[0].content[0].source: must be an object and is missing",
        ),
        (Messages, json!({"system": 7}), "system: must be a string or an array of blocks, not a number"),
        (Responses, json!({"input": 7}), "input: must be a string or an array of items, not a number"),
        (
            Responses,
            json!({"input": [{"type": "compaction", "encrypted_content": "x"}]}),
            "input[0]: is the conversation in a form",
        ),
        (
            Responses,
            json!({"previous_response_id": "resp_1", "input": "hi"}),
            "previous_response_id: refers to a response that another provider stores; send the whole conversation in `input`",
        ),
    ];
    for (from, body, expected) in cases {
        let parsed = RequestBody::parse(from, Bytes::from(body.to_string())).unwrap();
        for to in Api::ALL {
            let error = translate_request(&parsed, &target(to)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

#[test]
fn deferred_tool_is_sent_once_it_was_fetched() {
    let body = json!({
        "tools": [{"name": "late", "input_schema": {}, "defer_loading": true}],
        "messages": [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "ToolSearch", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a",
                "content": [{"type": "tool_reference", "tool_name": "late"}]}]},
        ],
    });
    let translated = translated(Messages, ChatCompletions, &body);
    assert_eq!(said(&translated)["tools"][0]["function"]["name"], "late");
    assert_eq!(said(&translated)["messages"][1]["content"], "The tool late can be called now.");
}
