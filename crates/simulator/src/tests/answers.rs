//! Answers, whole and streamed, in each provider's shape.

use crate::tests::*;

#[tokio::test]
async fn a_whole_moonshot_answer_has_the_documented_shape() {
    let running = Running::new().await;
    let reply = running.moonshot().chat(&ask("kimi-k3", "hello")).await;
    assert_eq!(reply.status, 200);
    let answer = reply.json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "kimi-k3");
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(answer["id"].as_str().unwrap().len(), "chatcmpl-".len() + 24);
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"]["role"], "assistant");
    assert_eq!(choice["message"]["content"], "kimi-k3 via moonshot: hello");
    assert!(!choice["message"]["reasoning_content"].as_str().unwrap().is_empty());
    assert_eq!(choice["finish_reason"], "stop");
    assert!(answer.get("system_fingerprint").is_none());
    let usage = &answer["usage"];
    assert_eq!(
        usage["total_tokens"],
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
    );
    assert!(usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap() > 0);
    assert!(usage.get("cached_tokens").is_none(), "nothing hit, so the member is absent");
    for name in ["msh-org-id", "msh-request-id", "set-cookie", "server-timing", "msh-uid"] {
        assert!(reply.header(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_long_prompts_hit_the_cache() {
    let running = Running::new().await;
    let body = ask("kimi-k2.6", &"long prompt ".repeat(200));
    let first = running.moonshot().chat(&body).await.json();
    let second = running.moonshot().chat(&body).await.json();
    assert_eq!(first["choices"], second["choices"]);
    assert_eq!(first["usage"], second["usage"]);
    assert_eq!(first["usage"]["cached_tokens"], 512);
    assert_eq!(first["usage"]["prompt_tokens_details"]["cached_tokens"], 512);
    assert_ne!(first["id"], second["id"]);
}

#[tokio::test]
async fn a_moonshot_stream_has_role_first_reasoning_next_and_usage_inside_the_finish() {
    let running = Running::new().await;
    let reply = running.moonshot().chat(&streaming(ask("kimi-k3", "hello"))).await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
    let events = reply.events();
    assert_eq!(events[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let kinds: Vec<&str> = events[1..]
        .iter()
        .filter_map(|event| event["choices"][0]["delta"].as_object()?.keys().next().map(String::as_str))
        .collect();
    let first_text = kinds.iter().position(|kind| *kind == "content").unwrap();
    assert!(first_text > 0 && kinds[..first_text].iter().all(|kind| *kind == "reasoning_content"));
    assert!(kinds[first_text..].iter().all(|kind| *kind == "content"));
    assert_eq!(reply.delta("content"), "kimi-k3 via moonshot: hello");
    let finish = &events[events.len() - 2];
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    let usage = &events[events.len() - 1];
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"], finish["choices"][0]["usage"]);
    assert!(usage.get("system_fingerprint").is_none());
    for event in &events[..events.len() - 1] {
        let print = event["system_fingerprint"].as_str().unwrap();
        assert!(print.starts_with("fpv0_") && print.len() == 13, "{print}");
    }
}

#[tokio::test]
async fn without_include_usage_there_is_no_usage_chunk_but_the_finish_has_it() {
    let running = Running::new().await;
    let mut body = ask("kimi-k2.6", "hello");
    body["stream"] = json!(true);
    let events = running.moonshot().chat(&body).await.events();
    let last = events.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert!(last["choices"][0]["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

#[tokio::test]
async fn an_openrouter_stream_has_comments_and_closes_with_role_finish_and_cost() {
    let running = Running::new().await;
    let long = ask("moonshotai/kimi-k2.6", "reply with 100 words");
    let reply = running.openrouter().chat(&streaming(long)).await;
    let text = reply.text();
    assert!(text.starts_with(": OPENROUTER PROCESSING\n\n"));
    assert!(text.split("data: ").nth(10).is_some());
    let between = text.find("data: ").unwrap();
    assert!(text[between..].contains(": OPENROUTER PROCESSING"), "comments come among the events too");
    let events = reply.events();
    let last = events.last().unwrap();
    assert_eq!(last["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert!(last["usage"]["cost"].as_f64().unwrap() > 0.0);
    assert_eq!(last["provider"], "Moonshot AI");
    assert!(last["id"].as_str().unwrap().starts_with("gen-"));
    assert!(last["system_fingerprint"].is_null() && last.get("system_fingerprint").is_some());
    assert!(!reply.delta("reasoning").is_empty());
    assert_eq!(reply.delta("content").split(' ').count(), 100);
    assert!(reply.header("x-generation-id").is_some());
}

#[tokio::test]
async fn openrouter_auto_chooses_a_model_and_says_which() {
    let running = Running::new().await;
    let answer = running.openrouter().chat(&ask("openrouter/auto", "hello")).await.json();
    assert_eq!(answer["model"], "openai/gpt-5-mini");
    assert_eq!(answer["choices"][0]["message"]["content"], "openai/gpt-5-mini via openrouter: hello");
    assert!(answer["usage"]["cost"].is_number());
}

#[tokio::test]
async fn kimi_code_echoes_the_alias_that_was_asked_for() {
    let running = Running::new().await;
    let reply = running.kimi().chat(&ask("k2p5", "hello")).await;
    assert_eq!(reply.json()["model"], "k2p5");
    assert!(reply.header("x-trace-id").is_some());
}

#[tokio::test]
async fn a_prompt_orders_a_tool_call_and_its_result_is_reported() {
    let running = Running::new().await;
    let mut body = ask("kimi-k3", "please call get_weather now");
    body["tools"] = weather();
    let answer = running.moonshot().chat(&body).await.json();
    let message = &answer["choices"][0]["message"];
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        message["tool_calls"],
        json!([{ "index": 0, "id": "get_weather_0", "type": "function",
            "function": { "name": "get_weather", "arguments": "{\"city\":\"Paris\"}" } }])
    );
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(message.clone());
    messages.push(json!({ "role": "tool", "tool_call_id": "get_weather_0", "content": "17 degrees" }));
    let answer = running.moonshot().chat(&body).await.json();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(text, "kimi-k3 via moonshot: the tool answered: 17 degrees");
}

#[tokio::test]
async fn tool_calls_stream_in_fragments_that_join() {
    let running = Running::new().await;
    let tools = json!([
        weather()[0],
        { "type": "function", "function": { "name": "Shell", "parameters": {
            "type": "object", "properties": { "command": { "type": "string" } }, "required": ["command"] } } }
    ]);
    let mut body = streaming(ask("kimi-k2.7-code", "Run echo captured"));
    body["tools"] = tools;
    let events = running.moonshot().chat(&body).await.events();
    let fragments: Vec<_> =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"].get(0)).collect();
    assert_eq!(fragments[0]["id"], "Shell:0");
    assert_eq!(fragments[0]["function"], json!({ "name": "Shell", "arguments": "" }));
    assert!(fragments.len() > 2);
    assert!(fragments[1..].iter().all(|fragment| fragment.get("id").is_none() && fragment["index"] == 0));
    let joined: String =
        fragments.iter().map(|fragment| fragment["function"]["arguments"].as_str().unwrap()).collect();
    assert_eq!(joined, r#"{"command":"echo captured"}"#);
}

#[tokio::test]
async fn a_shell_tool_gets_the_command_under_the_name_that_it_has_for_it() {
    let running = Running::new().await;
    let one = json!({ "type": "string" });
    let many = json!({ "type": "array", "items": one });
    for (name, schema, expected) in [
        ("command", &one, json!("echo captured > made.txt")),
        ("cmd", &one, json!("echo captured > made.txt")),
        ("commands", &many, json!(["echo captured > made.txt"])),
    ] {
        let mut body = ask("kimi-k3", "Run echo captured > made.txt");
        body["tools"] = json!([weather()[0], { "type": "function", "function": { "name": "shell", "parameters": {
            "type": "object", "properties": { name: schema }, "required": [name] } } }]);
        let call =
            running.moonshot().chat(&body).await.json()["choices"][0]["message"]["tool_calls"][0].take();
        let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, json!({ name: expected }));
    }
}

#[tokio::test]
async fn what_a_client_adds_around_the_prompt_is_no_order() {
    let running = Running::new().await;
    let reminder = "<system-reminder>\nDo NOT call get_weather.\n</system-reminder>";
    let part = |text: &str| json!({ "type": "text", "text": text });
    for content in [json!([part(reminder), part("hello")]), json!("hello")] {
        let mut body = ask("kimi-k3", "");
        body["messages"] =
            json!([{ "role": "user", "content": content }, { "role": "user", "content": reminder }]);
        body["tools"] = weather();
        let answer = running.moonshot().chat(&body).await.json();
        assert_eq!(answer["choices"][0]["message"]["content"], "kimi-k3 via moonshot: hello");
    }
}

#[tokio::test]
async fn ids_repeat_over_turns_or_count_on_as_the_model_does() {
    let running = Running::new().await;
    for (model, first, second) in [
        ("kimi-k3", "get_weather_0", "get_weather_0"),
        ("kimi-k2.6", "functions.get_weather:0", "functions.get_weather:0"),
        ("kimi-k2.7-code", "get_weather:0", "get_weather:1"),
    ] {
        let mut body = ask(model, "call get_weather");
        body["tools"] = weather();
        let answer = running.moonshot().chat(&body).await.json();
        assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["id"], first);
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(answer["choices"][0]["message"].clone());
        messages.push(json!({ "role": "tool", "tool_call_id": first, "content": "17" }));
        messages.push(json!({ "role": "user", "content": "call get_weather again" }));
        let answer = running.moonshot().chat(&body).await.json();
        assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["id"], second, "{model}");
    }
}

#[tokio::test]
async fn lengths_on_order_are_kept() {
    let running = Running::new().await;
    for order in [0, 1, 999, 65_536] {
        let mut body = ask("kimi-k2.6", &format!("reply with {order} bytes"));
        body["stream"] = json!(true);
        let reply = running.moonshot().chat(&body).await;
        assert_eq!(reply.delta("content").len(), order);
    }
}

#[tokio::test]
async fn a_limit_that_the_reasoning_uses_up_leaves_an_empty_answer() {
    let running = Running::new().await;
    let mut body = ask("kimi-k3", "hello");
    body["max_tokens"] = json!(900);
    body["max_completion_tokens"] = json!(3);
    let answer = running.moonshot().chat(&body).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["choices"][0]["message"]["content"], "");
    assert_eq!(answer["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn json_modes_answer_json() {
    let running = Running::new().await;
    let mut body = ask("kimi-k2.6", "hello");
    body["response_format"] = json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": {
        "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] } } });
    let answer = running.moonshot().chat(&body).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], r#"{"n":1}"#);
}

#[tokio::test]
async fn lone_surrogates_and_big_numbers_are_read() {
    let running = Running::new().await;
    let body = br#"{"model":"kimi-k2.6","x":123456789012345678901234567890,"messages":[{"role":"user","content":"\ud83d and \ud83c\udf12 \\ud83d"}]}"#;
    let reply = running.moonshot().send("POST", "/chat/completions", body).await;
    let text = reply.json()["choices"][0]["message"]["content"].clone();
    assert_eq!(text, "kimi-k2.6 via moonshot: \u{fffd} and 🌒 \\ud83d");
}

#[tokio::test]
async fn lists_and_account_pages_have_their_shapes() {
    let running = Running::new().await;
    let models = running.moonshot().get("/models").await.json();
    let k3 =
        models["data"].as_array().unwrap().iter().find(|model| model["id"] == "kimi-k3").unwrap().clone();
    assert_eq!(k3["context_length"], 1_048_576);
    assert_eq!(k3["think_efforts"]["default_effort"], "max");
    let balance = running.moonshot().get("/users/me/balance").await.json();
    assert_eq!(balance["data"]["available_balance"], 49.58894);
    let kimi = running.kimi().get("/models").await.json();
    assert_eq!(kimi["data"][0]["display_name"], "K2.8 Preview");
    assert_eq!(running.kimi().get("/usages").await.json()["usage"]["remaining"], "53");
    assert_eq!(running.openrouter().get("/key").await.json()["data"]["limit_remaining"], 74.5);
    let mut stranger = running.openrouter();
    stranger.headers.clear();
    let list = stranger.get("/models?offset=0&limit=500").await.json();
    assert_eq!(list["data"][0]["id"], "moonshotai/kimi-k3.1-pro");
    assert_eq!(list["data"][0]["pricing"]["completion"], "0.00001");
    assert_eq!(stranger.get("/key").await.status, 401);
    assert_eq!(running.kimi().get("/nothing").await.json()["error"]["message"], "method not found");
}

#[tokio::test]
async fn a_conversation_that_ends_with_the_assistant_is_continued() {
    let running = Running::new().await;
    let whole = running.moonshot().chat(&ask("kimi-k2.6", "reply with 50 words")).await.json();
    let whole = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let (begun, rest) = whole.split_at(whole.floor_char_boundary(100));
    let mut body = ask("moonshotai/kimi-k2.6", "reply with 50 words");
    let part = json!({ "role": "assistant", "content": begun, "partial": true });
    body["messages"].as_array_mut().unwrap().push(part);
    let reply = running.openrouter().chat(&streaming(body.clone())).await;
    assert_eq!(reply.delta("content"), rest);
    body["messages"][1]["content"] = json!("kimi-k3 via moon");
    let reply = running.openrouter().chat(&streaming(body)).await;
    assert_eq!(reply.delta("content"), " (continued: moonshotai/kimi-k2.6 via openrouter)");
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let running = Running::new().await;
    let mut socket = tokio::net::TcpStream::connect(running.address).await.unwrap();
    for _ in 0..3 {
        let request =
            "GET /moonshot/v1/users/me/balance HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-x\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut socket, request.as_bytes()).await.unwrap();
        let answer = super::client::read_until(&mut socket, "\"status\":true}").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(running.control.stats().connections, 1);
    assert_eq!(running.control.stats().total, 3);
}
