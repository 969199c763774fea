//! Tools, calls and results, where the formats differ most, and the fields outside the conversation.

use serde_json::{Value, json};

use super::{said, translated};
use crate::protocol::api::Api;
use crate::protocol::model::CacheControlSupport;
use crate::protocol::model::client_tools::ClientTool;
use crate::protocol::model::tools::ToolForm;
use Api::{ChatCompletions, Messages, Responses};

fn to(from: Api, to: Api, body: &Value) -> Value {
    said(&translated(from, to, body))
}

#[test]
fn results_follow_their_calls_before_other_content() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "run", "arguments": ""}});
    let chat = json!({"messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "user", "content": "hurry"},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]});
    let messages = to(ChatCompletions, Messages, &chat);
    assert_eq!(
        messages["messages"][1]["content"],
        json!([
            {"type": "tool_use", "id": "a", "name": "run", "input": {}},
            {"type": "tool_use", "id": "b", "name": "run", "input": {}},
        ])
    );
    assert_eq!(
        messages["messages"][2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": "b", "content": "2"},
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        ])
    );
    assert_eq!(
        messages["messages"][3],
        json!({"role": "user", "content": [{"type": "text", "text": "hurry"}]})
    );
    let back = to(Messages, ChatCompletions, &messages);
    let roles: Vec<_> = back["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool", "user"]);
}

#[test]
fn result_without_call_is_forwarded() {
    let chat = json!({"messages": [{"role": "tool", "tool_call_id": "a", "content": "1"}, {"role": "user", "content": "b"}]});
    let messages = to(ChatCompletions, Messages, &chat);
    assert_eq!(messages["messages"][0]["content"][0]["tool_use_id"], "a");
}

#[test]
fn non_object_arguments_round_trip() {
    for broken in ["{\"command", "[1]", "\"text\"", "nothing"] {
        let chat = json!({"messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "run", "arguments": broken}}]}]});
        let back = to(Messages, ChatCompletions, &to(ChatCompletions, Messages, &chat));
        assert_eq!(back["messages"], chat["messages"]);
    }
}

#[test]
fn schemas_keep_their_bytes() {
    let schema = r#"{ "type":"object" , "required":["b","a"],"properties":{"b":{"maximum":123456789012345678901234567890.0},"a":{}} }"#;
    let body = format!(
        r#"{{"messages":[],"tools":[{{"type":"function","function":{{"name":"run","parameters":{schema}}}}}]}}"#
    );
    let parsed = super::RequestBody::parse(ChatCompletions, body.into()).unwrap();
    for api in Api::ALL {
        let written = super::translate_request(&parsed, &super::target(api)).unwrap().body;
        assert!(std::str::from_utf8(&written).unwrap().contains(schema), "{api:?}");
    }
}

#[test]
fn namespaced_tools_and_calls_become_flat() {
    let body = json!({
        "tools": [{"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "close", "strict": false}]},
                  {"type": "namespace", "name": "mcp__git__", "tools": [{"type": "function", "name": "log"}]},
                  {"type": "namespace", "name": "n".repeat(60), "tools": [{"type": "function", "name": "close"}]}],
        "tool_choice": {"type": "function", "name": "close", "namespace": "agents"},
        "input": [
            {"type": "function_call", "call_id": "a", "name": "close", "namespace": "agents", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "ok"},
        ],
    });
    let translated = translated(Responses, ChatCompletions, &body);
    let pair = |namespace: &str, name: &str| {
        let (namespace, name) = (Some(namespace.to_owned()), name.to_owned());
        Some(ClientTool { namespace, name, form: ToolForm::Function })
    };
    assert_eq!(translated.client_tools.get("agents__close").cloned(), pair("agents", "close"));
    assert_eq!(translated.client_tools.get("mcp__git__log").cloned(), pair("mcp__git__", "log"));
    assert!(
        translated.client_tools.len() == 3 && translated.client_tools.keys().all(|name| name.len() <= 64)
    );
    let chat = said(&translated);
    assert_eq!(chat["tools"][0]["function"], json!({"name": "agents__close", "strict": false}));
    assert_eq!(chat["tool_choice"]["function"]["name"], "agents__close");
    assert_eq!(chat["messages"][0]["tool_calls"][0]["function"]["name"], "agents__close");
}

#[test]
fn tools_of_one_api_become_functions() {
    let grammar = json!({ "type": "grammar", "syntax": "lark", "definition": "start: \"x\"" });
    let responses = json!({
        "tools": [{ "type": "custom", "name": "apply_patch", "format": grammar }, { "type": "local_shell" }],
        "tool_choice": { "type": "custom", "name": "apply_patch" },
        "input": [
            { "type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "x" },
            { "type": "custom_tool_call_output", "call_id": "c1", "output": "patched" },
            { "type": "local_shell_call", "id": "lsh_1", "call_id": "c2", "status": "completed", "action": { "type": "exec", "command": ["ls"], "env": {} } },
            { "type": "local_shell_call_output", "id": "lsh_1", "output": "listed" },
        ],
    });
    let translated = translated(Responses, ChatCompletions, &responses);
    assert_eq!(translated.losses, ["custom_tools"]);
    assert_eq!(translated.client_tools["apply_patch"].form, ToolForm::FreeText);
    assert_eq!(translated.client_tools["local_shell"].form, ToolForm::LocalShell);
    let chat = said(&translated);
    let input = &chat["tools"][0]["function"]["parameters"]["properties"]["input"];
    assert_eq!(input["description"], "Text that matches this lark grammar:\nstart: \"x\"");
    assert_eq!(chat["tool_choice"]["function"]["name"], "apply_patch");
    let arguments =
        |at: usize| chat["messages"][at]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert_eq!((arguments(0), arguments(2)), (r#"{"input":"x"}"#, r#"{"command":["ls"],"env":{}}"#));
    assert_eq!(
        (&chat["messages"][3]["tool_call_id"], &chat["messages"][3]["content"]),
        (&json!("c2"), &json!("listed"))
    );

    let custom = json!({ "messages": [], "tools": [{ "type": "custom", "custom": { "name": "sql", "format": { "type": "grammar", "grammar": grammar } } }] });
    let schema = &to(ChatCompletions, Messages, &custom)["tools"][0]["input_schema"];
    assert!(schema["properties"]["input"]["description"].as_str().unwrap().contains("lark"));

    let kinds = ["bash_20250124", "text_editor_20250728", "memory_20250818", "computer_20251124"];
    let tools: Vec<Value> =
        kinds.iter().map(|kind| json!({ "type": kind, "name": kind.split('_').next() })).collect();
    let claude = to(Messages, Responses, &json!({ "messages": [], "max_tokens": 9, "tools": tools }));
    assert_eq!(claude["tools"].as_array().unwrap().len(), 4);
    assert_eq!(claude["tools"][0]["name"], "bash");
    assert!(
        claude["tools"].as_array().unwrap().iter().all(|tool| tool["parameters"]["properties"].is_object())
    );
}

#[test]
fn tool_choice_translates_to_every_format() {
    let tools = json!([{"type": "function", "function": {"name": "run"}}]);
    let named = json!({"type": "function", "function": {"name": "run"}});
    let cases = [
        (json!("auto"), json!({"type": "auto"}), json!("auto")),
        (json!("none"), json!({"type": "none"}), json!("none")),
        (json!("required"), json!({"type": "any"}), json!("required")),
        (named, json!({"type": "tool", "name": "run"}), json!({"type": "function", "name": "run"})),
    ];
    for (chat, messages, responses) in cases {
        let body = json!({"messages": [], "tools": tools, "tool_choice": chat});
        for (api, expected) in [(Messages, messages), (Responses, responses)] {
            let there = to(ChatCompletions, api, &body);
            assert_eq!(there["tool_choice"], expected);
            assert_eq!(to(api, ChatCompletions, &there)["tool_choice"], chat);
        }
    }
    let alone = json!({"messages": [], "tools": tools, "parallel_tool_calls": false});
    let there = to(ChatCompletions, Messages, &alone);
    assert_eq!(there["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    assert_eq!(to(Messages, ChatCompletions, &there)["parallel_tool_calls"], false);
}

#[test]
fn thinking_uses_the_terms_of_the_format() {
    let chat = |thinking: Value| {
        let mut body = json!({"messages": [], "max_tokens": 20_000});
        body.as_object_mut().unwrap().extend(thinking.as_object().unwrap().clone());
        body
    };
    let cases = [
        (json!({"reasoning_effort": "low"}), json!({"type": "enabled", "budget_tokens": 1024}), json!("low")),
        (
            json!({"reasoning": {"effort": "xhigh"}}),
            json!({"type": "enabled", "budget_tokens": 8192}),
            json!("xhigh"),
        ),
        (
            json!({"reasoning": {"max_tokens": 90_000}}),
            json!({"type": "enabled", "budget_tokens": 19_999}),
            Value::Null,
        ),
        (json!({"reasoning_effort": "none"}), json!({"type": "disabled"}), Value::Null),
        (json!({"thinking": {"type": "disabled"}}), json!({"type": "disabled"}), Value::Null),
        (json!({"thinking": {"type": "enabled"}}), json!({"type": "adaptive"}), Value::Null),
        (json!({"reasoning_effort": null}), Value::Null, Value::Null),
    ];
    for (asked, thinking, effort) in cases {
        let messages = to(ChatCompletions, Messages, &chat(asked));
        assert_eq!((&messages["thinking"], &messages["output_config"]["effort"]), (&thinking, &effort));
    }
    let small = to(
        ChatCompletions,
        Messages,
        &json!({"messages": [], "max_tokens": 500, "reasoning_effort": "high"}),
    );
    assert_eq!((&small["thinking"], &small["output_config"]["effort"]), (&Value::Null, &json!("high")));
    let asked = json!({"messages": [], "thinking": {"type": "enabled", "budget_tokens": 4000}});
    assert_eq!(to(Messages, ChatCompletions, &asked)["reasoning_effort"], "medium");
    assert_eq!(to(Messages, Responses, &asked)["reasoning"], json!({"effort": "medium", "summary": "auto"}));
    let off = json!({"messages": [], "thinking": {"type": "disabled"}});
    assert_eq!(to(Messages, Responses, &off)["reasoning"], json!({"effort": "none"}));
}

#[test]
fn fields_are_renamed_for_the_format() {
    let schema = json!({"type": "object"});
    let chat = json!({
        "model": "m", "max_tokens": 7, "stop": "a", "safety_identifier": "u", "service_tier": "default", "temperature": 0.5,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}},
        "messages": [{"role": "user", "content": "a"}],
    });
    let messages = to(ChatCompletions, Messages, &chat);
    assert_eq!(messages["stop_sequences"], json!(["a"]));
    assert_eq!(messages["metadata"], json!({"user_id": "u"}));
    assert_eq!(messages["service_tier"], "standard_only");
    assert_eq!(messages["output_config"], json!({"format": {"type": "json_schema", "schema": schema}}));
    let responses = to(ChatCompletions, Responses, &chat);
    assert_eq!((&responses["max_output_tokens"], &responses["store"]), (&json!(7), &json!(false)));
    assert_eq!(
        responses["text"],
        json!({"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": true}})
    );
    assert_eq!(to(Responses, ChatCompletions, &responses)["response_format"], chat["response_format"]);
    let limits = |default| {
        let body = super::RequestBody::parse(ChatCompletions, r#"{"messages":[]}"#.into()).unwrap();
        let target = super::TranslationTarget { default_max_tokens: default, ..super::target(Messages) };
        let written = super::translate_request(&body, &target).unwrap().body;
        serde_json::from_slice::<Value>(&written).unwrap()["max_tokens"].clone()
    };
    assert_eq!((limits(Some(9)), limits(None)), (json!(9), json!(32_000)));
}

#[test]
fn last_assistant_message_is_a_prefill() {
    let messages =
        json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "So"}]});
    let chat = to(Messages, ChatCompletions, &messages);
    assert_eq!(chat["messages"][1], json!({"role": "assistant", "content": "So", "partial": true}));
    let there = to(ChatCompletions, Messages, &chat);
    assert_eq!(there["messages"][1]["content"], json!([{"type": "text", "text": "So"}]));
}

#[test]
fn reasoning_and_signature_are_merged_from_any_field() {
    let streamed = json!({"messages": [{"role": "assistant", "content": "a", "reasoning_content": "why",
        "reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "moonrelay:own:anthropic-messages:::s"},
            {"type": "reasoning.encrypted", "data": "moonrelay:own:anthropic-messages:::d"}]}]});
    let messages = to(ChatCompletions, Messages, &streamed);
    let blocks = json!([
        {"type": "thinking", "thinking": "why", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "a"},
    ]);
    assert_eq!(messages["messages"][0]["content"][0]["text"], "(The assistant begins.)");
    assert_eq!(messages["messages"][1]["content"], blocks);
    let sealed = "moonrelay:own:openai-responses:rs_1::d";
    let messages = json!({"messages": [{"role": "assistant", "content": [
        {"type": "redacted_thinking", "data": sealed}, {"type": "text", "text": "a"}]}]});
    assert_eq!(
        to(Messages, Responses, &messages)["input"][0],
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "d"})
    );
}

#[test]
fn cache_marks_are_kept_removed_or_added() {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let messages = json!({
        "max_tokens": 9,
        "system": [{"type": "text", "text": "s", "cache_control": mark}],
        "tools": [{"name": "run", "input_schema": {"type": "object"}, "cache_control": mark}],
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "run", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "done", "cache_control": mark}]},
        ],
    });
    let to = |from: Api, to: Api, body: &Value, cache_control| {
        let parsed = super::RequestBody::parse(from, body.to_string().into()).unwrap();
        let target = super::TranslationTarget { cache_control, ..super::target(to) };
        super::translate_request(&parsed, &target).unwrap()
    };
    let chat = to(Messages, ChatCompletions, &messages, CacheControlSupport::Kept);
    assert!(chat.losses.is_empty(), "{:?}", chat.losses);
    let chat = said(&chat);
    assert_eq!(chat["tools"][0]["cache_control"], mark);
    let part = |text: &str| json!([{"type": "text", "text": text, "cache_control": mark}]);
    assert_eq!(
        (&chat["messages"][0]["content"], &chat["messages"][3]["content"]),
        (&part("s"), &part("done"))
    );
    let back = said(&to(ChatCompletions, Messages, &chat, CacheControlSupport::Kept));
    assert_eq!((&back["system"], &back["tools"][0]["cache_control"]), (&messages["system"], &mark));
    assert_eq!(back["messages"][2], messages["messages"][2]);

    let twice = json!({"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": mark},
        {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": "b", "cache_control": mark}], "cache_control": mark}]}]});
    let once = to(Messages, ChatCompletions, &twice, CacheControlSupport::Kept).body;
    assert_eq!(std::str::from_utf8(&once).unwrap().matches("cache_control").count(), 2);

    let removed = to(Messages, ChatCompletions, &messages, CacheControlSupport::Removed);
    assert_eq!(removed.losses, ["cache_control"]);
    assert!(!said(&removed).to_string().contains("cache_control"));

    let plain = said(&removed);
    let added = said(&to(ChatCompletions, Messages, &plain, CacheControlSupport::Added));
    let mark = json!({"type": "ephemeral"});
    assert_eq!(added["system"][0]["cache_control"], mark);
    assert_eq!(added["tools"][0]["cache_control"], mark);
    assert_eq!(added["messages"][0]["content"][0]["cache_control"], mark);
    assert_eq!(added["messages"][2]["content"][0]["cache_control"], mark);
    assert_eq!(added.to_string().matches("cache_control").count(), 4);
    let own = to(ChatCompletions, Messages, &chat, CacheControlSupport::Added);
    assert_eq!(said(&own).to_string().matches("cache_control").count(), 3, "the client's own marks stay");
}

#[test]
fn files_images_and_formats_keep_their_meaning() {
    let file = |data: &str, name: &str| {
        let part = json!({"type": "input_file", "file_data": data, "filename": name});
        json!({"input": [{"role": "user", "content": [part]}]})
    };
    let chat = to(Responses, ChatCompletions, &file("JVBERi0=", "a.pdf"));
    let sent = &chat["messages"][0]["content"][0]["file"]["file_data"];
    assert_eq!(sent, "data:application/pdf;base64,JVBERi0=");
    let source = &to(Responses, Messages, &file("eCx5\n", "a.CSV"))["messages"][0]["content"][0]["source"];
    assert_eq!(source, &json!({"type": "text", "media_type": "text/plain", "data": "x,y"}));

    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
    let drawn = json!({"messages": [
        {"role": "user", "content": "draw"}, {"role": "assistant", "content": "here", "images": [image]}, {"role": "user", "content": "more"},
    ]});
    let lost = translated(ChatCompletions, Messages, &drawn);
    assert_eq!(lost.losses, ["assistant_images"]);
    assert_eq!(said(&lost)["messages"][1]["content"][1]["text"], "[image removed]");
    let parsed = super::RequestBody::parse(ChatCompletions, drawn.to_string().into()).unwrap();
    let target = super::TranslationTarget { is_openrouter: true, ..super::target(ChatCompletions) };
    let kept: Value =
        serde_json::from_slice(&super::translate_request(&parsed, &target).unwrap().body).unwrap();
    assert_eq!(kept["messages"], drawn["messages"]);

    for format in
        [json!({"type": "json_object"}), json!({"type": "json_schema", "json_schema": {"name": "x"}})]
    {
        let asked = json!({"messages": [{"role": "user", "content": "hi"}], "response_format": format});
        let messages = to(ChatCompletions, Messages, &asked);
        assert!(
            messages["system"][0]["text"].as_str().unwrap().contains("one valid JSON object"),
            "{messages}"
        );
        assert_eq!(to(ChatCompletions, Responses, &asked)["text"]["format"]["type"], "json_object");
    }
    let stored =
        json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]});
    let parsed = super::RequestBody::parse(ChatCompletions, stored.to_string().into()).unwrap();
    let error = super::translate_request(&parsed, &super::target(Messages)).unwrap_err();
    assert!(error.to_string().contains("another provider stores"), "{error}");
}

#[test]
fn older_usage_option_counts() {
    let body = json!({"messages": [], "stream": true, "usage": {"include": true}}).to_string();
    assert!(super::RequestBody::parse(ChatCompletions, body.into()).unwrap().wants_usage());
}
