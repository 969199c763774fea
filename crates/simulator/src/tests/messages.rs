//! The Messages API: complete and streamed answers, and access.

use crate::tests::*;

fn tools() -> Value {
    json!([
        { "name": "get_weather", "description": "w", "input_schema": {
            "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] } },
        { "name": "Shell", "input_schema": {
            "type": "object", "properties": { "command": { "type": "string" } }, "required": ["command"] } },
    ])
}

fn kinds(reply: &super::client::Reply) -> Vec<String> {
    let mut kinds: Vec<String> =
        reply.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn a_whole_message_thinks_speaks_and_counts_what_chat_counts() {
    let running = Running::new().await;
    let text = "long prompt ".repeat(200);
    for provider in KIMI_HOSTS {
        let (client, model) = running.messages(provider);
        let reply = client.post("/messages", &message(model, json!(text))).await;
        let answer = reply.json();
        assert_eq!(reply.status, 200, "{answer}");
        assert_eq!(
            (&answer["type"], &answer["role"], &answer["model"]),
            (&json!("message"), &json!("assistant"), &json!(model))
        );
        let content = answer["content"].as_array().unwrap();
        assert_eq!((&content[0]["type"], &content[1]["type"]), (&json!("thinking"), &json!("text")));
        assert!(!content[0]["thinking"].as_str().unwrap().is_empty());
        let signed = !content[0]["signature"].as_str().unwrap().is_empty();
        assert_eq!(signed, provider != Provider::OpenRouter);
        assert!(content[1]["text"].as_str().unwrap().starts_with(&format!("{model} via {provider}: long")));
        assert_eq!(answer["stop_reason"], "end_turn");
        let usage = &answer["usage"];
        let prompt =
            usage["input_tokens"].as_u64().unwrap() + usage["cache_read_input_tokens"].as_u64().unwrap();
        let chat = running.prompting(provider);
        let counted = chat.chat(&ask(model, &text)).await.json()["usage"].clone();
        assert_eq!(counted["prompt_tokens"], prompt);
        assert_eq!(counted["prompt_tokens_details"]["cached_tokens"], usage["cache_read_input_tokens"]);
        assert_eq!(usage["cache_read_input_tokens"], 512);
        assert_eq!(counted["completion_tokens"], usage["output_tokens"]);
    }
}

#[tokio::test]
async fn a_stream_has_anthropics_events_in_their_order_and_says_the_same() {
    let running = Running::new().await;
    for provider in KIMI_HOSTS {
        let (client, model) = running.messages(provider);
        let whole = client.post("/messages", &message(model, json!("hello"))).await.json();
        let reply = client.post("/messages?beta=true", &streaming(message(model, json!("hello")))).await;
        assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let mut order = vec!["message_start"];
        if provider == Provider::OpenRouter {
            order.push("ping");
        }
        let block = ["content_block_start", "content_block_delta", "content_block_stop"];
        order.extend(block.iter().chain(&block));
        order.extend(["message_delta", "message_stop"]);
        assert_eq!(kinds(&reply), order);
        assert_eq!(reply.said("thinking"), whole["content"][0]["thinking"].as_str().unwrap());
        assert_eq!(reply.said("signature"), whole["content"][0]["signature"].as_str().unwrap());
        assert_eq!(reply.said("text"), whole["content"][1]["text"].as_str().unwrap());
        let events = reply.events();
        assert_eq!(events[0]["message"]["usage"]["output_tokens"], 0);
        let end = &events[events.len() - 2];
        assert_eq!((&end["delta"]["stop_reason"], &end["usage"]), (&json!("end_turn"), &whole["usage"]));
        let brokered = provider == Provider::OpenRouter;
        assert_eq!(reply.text().ends_with("data: [DONE]\n\n"), brokered);
        assert_eq!(reply.text().starts_with(": OPENROUTER PROCESSING\n\n"), brokered);
        // The name of an event is its type.
        for event in reply.text().split("\n\n").filter(|event| event.starts_with("event: ")) {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"]);
        }
    }
}

#[tokio::test]
async fn calls_come_one_or_several_and_their_results_are_reported() {
    let running = Running::new().await;
    let (client, model) = running.messages(Provider::Kimi);
    let prompt = json!([{ "type": "text", "text": "call get_weather and call Shell. Run echo captured" }]);
    let mut body = message(model, prompt);
    body["tools"] = tools();
    let answer = client.post("/messages", &body).await.json();
    assert_eq!(answer["stop_reason"], "tool_use");
    let calls: Vec<_> =
        answer["content"].as_array().unwrap().iter().filter(|b| b["type"] == "tool_use").collect();
    assert_eq!((&calls[0]["name"], &calls[0]["input"]), (&json!("get_weather"), &json!({ "city": "Paris" })));
    assert_eq!(calls[1]["input"], json!({ "command": "echo captured" }));

    let streamed = client.post("/messages", &streaming(body.clone())).await;
    let both = r#"{"city":"Paris"}{"command":"echo captured"}"#;
    assert_eq!(streamed.said("partial_json"), both);
    let starts: Vec<_> =
        streamed.events().into_iter().filter(|e| e["type"] == "content_block_start").collect();
    assert_eq!(starts.iter().map(|e| e["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(starts[1]["content_block"]["id"], calls[0]["id"]);
    assert_eq!(starts[1]["content_block"]["input"], json!({}));

    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": answer["content"] }));
    messages.push(json!({ "role": "user", "content": [
        { "type": "tool_result", "tool_use_id": calls[0]["id"], "content": "17 degrees" },
        { "type": "tool_result", "tool_use_id": calls[1]["id"], "content": [{ "type": "text", "text": "captured" }] },
        { "type": "text", "text": "a reminder" },
    ] }));
    body["thinking"] = json!({ "type": "enabled", "budget_tokens": 1024 });
    let answer = client.post("/messages", &body).await.json();
    let text = answer["content"][1]["text"].as_str().unwrap();
    assert_eq!(text, "kimi-for-coding via kimi: the tool answered: 17 degrees; captured");
}

#[tokio::test]
async fn limits_and_stop_sequences_end_a_message() {
    let running = Running::new().await;
    for (provider, reason) in [(Provider::Kimi, "stop_sequence"), (Provider::Moonshot, "end_turn")] {
        let (client, model) = running.messages(provider);
        let mut body = message(model, json!("one STOP two"));
        body["stop_sequences"] = json!(["STOP"]);
        let answer = client.post("/messages", &body).await.json();
        assert!(answer["content"][1]["text"].as_str().unwrap().ends_with(": one "));
        assert_eq!(answer["stop_reason"], reason);
        assert_eq!(answer["stop_sequence"].is_string(), reason == "stop_sequence");
        body["max_tokens"] = json!(3);
        let answer = client.post("/messages", &body).await.json();
        assert_eq!(
            (&answer["stop_reason"], &answer["usage"]["output_tokens"]),
            (&json!("max_tokens"), &json!(3))
        );
        assert_eq!(answer["content"].as_array().unwrap().len(), 1, "the reasoning used it up");
    }
}

#[tokio::test]
async fn kimi_goes_on_from_the_last_message_of_the_assistant() {
    let running = Running::new().await;
    let (client, model) = running.messages(Provider::Kimi);
    let mut body = message(model, json!("reply with 50 words"));
    let whole =
        client.post("/messages", &body).await.json()["content"][1]["text"].as_str().unwrap().to_owned();
    let (begun, rest) = whole.split_at(whole.floor_char_boundary(100));
    let beginning = json!({ "role": "assistant", "content": [{ "type": "text", "text": begun }] });
    body["messages"].as_array_mut().unwrap().push(beginning);
    assert_eq!(client.post("/messages", &streaming(body.clone())).await.said("text"), rest);
    running.control.add_fault("kimi:prefill_refused,face=messages".parse().unwrap());
    let refused = client.post("/messages", &body).await.json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("assistant message prefill"));
}

#[tokio::test]
async fn tokens_are_counted_as_the_usage_will_have_them() {
    let running = Running::new().await;
    let (client, model) = running.messages(Provider::Kimi);
    let mut body = message(model, json!("call nothing"));
    body["tools"] = tools();
    body["system"] = json!([{ "type": "text", "text": "Be brief." }]);
    let counted = client.post("/messages/count_tokens?beta=true", &body).await;
    let usage = client.post("/messages", &body).await.json()["usage"].clone();
    assert_eq!((counted.status, counted.json()), (200, json!({ "input_tokens": usage["input_tokens"] })));
    body["model"] = json!("gpt-4o");
    assert_eq!(client.post("/messages/count_tokens", &body).await.status, 404);
    for provider in [Provider::Moonshot, Provider::OpenRouter] {
        let (client, model) = running.messages(provider);
        assert_eq!(client.post("/messages/count_tokens", &message(model, json!("x"))).await.status, 404);
    }
    let record = running.control.requests();
    assert_eq!((record[0].model.as_str(), record[0].api), ("kimi-for-coding", None));
    assert_eq!((record[1].api, record[1].path.as_str()), (Some(Api::Messages), "/kimi/coding/v1/messages"));
}

#[tokio::test]
async fn keys_come_in_the_header_that_the_provider_takes_and_no_gate_asks_who_calls() {
    let running = Running::new().await;
    for provider in KIMI_HOSTS {
        let (mut client, model) = running.messages(provider);
        assert_eq!(client.post("/messages", &message(model, json!("x"))).await.status, 200);
        let bearer = client.headers.pop().unwrap().1;
        client.headers.push(("x-api-key".into(), bearer.strip_prefix("Bearer ").unwrap().into()));
        let status = client.post("/messages", &message(model, json!("x"))).await.status;
        assert_eq!(status, if provider == Provider::Kimi { 200 } else { 401 }, "{provider}");
    }
    let (client, model) = running.messages(Provider::Moonshot);
    let elsewhere = client.below("/moonshot/v1");
    assert_eq!(elsewhere.post("/messages", &message(model, json!("x"))).await.status, 404);
}
