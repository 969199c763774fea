//! What Messages and Responses refuse, and in which envelope.

use crate::tests::*;

/// Status and text of the refusal of a request with these members added or replaced.
async fn refused(running: &Running, provider: Provider, api: Api, more: Value) -> (u16, String) {
    let (client, model) = running.api(provider, api);
    let mut body = prompt(api, model, "x");
    for (key, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().shift_remove(key)),
            value => body[key] = value.clone(),
        }
    }
    let reply = client.post(api.route(), &body).await;
    let text = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    (reply.status, text)
}

fn use_of(id: &str) -> Value {
    json!({ "type": "tool_use", "id": id, "name": "get_weather", "input": {} })
}

fn result_of(id: &str) -> Value {
    json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id, "content": "17" }] })
}

fn said(blocks: Value) -> Value {
    json!({ "role": "assistant", "content": blocks })
}

#[tokio::test]
async fn messages_have_a_limit_known_roles_and_known_blocks() {
    let running = Running::new().await;
    let one = |message: Value| json!({ "messages": [message] });
    for (more, text) in [
        (json!({ "max_tokens": null }), "max_tokens: Field required"),
        (json!({ "max_tokens": 0 }), "max_tokens: Input should be greater than or equal to 1"),
        (json!({ "messages": [] }), "messages must not be empty"),
        (
            one(json!({ "role": "developer", "content": "x" })),
            "messages.0.role: Input should be 'user' or 'assistant'",
        ),
        (one(json!({ "role": "user" })), "messages.0.content: Field required"),
        (
            one(json!({ "role": "user", "content": 1 })),
            "messages.0.content: Input should be a valid string or list",
        ),
        (
            one(json!({ "role": "user", "content": [] })),
            "the message at position 0 with role 'user' must not be empty",
        ),
        (
            one(json!({ "role": "user", "content": [{ "type": "text" }] })),
            "messages.0.content.0.text: Field required",
        ),
        (
            one(json!({ "role": "user", "content": [{ "type": "audio" }] })),
            "messages.0.content.0: Input tag 'audio' found using 'type' does not match any of the expected tags",
        ),
        (
            one(json!({ "role": "user", "content": [{ "type": "image", "source": { "type": "file" } }] })),
            "messages.0.content.0.image.source: Input tag does not match any of the expected tags: 'base64', 'url'",
        ),
        (
            one(
                json!({ "role": "user", "content": [{ "type": "image", "source": { "type": "url", "url": "https://a.example/b.png" } }] }),
            ),
            "unsupported image url: https://a.example/b.png",
        ),
        (
            one(
                json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "a", "content": [{ "type": "tool_reference" }] }] }),
            ),
            "failed to convert tool result content: unsupported content type in ContentBlockParamUnion: tool_reference",
        ),
    ] {
        let (status, message) = refused(&running, Provider::Moonshot, Api::Messages, more.clone()).await;
        assert_eq!(status, 400, "{more}");
        assert!(message.ends_with(text), "{message}\n{text}");
    }
    let audio = one(json!({ "role": "user", "content": [{ "type": "audio" }] }));
    let kimi = refused(&running, Provider::Kimi, Api::Messages, audio).await;
    assert_eq!(kimi, (400, "Invalid request Error".into()));
}

#[tokio::test]
async fn the_knobs_of_messages_have_their_words_and_ranges() {
    let running = Running::new().await;
    for (more, text) in [
        (json!({ "thinking": { "type": "enabled" } }), "thinking.enabled.budget_tokens: Field required"),
        (
            json!({ "thinking": { "type": "enabled", "budget_tokens": 1000 } }),
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (
            json!({ "thinking": { "type": "enabled", "budget_tokens": 4096 } }),
            "`max_tokens` must be greater than `thinking.budget_tokens`",
        ),
        (
            json!({ "tool_choice": { "type": "required" } }),
            "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
        ),
        (json!({ "tools": [{ "name": "get_weather" }] }), "tools.0.custom.input_schema: Field required"),
        (
            json!({ "tools": [{ "type": "web_search_20250305", "name": "web_search" }] }),
            "unknown tool type: web_search_20250305",
        ),
        (json!({ "temperature": 0.2 }), "invalid temperature: only 1 is allowed for this model"),
        (json!({ "system": 1 }), "system: Input should be a valid string or list"),
    ] {
        let (status, message) = refused(&running, Provider::Moonshot, Api::Messages, more.clone()).await;
        assert_eq!(status, 400, "{more}");
        assert!(message.ends_with(text), "{message}\n{text}");
    }
}

#[tokio::test]
async fn uses_and_results_belong_together() {
    let running = Running::new().await;
    let tools = json!([{ "name": "get_weather", "input_schema": { "type": "object" } }]);
    let hello = json!({ "role": "user", "content": "x" });
    for (rest, kimi, anthropic) in [
        (vec![said(json!([use_of("a")]))], "did not have response messages: a", "immediately after: a."),
        (
            vec![said(json!([use_of("a")])), hello.clone()],
            "did not have response messages: a",
            "immediately after: a.",
        ),
        (vec![result_of("b")], "tool_call_id b is not found", "unexpected `tool_use_id`"),
        (
            vec![said(json!([use_of("a")])), result_of("b")],
            "tool_call_id b is not found",
            "unexpected `tool_use_id`",
        ),
        (vec![said(json!([use_of("a:0")])), result_of("a:0")], "", "should match pattern"),
        (vec![said(json!([use_of("a")])), result_of("a")], "", ""),
    ] {
        let messages: Vec<_> = [hello.clone()].into_iter().chain(rest).collect();
        let more = json!({ "messages": messages, "tools": tools });
        let (status, message) = refused(&running, Provider::Kimi, Api::Messages, more.clone()).await;
        assert_eq!(status, if kimi.is_empty() { 200 } else { 400 }, "{message}");
        assert!(message.contains(kimi), "{message}");
        let more = json!({ "messages": messages, "tools": tools, "model": "anthropic/claude-sonnet-4.5" });
        let (status, message) = refused(&running, Provider::OpenRouter, Api::Messages, more).await;
        assert_eq!(status, if anthropic.is_empty() { 200 } else { 400 }, "{message}");
        assert!(message.contains(anthropic), "{message}");
    }
    // Two messages of the user in a row are one turn.
    let messages =
        json!([hello, said(json!([use_of("a"), use_of("b")])), result_of("a"), hello, result_of("b")]);
    let more = json!({ "messages": messages, "tools": tools });
    assert_eq!(refused(&running, Provider::Kimi, Api::Messages, more).await.0, 200);
}

#[tokio::test]
async fn who_asks_kimi_to_think_shows_what_was_thought() {
    let running = Running::new().await;
    let history = |blocks: Value| {
        json!({ "messages": [{ "role": "user", "content": "x" }, said(blocks), result_of("a")],
            "tools": [{ "name": "get_weather", "input_schema": { "type": "object" } }] })
    };
    let mut bare = history(json!([use_of("a")]));
    assert_eq!(refused(&running, Provider::Kimi, Api::Messages, bare.clone()).await.0, 200);
    for thinking in [json!({ "type": "enabled", "budget_tokens": 1024 }), json!({ "type": "adaptive" })] {
        bare["thinking"] = thinking.clone();
        let text =
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1";
        let answer = refused(&running, Provider::Kimi, Api::Messages, bare.clone()).await;
        assert_eq!(answer, (400, text.into()));
        let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "" });
        let mut whole = history(json!([thought, use_of("a")]));
        whole["thinking"] = thinking;
        assert_eq!(refused(&running, Provider::Kimi, Api::Messages, whole).await.0, 200);
    }
    let off = json!({ "thinking": { "type": "disabled" } });
    let text = "invalid thinking: only type=enabled is allowed for this model";
    assert_eq!(refused(&running, Provider::Kimi, Api::Messages, off).await, (400, text.into()));
}

#[tokio::test]
async fn any_tool_may_be_asked_for_while_thinking_but_no_single_one() {
    let running = Running::new().await;
    let tools = json!([{ "name": "get_weather", "input_schema": { "type": "object" } }]);
    let choose = |choice: Value| json!({ "tools": tools, "tool_choice": choice });
    for word in ["auto", "any", "none"] {
        let more = choose(json!({ "type": word }));
        assert_eq!(refused(&running, Provider::Moonshot, Api::Messages, more).await.0, 200, "{word}");
    }
    let one = choose(json!({ "type": "tool", "name": "get_weather" }));
    let text = "tool_choice 'specified' is incompatible with thinking enabled";
    assert_eq!(refused(&running, Provider::Moonshot, Api::Messages, one.clone()).await, (400, text.into()));
    let mut off = one;
    off["thinking"] = json!({ "type": "disabled" });
    assert_eq!(refused(&running, Provider::Moonshot, Api::Messages, off).await.0, 200);
}

#[tokio::test]
async fn responses_refuse_effort_none_strange_items_and_strange_tools() {
    let running = Running::new().await;
    let input = |item: Value| json!({ "input": [{ "role": "user", "content": "x" }, item] });
    let call = |id: &str| json!({ "type": "function_call", "call_id": id, "name": "get_weather", "arguments": "{}" });
    let output = |id: &str| json!({ "type": "function_call_output", "call_id": id, "output": "17" });
    for (more, text) in [
        (json!({ "reasoning": { "effort": "none" } }), "reasoning.effort value \"none\" is not supported"),
        (json!({ "input": null }), "input must not be empty"),
        (json!({ "input": [] }), "input must not be empty"),
        (json!({ "previous_response_id": "resp_1" }), "Previous response with id 'resp_1' not found."),
        (json!({ "max_output_tokens": 0 }), "max_output_tokens must be a positive integer"),
        (
            json!({ "tools": [{ "type": "namespace", "name": "n", "tools": [] }] }),
            "tools.0: tool type \"namespace\" is not supported",
        ),
        (json!({ "tools": [weather()[0]] }), "Missing required parameter: 'tools[0].name'."),
        (json!({ "tool_choice": "any" }), "invalid tool_choice: expected auto, none, required or a tool"),
        (input(json!({ "type": "tool_search_call" })), "Invalid request Error"),
        (
            input(json!({ "role": "tool", "content": "x" })),
            "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'. (input[1].role)",
        ),
        (
            input(json!({ "role": "user", "content": [{ "type": "text", "text": "x" }] })),
            "Invalid value: 'text' for input[1].content of a message with role 'user'",
        ),
        (
            input(json!({ "role": "assistant", "content": [{ "type": "input_text", "text": "x" }] })),
            "Invalid value: 'input_text' for input[1].content of a message with role 'assistant'",
        ),
        (input(json!({ "type": "reasoning" })), "Missing required parameter: 'input[1].summary'."),
        (
            input(json!({ "type": "function_call", "name": "a" })),
            "Missing required parameter: 'input[1].call_id'.",
        ),
        (input(call("a")), "No tool output found for function call a."),
        (input(output("a")), "No tool call found for function call output with call_id a."),
        (
            input(call(&"a".repeat(65))),
            "Invalid 'input[1].call_id': string too long. Expected a string with maximum length 64, but got a string with length 65 instead.",
        ),
    ] {
        let answer = refused(&running, Provider::Kimi, Api::Responses, more.clone()).await;
        assert_eq!(answer, (400, text.to_owned()), "{more}");
    }
    for more in [
        json!({ "reasoning": { "effort": "none" } }),
        json!({ "tools": [{ "type": "namespace", "name": "n", "tools": [] }] }),
        input(json!({ "type": "web_search_call" })),
    ] {
        assert_eq!(refused(&running, Provider::OpenRouter, Api::Responses, more).await.0, 200);
    }
    let ignored = json!({ "store": true, "thinking": { "type": "disabled" }, "client_metadata": {} });
    assert_eq!(refused(&running, Provider::Moonshot, Api::Responses, ignored).await.0, 200);
}

#[tokio::test]
async fn errors_come_in_the_envelope_of_their_api() {
    let running = Running::new().await;
    let mut seen = Vec::new();
    for (provider, api, fault) in [
        (Provider::Moonshot, Api::Messages, "context_overflow"),
        (Provider::Moonshot, Api::Messages, "invalid_key"),
        (Provider::Moonshot, Api::Messages, "rate_limit"),
        (Provider::Kimi, Api::Messages, "quota_5h"),
        (Provider::Kimi, Api::Messages, "server_error"),
        (Provider::OpenRouter, Api::Messages, "insufficient_balance"),
        (Provider::Moonshot, Api::Responses, "overloaded"),
        (Provider::OpenRouter, Api::Responses, "rate_limit"),
        (Provider::OpenRouter, Api::Responses, "insufficient_balance"),
    ] {
        running.control.clear_faults();
        running.control.add_fault(format!("{provider}:{fault},face={api}").parse().unwrap());
        let (client, model) = running.api(provider, api);
        let body = client.post(api.route(), &prompt(api, model, "x")).await.json();
        let error = &body["error"];
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        seen.push(format!(
            "{provider} {api} {fault}: {} {} {} {}",
            word(&body["type"]),
            word(&error["type"]),
            word(&error["error_type"]),
            word(&error["code"])
        ));
    }
    assert_eq!(
        seen,
        [
            "moonshot messages context_overflow: error invalid_request_error null null",
            "moonshot messages invalid_key: null invalid_authentication_error null null",
            "moonshot messages rate_limit: null rate_limit_reached_error null null",
            "kimi messages quota_5h: error permission_error null null",
            "kimi messages server_error: error <nil> null null",
            "openrouter messages insufficient_balance: error billing_error payment_required null",
            "moonshot responses overloaded: null engine_overloaded_error null null",
            "openrouter responses rate_limit: null null null rate_limit_exceeded",
            "openrouter responses insufficient_balance: null null null 402",
        ]
    );
}

#[tokio::test]
async fn kimi_code_asks_who_calls_on_its_responses_api_and_limits_the_size_of_all() {
    let running = Running::new().await;
    let (mut client, model) = running.api(Provider::Kimi, Api::Responses);
    client.headers[0].1 = "curl/8".into();
    let reply = client.post("/responses", &prompt(Api::Responses, model, "x")).await;
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (403, &json!("access_terminated_error")));
    for api in Api::ALL {
        let (client, model) = running.api(Provider::Kimi, api);
        let reply = client.post(api.route(), &prompt(api, model, &"x".repeat(2_097_153))).await;
        let text = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            text.starts_with("total message size ") && text.ends_with(" exceeds limit 2097152"),
            "{text}"
        );
        let reply = client.post(api.route(), &prompt(api, "gpt-4o", "x")).await;
        let text = "Not found the model gpt-4o or Permission denied";
        assert_eq!((reply.status, &reply.json()["error"]["message"]), (404, &json!(text)));
    }
}
