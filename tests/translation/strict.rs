//! What the strict doubles of Anthropic and `OpenAI` refuse of the requests that the gateway sends today.
//!
//! `strict.json` has a client's request and the target for each case; `strict-refusals.json` has the refusals. A fix removes
//! a refusal from there. `MOONRELAY_BLESS=1` rewrites it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::reference::file;
use crate::common::{Answer, Gateway, Setup, Upstream};

const REFUSALS: &str = "tests/translation/strict-refusals.json";

fn setup(upstream: &Upstream) -> Setup {
    let model = |id: &str| json!({ "id": id, "reasoning": id != "gpt-4.1", "contextWindow": 200_000, "maxTokens": 32_000 });
    let provider = |path: &str, api: &str, key: &str, models: &[&str]| {
        let models: Vec<_> = models.iter().map(|id| model(id)).collect();
        json!({ "baseUrl": format!("{}{path}", upstream.base()), "api": api, "apiKey": key, "models": models })
    };
    let openai = ["gpt-5.4", "gpt-4.1"];
    let key = "sk-simulated-0000000000";
    Setup::of(json!({
        "agents": { "defaults": { "model": { "primary": "anthropic/claude-sonnet-4-5" } } },
        "models": { "providers": {
            "anthropic": provider("/anthropic/v1", "anthropic-messages", "sk-ant-simulated-00000000", &["claude-sonnet-4-5", "claude-opus-5"]),
            "openai": provider("/openai/v1", "openai-responses", key, &openai),
            "openai-chat": provider("/openai/v1", "openai-completions", key, &openai),
            "openrouter-chat": provider("/openrouter/api/v1", "openai-completions", "sk-or-v1-simulated-00000000", &["anthropic/claude-sonnet-4.5"]),
            "moonshot": { "baseUrl": format!("{}/moonshot/v1", upstream.base()), "apiKey": key },
        } },
        "failover": { "attemptsPerTarget": 1 },
    }))
}

fn request(case: &Value) -> (&'static str, Value) {
    let mut body = case["body"].clone();
    body["model"] = case["target"].clone();
    if let Some(count) = case["tools"].as_u64() {
        let function = |index| json!({ "name": format!("f{index}"), "parameters": { "type": "object", "properties": {} } });
        body["tools"] =
            (0..count).map(|index| json!({ "type": "function", "function": function(index) })).collect();
    }
    let path = match case["api"].as_str().unwrap() {
        "chat" => "/v1/chat/completions",
        "messages" => "/v1/messages",
        _ => "/v1/responses",
    };
    (path, body)
}

/// The refusal of a request, or what was lost of it; `None` if it arrived whole.
async fn find_refusal(gateway: &Gateway, upstream: &Upstream, case: &Value) -> Option<String> {
    upstream.forget().await;
    let (path, body) = request(case);
    let request = gateway.request(reqwest::Method::POST, path).header("content-type", "application/json");
    let answer = Answer::read(request.body(body.to_string()).send().await.unwrap()).await;
    if answer.status != 200 {
        return Some(answer.json()["error"]["message"].as_str().unwrap().to_owned());
    }
    let kept = case["must_keep"].as_str()?;
    let sent = upstream.requests().await;
    let is_kept = sent.iter().any(|request| request["body"].as_str().is_some_and(|body| body.contains(kept)));
    (!is_kept).then(|| format!("lost: {kept:?}"))
}

#[tokio::test]
async fn strict_providers_refuse_only_the_known_requests() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream).start().await;
    let cases: Vec<Value> = serde_json::from_str(include_str!("strict.json")).unwrap();
    let mut refusals = BTreeMap::new();
    for case in &cases {
        if let Some(refusal) = find_refusal(&gateway, &upstream, case).await {
            refusals.insert(case["case"].as_str().unwrap(), refusal);
        }
    }
    let found = format!("{}\n", serde_json::to_string_pretty(&refusals).unwrap());
    if std::env::var_os("MOONRELAY_BLESS").is_some() {
        std::fs::write(file(REFUSALS), &found).unwrap();
    }
    assert_eq!(
        found,
        std::fs::read_to_string(file(REFUSALS)).unwrap(),
        "MOONRELAY_BLESS=1 rewrites {REFUSALS}"
    );
}

#[tokio::test]
async fn chat_client_keeps_thinking_in_a_tool_loop_at_anthropic() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream).start().await;
    let function = json!({ "name": "get_weather", "parameters": { "type": "object", "properties": { "city": { "type": "string" } } } });
    let mut request = json!({
        "model": "anthropic/claude-sonnet-4-5", "reasoning_effort": "high", "max_tokens": 9000,
        "tools": [{ "type": "function", "function": function }],
        "messages": [{ "role": "user", "content": "Please call get_weather for Paris" }],
    });
    let first = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let mut message = first.json()["choices"][0]["message"].clone();
    let call = message["tool_calls"][0]["id"].clone();
    assert!(call.is_string() && message["reasoning_details"][0]["signature"].is_string(), "{message}");
    // A client of the API as OpenAI documents it.
    for field in ["reasoning_content", "reasoning_details", "refusal"] {
        message.as_object_mut().unwrap().remove(field);
    }
    let result = json!({ "role": "tool", "tool_call_id": call, "content": "sunny" });
    request["messages"].as_array_mut().unwrap().extend([message, result]);
    let second = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(second.status, 200, "{}", second.text());
    let sent = upstream.requests().await;
    let sent: Value = serde_json::from_str(sent.last().unwrap()["body"].as_str().unwrap()).unwrap();
    assert_eq!(sent["thinking"]["type"], "enabled", "{sent}");
    assert_eq!(sent["messages"][1]["content"][0]["type"], "thinking", "{sent}");
}
