//! The Responses API: complete and streamed answers.

use crate::tests::client::Reply;
use crate::tests::*;

fn tools() -> Value {
    let tool = |name: &str, member: &str| {
        json!({ "type": "function", "name": name, "strict": false, "parameters": {
            "type": "object", "properties": { member: { "type": "string" } }, "required": [member] } })
    };
    json!([tool("get_weather", "city"), tool("exec_command", "command")])
}

/// The deltas of one kind, joined.
fn deltas(reply: &Reply, kind: &str) -> String {
    let kind = format!("response.{kind}.delta");
    let events = reply.events().into_iter().filter(|event| event["type"] == kind);
    events.map(|event| event["delta"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_whole_response_thinks_speaks_and_counts_what_chat_counts() {
    let running = Running::new().await;
    let text = "long prompt ".repeat(200);
    for provider in KIMI_HOSTS {
        let (client, model) = running.api(provider, Api::Responses);
        let reply = client.post("/responses", &prompt(Api::Responses, model, &text)).await;
        let answer = reply.json();
        assert_eq!(reply.status, 200, "{answer}");
        assert_eq!((&answer["object"], &answer["status"]), (&json!("response"), &json!("completed")));
        assert_eq!((&answer["model"], &answer["error"]), (&json!(model), &Value::Null));
        let output = answer["output"].as_array().unwrap();
        assert_eq!((&output[0]["type"], &output[1]["type"]), (&json!("reasoning"), &json!("message")));
        let list = if provider == Provider::OpenRouter { "content" } else { "summary" };
        assert!(!output[0][list][0]["text"].as_str().unwrap().is_empty());
        let said = output[1]["content"][0]["text"].as_str().unwrap();
        assert!(said.starts_with(&format!("{model} via {provider}: long")));
        let counted = running.prompting(provider).chat(&ask(model, &text)).await.json()["usage"].clone();
        let usage = &answer["usage"];
        for (here, there) in [
            ("/input_tokens", "/prompt_tokens"),
            ("/output_tokens", "/completion_tokens"),
            ("/total_tokens", "/total_tokens"),
            ("/input_tokens_details/cached_tokens", "/prompt_tokens_details/cached_tokens"),
            ("/output_tokens_details/reasoning_tokens", "/completion_tokens_details/reasoning_tokens"),
        ] {
            assert_eq!(usage.pointer(here).unwrap(), counted.pointer(there).unwrap(), "{here}");
        }
    }
}

#[tokio::test]
async fn a_stream_numbers_its_events_and_closes_what_it_opens() {
    let running = Running::new().await;
    for provider in KIMI_HOSTS {
        let (client, model) = running.api(provider, Api::Responses);
        let body = prompt(Api::Responses, model, "hello");
        let whole = client.post("/responses", &body).await.json();
        let reply = client.post("/responses", &streaming(body)).await;
        let events = reply.events();
        let numbers: Vec<u64> = events.iter().map(|e| e["sequence_number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
        let brokered = provider == Provider::OpenRouter;
        assert_eq!(reply.text().ends_with("data: [DONE]\n\n"), brokered);
        assert_eq!(reply.text().contains("event: "), !brokered);
        let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        kinds.dedup();
        let thought = if brokered {
            ["content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done"]
        } else {
            [
                "reasoning_summary_part.added",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.done",
                "reasoning_summary_part.done",
            ]
        };
        let mut order = vec!["created", "in_progress", "output_item.added"];
        order.extend(thought);
        order.extend(["output_item.done", "output_item.added", "content_part.added", "output_text.delta"]);
        order.extend(["output_text.done", "content_part.done", "output_item.done", "completed"]);
        assert_eq!(kinds, order.iter().map(|kind| format!("response.{kind}")).collect::<Vec<_>>());
        let last = &events.last().unwrap()["response"];
        let finished: Vec<_> = events.iter().filter(|e| e["type"] == "response.output_item.done").collect();
        assert_eq!(last["output"], json!([finished[0]["item"], finished[1]["item"]]));
        assert_eq!(last["usage"], whole["usage"]);
        let text = whole["output"][1]["content"][0]["text"].as_str().unwrap();
        assert_eq!(deltas(&reply, "output_text"), text);
        assert_eq!(
            (&events[0]["response"]["status"], &events[0]["response"]["output"]),
            (&json!("in_progress"), &json!([]))
        );
    }
}

#[tokio::test]
async fn calls_come_one_or_several_and_their_outputs_are_reported() {
    let running = Running::new().await;
    let (client, model) = running.api(Provider::Kimi, Api::Responses);
    let text = "call get_weather and call exec_command. Run echo captured";
    let mut body = json!({ "model": model, "instructions": "Be brief.", "store": false, "tools": tools(), "input": [
        { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "You code." }] },
        { "role": "user", "content": [{ "type": "input_text", "text": text }] },
    ] });
    let answer = client.post("/responses", &body).await.json();
    let output = answer["output"].as_array().unwrap().clone();
    assert_eq!(output.len(), 3);
    assert_eq!(output[1]["arguments"], r#"{"city":"Paris"}"#);
    assert_eq!(output[2]["arguments"], r#"{"command":"echo captured"}"#);
    assert_ne!(output[1]["call_id"], output[2]["call_id"]);
    let streamed = client.post("/responses", &streaming(body.clone())).await;
    let both = r#"{"city":"Paris"}{"command":"echo captured"}"#;
    assert_eq!(deltas(&streamed, "function_call_arguments"), both);

    let input = body["input"].as_array_mut().unwrap();
    input.extend(output.iter().cloned());
    for (call, said) in [(1, "17 degrees"), (2, "captured")] {
        let id = &output[call]["call_id"];
        input.push(json!({ "type": "function_call_output", "call_id": id, "output": said }));
    }
    let answer = client.post("/responses", &body).await.json();
    let said = answer["output"][1]["content"][0]["text"].as_str().unwrap();
    assert_eq!(said, "kimi-for-coding via kimi: the tool answered: 17 degrees; captured");
    // Reasoning that is not given back is not missed.
    body["input"].as_array_mut().unwrap().retain(|item| item["type"] != "reasoning");
    assert_eq!(client.post("/responses", &body).await.status, 200);
}

#[tokio::test]
async fn codex_gets_its_command_run() {
    let running = Running::new().await;
    let (client, model) = running.api(Provider::Kimi, Api::Responses);
    let mut body = prompt(Api::Responses, model, "Run echo captured");
    body["tools"] = json!([{ "type": "function", "name": "exec_command", "strict": false, "parameters": {
        "type": "object", "properties": { "cmd": { "type": "string" } }, "required": ["cmd"] } }]);
    let answer = client.post("/responses", &body).await.json();
    assert_eq!(answer["output"][1]["arguments"], r#"{"cmd":"echo captured"}"#);
}

#[tokio::test]
async fn a_limit_leaves_a_response_incomplete() {
    let running = Running::new().await;
    let (client, model) = running.api(Provider::Moonshot, Api::Responses);
    let mut body = prompt(Api::Responses, model, "hello");
    body["max_output_tokens"] = json!(3);
    let answer = client.post("/responses", &body).await.json();
    assert_eq!(answer["status"], "incomplete");
    assert_eq!(answer["incomplete_details"], json!({ "reason": "max_output_tokens" }));
    assert_eq!((answer["output"].as_array().unwrap().len(), &answer["max_output_tokens"]), (1, &json!(3)));
    let events = client.post("/responses", &streaming(body)).await.events();
    assert_eq!(events.last().unwrap()["type"], "response.incomplete");
}

#[tokio::test]
async fn openrouter_seals_its_reasoning_on_request() {
    let running = Running::new().await;
    let (client, model) = running.api(Provider::OpenRouter, Api::Responses);
    let mut body = prompt(Api::Responses, model, "hello");
    assert!(client.post("/responses", &body).await.json()["output"][0].get("encrypted_content").is_none());
    body["include"] = json!(["reasoning.encrypted_content"]);
    let answer = client.post("/responses", &body).await.json();
    assert!(answer["output"][0]["encrypted_content"].is_string());
    let events = client.post("/responses", &streaming(body)).await.events();
    let done = events.iter().find(|event| event["type"] == "response.output_item.done").unwrap();
    assert_eq!(done["item"]["encrypted_content"], answer["output"][0]["encrypted_content"]);
}
