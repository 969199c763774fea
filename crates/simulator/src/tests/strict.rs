//! A tool loop on the strict services: what they issued comes back, and is accepted only unchanged.

use crate::tests::*;

#[tokio::test]
async fn anthropic_accepts_its_own_thinking_and_refuses_a_changed_one() {
    let running = Running::new().await;
    let mut client = running.prompting(Provider::Anthropic);
    client.headers.push(("anthropic-version".into(), "2023-06-01".into()));
    let tool = json!({ "name": "f", "input_schema": { "type": "object" } });
    let mut body = message("claude-sonnet-4-5", json!("call f"));
    body["tools"] = json!([tool]);
    body["thinking"] = json!({ "type": "enabled", "budget_tokens": 1024 });
    let answer = client.post("/messages", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut content = answer.json()["content"].clone();
    assert_eq!((&content[0]["type"], &content[1]["type"]), (&json!("thinking"), &json!("tool_use")));
    let result = json!([{ "type": "tool_result", "tool_use_id": content[1]["id"], "content": "done" }]);
    let next = |content: &Value| {
        let mut next = body.clone();
        let turns = [
            json!({ "role": "assistant", "content": content }),
            json!({ "role": "user", "content": result }),
        ];
        next["messages"].as_array_mut().unwrap().extend(turns);
        next
    };
    assert_eq!(client.post("/messages", &next(&content)).await.status, 200);
    content[0]["thinking"] = json!("another thought");
    let refused = client.post("/messages", &next(&content)).await;
    assert_eq!(refused.status, 400);
    let refused = refused.json();
    assert_eq!(
        (&refused["type"], &refused["error"]["type"]),
        (&json!("error"), &json!("invalid_request_error"))
    );
    assert_eq!(refused["error"]["message"], "messages.1.content.0: Invalid `signature` in `thinking` block");
}

#[tokio::test]
async fn openai_accepts_its_own_encrypted_reasoning_and_no_other() {
    let running = Running::new().await;
    let client = running.prompting(Provider::OpenAi);
    let tool = json!({ "type": "function", "name": "f", "parameters": { "type": "object", "properties": {} }, "strict": false });
    let question = json!({ "type": "message", "role": "user", "content": "call f" });
    let request = |input: Vec<Value>| {
        json!({
            "model": "gpt-5.4", "store": false, "include": ["reasoning.encrypted_content"], "tools": [tool], "input": input,
        })
    };
    let answer = client.post("/responses", &request(vec![question.clone()])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let output = answer.json()["output"].clone();
    let result = json!({ "type": "function_call_output", "call_id": output[1]["call_id"], "output": "done" });
    let next = |reasoning: &Value| {
        request(vec![question.clone(), reasoning.clone(), output[1].clone(), result.clone()])
    };
    let accepted = client.post("/responses", &next(&output[0])).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text());
    let mut foreign = output[0].clone();
    foreign["encrypted_content"] = json!("c2lnbmVkIGJ5IGFub3RoZXI=");
    let refused = client.post("/responses", &next(&foreign)).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (400, &json!("invalid_encrypted_content"))
    );
}
