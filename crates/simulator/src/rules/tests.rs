//! The rules as tables: a request, and the provider's response.

mod strict;

use serde_json::json;

use crate::rules::*;

const BOOK: RuleOptions = RuleOptions { is_strict: true, accepts_any_model: false, message_bytes: 2_097_152 };

fn verdict(provider: Provider, body: &Value) -> Result<(), (u16, String)> {
    let request = EngineRequest::read(Api::ChatCompletions, body.to_string().as_bytes()).unwrap();
    check_request(provider, &request, &HeaderMap::new(), BOOK)
        .map(|_| ())
        .map_err(|refusal| (refusal.status, refusal.message))
}

fn moonshot(model: &str, more: &Value) -> Result<(), (u16, String)> {
    verdict(Provider::Moonshot, &body(model, more))
}

fn kimi(model: &str, more: &Value) -> Result<(), (u16, String)> {
    verdict(Provider::Kimi, &body(model, more))
}

fn body(model: &str, more: &Value) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "x" }] });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn refused(result: Result<(), (u16, String)>, text: &str) {
    assert_eq!(result, Err((400, text.to_owned())));
}

#[test]
fn sampling_is_pinned_by_model_and_thinking() {
    let off = json!({ "type": "disabled" });
    for model in ["kimi-k3", "kimi-k3.1-pro", "kimi-k2.7-code", "kimi-k2.6"] {
        let good = json!({ "temperature": 1, "top_p": 0.95, "n": 1, "presence_penalty": 0, "frequency_penalty": 0.0 });
        assert_eq!(moonshot(model, &good), Ok(()));
        assert_eq!(moonshot(model, &json!({ "temperature": null, "n": null })), Ok(()));
        for (field, value, only) in [
            ("temperature", json!(0), "1"),
            ("temperature", json!(0.6), "1"),
            ("top_p", json!(1), "0.95"),
            ("n", json!(2), "1"),
            ("presence_penalty", json!(0.1), "0"),
            ("frequency_penalty", json!(-1), "0"),
        ] {
            let text = format!("invalid {field}: only {only} is allowed for this model");
            refused(moonshot(model, &json!({ field: value })), &text);
        }
    }
    assert_eq!(moonshot("kimi-k2.6", &json!({ "temperature": 0.6, "thinking": off })), Ok(()));
    let warm = json!({ "temperature": 1, "thinking": off });
    refused(moonshot("kimi-k2.6", &warm), "invalid temperature: only 0.6 is allowed for this model");
    refused(kimi("k3", &json!({ "temperature": 1.2 })), "temperature must not be greater than 1.000000");
    refused(
        kimi("k3", &json!({ "temperature": 0.2 })),
        "invalid temperature: only 1 is allowed for this model",
    );
}

#[test]
fn thinking_follows_the_models_rules() {
    let off = json!({ "thinking": { "type": "disabled" } });
    let keep = json!({ "thinking": { "type": "enabled", "keep": "all" } });
    let only = "invalid thinking: only type=enabled is allowed for this model";
    for model in ["kimi-k2.6", "kimi-k3", "kimi-k3.1-pro"] {
        assert_eq!(moonshot(model, &off), Ok(()), "{model}");
    }
    refused(moonshot("kimi-k2.7-code", &off), only);
    for model in ["kimi-for-coding", "k3", "k3-256k", "k3.1-pro"] {
        refused(kimi(model, &off), only);
        assert_eq!(kimi(model, &keep), Ok(()));
    }
    assert_eq!(moonshot("kimi-k2.7-code", &keep), Ok(()));
    assert!(moonshot("kimi-k2.6", &json!({ "thinking": { "type": "adaptive" } })).is_err());
}

#[test]
fn kimi_code_knows_its_efforts_and_moonshot_ignores_them() {
    for effort in ["low", "high", "max", "medium", "xhigh", "ultra", "minimum", "light"] {
        assert_eq!(kimi("kimi-for-coding", &json!({ "reasoning_effort": effort })), Ok(()));
    }
    assert_eq!(kimi("kimi-for-coding", &json!({ "reasoning_effort": null })), Ok(()));
    for effort in ["none", "off", "extreme", "minimal"] {
        let text = format!(
            "Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. Supported values are: \
             'low', 'high', and 'max'."
        );
        refused(kimi("kimi-for-coding", &json!({ "reasoning_effort": effort })), &text);
        assert_eq!(moonshot("kimi-k3", &json!({ "reasoning_effort": effort })), Ok(()));
    }
}

#[test]
fn tool_choice_clashes_with_thinking() {
    let named = json!({ "tool_choice": { "type": "function", "function": { "name": "get" } } });
    let required = json!({ "tool_choice": "required" });
    for model in ["kimi-k3", "kimi-k2.7-code", "kimi-k2.6"] {
        refused(moonshot(model, &required), "tool_choice 'required' is incompatible with thinking enabled");
        refused(moonshot(model, &named), "tool_choice 'specified' is incompatible with thinking enabled");
        assert_eq!(moonshot(model, &json!({ "tool_choice": "auto" })), Ok(()));
        assert_eq!(moonshot(model, &json!({ "tool_choice": "none" })), Ok(()));
    }
    let off = json!({ "tool_choice": "required", "thinking": { "type": "disabled" } });
    assert_eq!(moonshot("kimi-k2.6", &off), Ok(()));
}

#[test]
fn roles_contents_and_parts() {
    let one = |message: Value| json!({ "messages": [message] });
    let unknown = "invalid request: unsupported role ROLE_UNSPECIFIED";
    for role in [json!("developer"), json!("function"), json!(""), json!(null)] {
        refused(moonshot("kimi-k3", &one(json!({ "role": role, "content": "x" }))), unknown);
        refused(kimi("k3", &one(json!({ "role": role, "content": "x" }))), unknown);
    }
    for (role, content) in [("user", json!("")), ("assistant", json!(null)), ("assistant", json!([]))] {
        let text = format!("the message at position 0 with role '{role}' must not be empty");
        let message = json!({ "role": role, "content": content });
        refused(moonshot("kimi-k3", &one(message.clone())), &format!("Invalid request: {text}"));
        refused(kimi("k3", &one(message)), &text);
    }
    refused(moonshot("kimi-k3", &json!({ "messages": [] })), "Invalid request: messages must not be empty");
    refused(kimi("k3", &json!({ "messages": null })), "messages must not be empty");
    let part = |part: Value| one(json!({ "role": "user", "content": [part] }));
    for good in [
        json!({ "type": "text", "text": "x" }),
        json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } }),
        json!({ "type": "image_url", "image_url": "ms://file-1" }),
        json!({ "type": "video_url", "video_url": { "url": "ms://file-2" } }),
    ] {
        assert_eq!(moonshot("kimi-k3", &part(good)), Ok(()));
    }
    let remote = json!({ "type": "image_url", "image_url": { "url": "https://example.com/x.png" } });
    let text = "Invalid request: unsupported image url: https://example.com/x.png";
    refused(moonshot("kimi-k3", &part(remote.clone())), text);
    refused(kimi("k3", &part(remote)), text);
    let audio = part(json!({ "type": "input_audio", "input_audio": {} }));
    let text = "the message at position 0 with role 'user' contains an invalid part type: input_audio";
    refused(kimi("k3", &audio), text);
    let video = part(json!({ "type": "video_url", "video_url": { "url": "ms://1" } }));
    assert!(kimi("k3-256k", &video).unwrap_err().1.ends_with("invalid part type: video_url"));
}

fn call(id: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": "get", "arguments": "{}" } })
}

fn history(messages: Value) -> Value {
    json!({ "messages": messages })
}

#[test]
fn calls_have_their_own_ids_and_their_answers_behind_them() {
    let asks = |ids: &[&str]| {
        let calls: Vec<Value> = ids.iter().map(|id| call(id)).collect();
        json!({ "role": "assistant", "content": "", "reasoning_content": " ", "tool_calls": calls })
    };
    let says = |id: &str| json!({ "role": "tool", "tool_call_id": id, "content": "done" });
    let user = json!({ "role": "user", "content": "x" });
    let check = |messages: Value| moonshot("kimi-k3", &history(messages));

    assert_eq!(check(json!([user, asks(&["a", "b"]), says("b"), says("a"), user])), Ok(()));
    assert_eq!(check(json!([user, asks(&["a"]), says("a"), asks(&["b"]), says("b")])), Ok(()));
    let twice = "Invalid request: tool call id a is duplicated";
    refused(check(json!([user, asks(&["a", "a"]), says("a"), says("a")])), twice);
    refused(check(json!([user, asks(&["a"]), says("a"), asks(&["a"]), says("a")])), twice);
    refused(check(json!([user, says("a")])), "Invalid request: tool_call_id a is not found");
    refused(check(json!([user, says("")])), "Invalid request: tool_call_id  is not found");
    refused(
        check(json!([user, asks(&["a"]), says("a"), says("a")])),
        "Invalid request: tool_call_id a is not found",
    );
    let open = "Invalid request: an assistant message with 'tool_calls' must be followed by tool messages responding to \
                each 'tool_call_id'. The following tool_call_ids did not have response messages: b";
    refused(check(json!([user, asks(&["a", "b"]), says("a"), user])), open);
    refused(check(json!([user, asks(&["a", "b"]), says("a")])), open);
    let bare = kimi("k3", &history(json!([user, says("a")])));
    refused(bare, "tool_call_id a is not found");
}

#[test]
fn what_was_thought_stays_with_the_calls_while_thinking_is_on() {
    let messages = json!([
        { "role": "user", "content": "x" },
        { "role": "assistant", "content": "plain text needs none" },
        { "role": "user", "content": "y" },
        { "role": "assistant", "content": "", "tool_calls": [call("a")] },
        { "role": "tool", "tool_call_id": "a", "content": "" },
    ]);
    let text =
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 3";
    refused(moonshot("kimi-k2.6", &history(messages.clone())), text);
    refused(kimi("kimi-for-coding", &history(messages.clone())), text);
    let mut empty = messages.clone();
    empty[3]["reasoning_content"] = json!("");
    refused(moonshot("kimi-k3", &history(empty)), text);
    let mut filled = messages.clone();
    filled[3]["reasoning_content"] = json!(" ");
    assert_eq!(moonshot("kimi-k3", &history(filled)), Ok(()));
    let mut off = history(messages);
    off["thinking"] = json!({ "type": "disabled" });
    assert_eq!(moonshot("kimi-k2.6", &off), Ok(()));
}

fn tool(name: &str, parameters: Value) -> Value {
    json!({ "type": "function", "function": { "name": name, "description": "d", "parameters": parameters } })
}

#[test]
fn tool_names_and_counts() {
    let empty = json!({ "type": "object", "properties": {} });
    let tools = |names: &[&str]| {
        let tools: Vec<Value> = names.iter().map(|name| tool(name, empty.clone())).collect();
        json!({ "tools": tools })
    };
    let invalid = "Invalid request: function name is invalid, must start with a letter and can contain letters, numbers, \
                   underscores, and dashes";
    for name in ["ls", "", "9lives", "-dash", "dotted.name", "späce", "a b c", &"x".repeat(65)] {
        refused(moonshot("kimi-k3", &tools(&[name])), invalid);
    }
    for name in ["get", "_under", "mcp__server-1__do", &"x".repeat(64)] {
        assert_eq!(moonshot("kimi-k3", &tools(&[name])), Ok(()));
    }
    refused(
        moonshot("kimi-k3", &tools(&["get", "put", "get"])),
        "Invalid request: function name get is duplicated",
    );
    refused(kimi("k3", &tools(&["get", "get"])), "function name get is duplicated");
    let many: Vec<String> = (0..129).map(|n| format!("tool_{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(moonshot("kimi-k3", &tools(&many[..128])), Ok(()));
    assert!(moonshot("kimi-k3", &tools(&many)).is_err());
    let search = json!([{ "type": "builtin_function", "function": { "name": "$web_search" } }]);
    assert_eq!(moonshot("kimi-k3", &json!({ "tools": search })), Ok(()));
    assert!(moonshot("kimi-k2.6", &json!({ "tools": search })).is_err());
    let off = json!({ "tools": search, "thinking": { "type": "disabled" } });
    assert_eq!(moonshot("kimi-k2.6", &off), Ok(()));
    assert!(moonshot("kimi-k3", &json!({ "tools": [{ "type": "web_search" }] })).is_err());
}

/// Moonshot's response to a tool with these parameters.
fn schema(parameters: Value) -> Result<(), String> {
    moonshot("kimi-k3", &json!({ "tools": [tool("get", parameters)] })).map_err(|(_, text)| text)
}

fn object(property: Value) -> Value {
    json!({ "type": "object", "properties": { "p": property } })
}

fn breaches(table: Vec<(Value, &str, &str)>) {
    for (bad, path, text) in table {
        let said = format!(
            "Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <At path \
             '{path}': {text}>"
        );
        assert_eq!(schema(bad.clone()), Err(said), "{bad}");
    }
}

#[test]
fn moonshot_flavored_schemas_pass() {
    for good in [
        json!({ "type": "object", "properties": {}, "$schema": "x", "additionalProperties": false }),
        json!({ "anyOf": [{ "type": "object", "properties": {} }, { "type": "object" }] }),
        object(json!({ "description": "no type at all" })),
        object(json!({ "anyOf": [{ "type": "string" }, { "type": "null" }], "default": null })),
        object(json!({ "type": ["string", "null"] })),
        object(json!({ "type": "integer", "minimum": 1, "enum": [1, 2] })),
        object(json!({ "type": "array", "items": { "type": "object", "properties": {} }, "minItems": 1 })),
        json!({ "type": "object", "properties": { "p": { "$ref": "#/$defs/d", "description": "x" } },
            "$defs": { "d": { "type": "string" } } }),
        json!({ "type": "object", "properties": { "type": { "type": "string" }, "anyOf": { "type": "string" } } }),
    ] {
        assert_eq!(schema(good.clone()), Ok(()), "{good}");
    }
    let rootless = "Invalid request: tools.function.parameters.type is required and must be \"object\"";
    assert_eq!(schema(json!({ "properties": {} })), Err(rootless.into()));
}

#[test]
fn unions_and_references_are_moonshot_flavored() {
    let anywhere = "when using anyOf, type should be defined in anyOf items instead of the parent schema";
    let beside =
        "when using $ref, type should be defined in the referenced schema instead of the parent schema";
    let twice = json!({ "type": "object", "properties": { "p": { "$ref": "#/$defs/d", "description": "x" } },
        "$defs": { "d": { "type": "string", "description": "y" } } });
    let deep = object(json!({ "type": "array", "items": { "type": "object", "anyOf": [] } }));
    breaches(vec![
        (json!({ "type": "object", "anyOf": [{}] }), "root", anywhere),
        (object(json!({ "type": "string", "anyOf": [{ "type": "string" }] })), "properties.p", anywhere),
        (deep, "properties.p.items", anywhere),
        (object(json!({ "anyOf": "x" })), "properties.p.anyOf", "anyOf must be an array"),
        (object(json!({ "anyOf": [true] })), "properties.p.anyOf", "schema in anyOf must be an object"),
        (
            object(json!({ "$ref": "#/properties/q" })),
            "properties.p.$ref",
            "references must start with #/$defs/",
        ),
        (
            object(json!({ "$ref": "#/$defs/q" })),
            "properties.p.$ref",
            "$defs not found for reference: #/$defs/q",
        ),
        (object(json!({ "$ref": "#", "type": "object" })), "properties.p", beside),
        (twice, "properties.p", "conflicting keywords found after $ref expansion: description"),
    ]);
}

#[test]
fn the_parts_of_schemas_are_moonshot_flavored() {
    let absent = json!({ "type": "object", "properties": {}, "required": ["q"] });
    let bare = json!({ "type": "object", "required": ["q"] });
    let flag = json!({ "type": "object", "properties": {}, "required": true });
    let tuple = object(json!({ "type": "array", "items": [{ "type": "string" }] }));
    let mixed = object(json!({ "type": "string", "enum": ["a", 1] }));
    breaches(vec![
        (object(json!(true)), "properties", "property schema for 'p' must be an object"),
        (tuple, "properties.p.items", "items must be an object"),
        (object(json!({ "type": "array", "items": false })), "properties.p.items", "items must be an object"),
        (object(json!({ "type": "any" })), "properties.p", "invalid type: any"),
        (absent, "required", "required property 'q' is not defined in properties"),
        (bare, "required", "required specified but 'properties' keyword is missing"),
        (flag, "required", "required must be an array"),
        (object(json!({ "type": "string", "enum": [] })), "properties.p.enum", "enum array cannot be empty"),
        (mixed, "properties.p.enum", "enum value (1) does not match any type in [string]"),
    ]);
}

#[test]
fn stops_sizes_and_windows() {
    assert_eq!(moonshot("kimi-k3", &json!({ "stop": ["a", "b", "c", "d", "e"] })), Ok(()));
    refused(
        moonshot("kimi-k3", &json!({ "stop": ["a", "b", "c", "d", "e", "f"] })),
        "stop array too long. Expected an array with maximum length 5, but got 6",
    );
    assert!(moonshot("kimi-k3", &json!({ "stop": "x".repeat(33) })).is_err());
    assert_eq!(moonshot("kimi-k3", &json!({ "stop": "x".repeat(32) })), Ok(()));
    assert!(moonshot("kimi-k3", &json!({ "max_tokens": 0 })).is_err());

    let long = history(json!([{ "role": "user", "content": "x".repeat(1_076_104) }]));
    let (status, text) = moonshot("kimi-k2.6", &long).unwrap_err();
    assert_eq!(status, 400);
    assert_eq!(text, "Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)");
    assert_eq!(moonshot("kimi-k3", &long), Ok(()));
    assert_eq!(kimi("kimi-for-coding", &long), Ok(()));

    let data = format!("data:image/png;base64,{}", "A".repeat(2_097_152));
    let image = history(
        json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": data } }] }]),
    );
    let bytes = image["messages"].to_string().len();
    refused(kimi("k3", &image), &format!("total message size {bytes} exceeds limit 2097152"));
    assert_eq!(moonshot("kimi-k2.6", &image), Ok(()), "an image weighs little in tokens");
    let router = verdict(Provider::OpenRouter, &body("moonshotai/kimi-k2", &long)).unwrap_err();
    assert!(router.1.starts_with("This endpoint's maximum context length is 131072 tokens."));
}

#[test]
fn unknown_members_are_ignored() {
    let odd =
        json!({ "store": false, "parallel_tool_calls": true, "user": 7, "reasoning": { "effort": "x" } });
    assert_eq!(moonshot("kimi-k3", &odd), Ok(()));
    assert_eq!(kimi("k3", &odd), Ok(()));
}
