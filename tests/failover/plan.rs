//! A requested name leads to the right targets in order, and an unsuitable target is skipped with its reason.

use serde_json::{Value, json};

use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

async fn attempts(gateway: &Gateway, model: &str) -> String {
    let answer = gateway.chat(&prompt(model, "Say hello", false)).await;
    assert_eq!(answer.status, 200, "{model}: {}", answer.text());
    answer.attempts().to_owned()
}

fn all(upstream: &Upstream) -> Setup {
    Setup::chain(upstream, &[Provider::Kimi, Provider::OpenRouter])
}

async fn last_body(upstream: &Upstream) -> Value {
    serde_json::from_str(upstream.requests().await.last().unwrap()["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn names_resolve_as_alias_reference_route_then_bare_id() {
    let upstream = Upstream::start().await;
    let gateway = all(&upstream)
        .set("agents.defaults.models", json!({ "moonshot/kimi-k2.6": { "alias": "Quick" } }))
        .set(
            "models.routes",
            json!({
                "coding": { "primary": "moonshot/kimi-k2.7-code", "fallbacks": ["openrouter/auto"] },
                "gpt-*": "coding",
                "gpt-5-*": "moonshot/kimi-k3",
            }),
        )
        .start()
        .await;
    for (asked, answered) in [
        ("quick", "moonshot/kimi-k2.6"),
        ("moonshot/kimi-k3", "moonshot/kimi-k3"),
        ("kimi/k2p5", "kimi/kimi-for-coding"),
        ("coding", "moonshot/kimi-k2.7-code"),
        ("gpt-4o", "moonshot/kimi-k2.7-code"),
        ("gpt-5-mini", "moonshot/kimi-k3"),
        ("default", "kimi/kimi-for-coding"),
        ("kimi-k3.1-pro", "moonshot/kimi-k3.1-pro"),
        ("openrouter/moonshotai/kimi-k2.6", "openrouter/moonshotai/kimi-k2.6"),
    ] {
        let found = attempts(&gateway, asked).await;
        let model = found.strip_suffix("=ok").unwrap_or_else(|| panic!("{asked}: {found}"));
        // A retired reference may be shown as requested; the provider receives the new one.
        assert!(model == answered || model == asked, "{asked}: {found}");
    }
}

#[tokio::test]
async fn provider_receives_its_own_model_id() {
    let upstream = Upstream::start().await;
    let gateway = all(&upstream).start().await;
    for (asked, sent) in [
        ("openrouter/auto", "openrouter/auto"),
        ("openrouter/moonshotai/kimi-k3", "moonshotai/kimi-k3"),
        ("kimi/kimi-code", "kimi-for-coding"),
        ("kimi-code/k2p5", "kimi-for-coding"),
        ("moonshot/kimi-k2.6", "kimi-k2.6"),
    ] {
        attempts(&gateway, asked).await;
        assert_eq!(last_body(&upstream).await["model"], json!(sent), "{asked}");
    }
}

#[tokio::test]
async fn requested_model_is_first_and_fallbacks_do_not_repeat_it() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "openrouter", "kind": "server_error", "times": 1 })).await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "content_filter" })).await;
    let gateway =
        Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter, Provider::Kimi]).start().await;
    let found = attempts(&gateway, "moonshot/kimi-k3").await;
    assert_eq!(found, "moonshot/kimi-k3=content_filter, openrouter/auto=server, kimi/kimi-for-coding=ok");
    assert_eq!(attempts(&gateway, "kimi/kimi-for-coding").await, "kimi/kimi-for-coding=ok");
}

#[tokio::test]
async fn messages_over_the_limit_skip_kimi_code() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::Kimi, Provider::Moonshot]).start().await;
    let large = prompt("default", &"word ".repeat(450_000), true);
    let answer = gateway.chat(&large).await;
    assert_eq!(
        answer.attempts(),
        "kimi/kimi-for-coding=messages_too_large, moonshot/kimi-k3=ok",
        "{}",
        answer.status
    );
    let asked = upstream.requests().await;
    assert_eq!((asked.len(), &asked[0]["provider"]), (1, &json!("moonshot")));
}

#[tokio::test]
async fn image_skips_a_text_only_model() {
    let upstream = Upstream::start().await;
    let base = format!("{}{}", upstream.base(), Provider::Moonshot.path());
    let gateway = all(&upstream)
        .set(
            "models.providers.local",
            json!({ "baseUrl": base, "apiKey": "sk-simulated", "models": [{ "id": "kimi-k3", "name": "Text", "input": ["text"] }] }),
        )
        .start()
        .await;
    let mut body = prompt("local/kimi-k3", "What is this?", false);
    body["messages"][0]["content"] = json!([
        { "type": "text", "text": "What is this?" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } },
    ]);
    let answer = gateway.chat(&body).await;
    assert_eq!(
        answer.attempts(),
        "local/kimi-k3=media_not_accepted, openrouter/auto=ok",
        "{}",
        answer.text()
    );
    assert_eq!(attempts(&gateway, "local/kimi-k3").await, "local/kimi-k3=ok", "without an image it answers");
}

#[tokio::test]
async fn oversized_prompt_skips_a_small_context_window() {
    let upstream = Upstream::start().await;
    let base = format!("{}{}", upstream.base(), Provider::Moonshot.path());
    let small = json!({ "id": "kimi-k3", "name": "Small", "contextWindow": 2000, "maxTokens": 500 });
    let gateway = all(&upstream)
        .set(
            "models.providers.local",
            json!({ "baseUrl": base, "apiKey": "sk-simulated", "models": [small] }),
        )
        .start()
        .await;
    let answer = gateway.chat(&prompt("local/kimi-k3", &"word ".repeat(40_000), false)).await;
    assert_eq!(answer.attempts(), "local/kimi-k3=window_too_small, openrouter/auto=ok", "{}", answer.text());
}

#[tokio::test]
async fn default_parameters_do_not_override_the_client() {
    let upstream = Upstream::start().await;
    let params = json!({ "max_completion_tokens": 1234, "prompt_cache_key": "from-the-configuration" });
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot])
        .set("agents.defaults.models", json!({ "moonshot/kimi-k3": { "params": params } }))
        .set("agents.defaults.thinkingDefault", json!("low"))
        .start()
        .await;
    attempts(&gateway, "moonshot/kimi-k3").await;
    let sent = last_body(&upstream).await;
    assert_eq!(sent["max_completion_tokens"], json!(1234), "{sent}");
    assert_eq!(sent["reasoning_effort"], json!("low"), "{sent}");

    let mut body = prompt("moonshot/kimi-k3", "Say hello", false);
    body["max_completion_tokens"] = json!(99);
    body["reasoning_effort"] = json!("high");
    assert_eq!(gateway.chat(&body).await.status, 200);
    let sent = last_body(&upstream).await;
    assert_eq!(
        (&sent["max_completion_tokens"], &sent["reasoning_effort"]),
        (&json!(99), &json!("high")),
        "{sent}"
    );
    assert_eq!(sent["prompt_cache_key"], json!("from-the-configuration"));
}

#[tokio::test]
async fn second_key_answers_when_the_first_is_out_of_credit() {
    let upstream = Upstream::with(&["--key", "sk-the-second-key-0000"]).await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot])
        .set("models.providers.moonshot.apiKey", json!(["sk-the-first-key-00000", "sk-the-second-key-0000"]))
        .start()
        .await;
    assert_eq!(attempts(&gateway, "moonshot/kimi-k3").await, "moonshot/kimi-k3=auth, moonshot/kimi-k3=ok");
    // The rejected key is in cooldown; the good one is used at once.
    let again = attempts(&gateway, "moonshot/kimi-k3").await;
    assert!(again.ends_with("moonshot/kimi-k3=ok") && !again.contains("=auth"), "{again}");
}

#[tokio::test]
async fn configured_headers_reach_the_provider() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::OpenRouter])
        .set(
            "models.providers.openrouter.headers",
            json!({ "HTTP-Referer": "https://example.test", "X-Extra": "${EXTRA}" }),
        )
        .environment("EXTRA", "from-the-environment")
        .start()
        .await;
    let request = gateway.chat_request(prompt("openrouter/auto", "Say hello", false).to_string());
    let answer =
        Answer::read(request.header("http-referer", "https://client.test").send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let headers = upstream.requests().await[0]["headers"].clone();
    let value = |name: &str| {
        let found = headers
            .as_array()
            .unwrap()
            .iter()
            .filter(|h| h[0] == name)
            .map(|h| h[1].clone())
            .collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{name}: {headers}");
        found[0].clone()
    };
    assert_eq!(value("http-referer"), json!("https://example.test"));
    assert_eq!(value("x-extra"), json!("from-the-environment"));
    assert_eq!(value("authorization"), json!(format!("Bearer {}", Provider::OpenRouter.key())));
}

#[tokio::test]
async fn client_tool_schemas_work_with_kimi() {
    let upstream = Upstream::start().await;
    let chain = [Provider::Moonshot, Provider::OpenRouter];
    let gateway = Setup::chain(&upstream, &chain).start().await;
    let function = |parameters: Value| json!({ "type": "function", "function": { "name": "now", "parameters": parameters } });
    let tools = [
        function(json!({})),
        function(json!({ "properties": { "a": { "type": "string" } }, "required": ["a", "b"] })),
        function(json!({ "type": ["object", "null"] })),
        function(json!({ "type": "object", "anyOf": [{ "required": ["a"] }], "properties": { "a": {} } })),
        function(json!({
            "type": "object",
            "definitions": { "d": { "type": "string", "description": "D" } },
            "properties": { "x": { "$ref": "#/definitions/d", "description": "x" } },
        })),
        json!({ "type": "builtin_function", "function": { "name": "$web_search" } }),
    ];
    for tool in tools {
        let mut body = prompt("moonshot/kimi-k2.6", "Say hello", false);
        body["tools"] = json!([tool]);
        let answer = gateway.chat(&body).await;
        assert_eq!(
            (answer.status, answer.attempts()),
            (200, "moonshot/kimi-k2.6=ok"),
            "{tool}: {}",
            answer.text()
        );
    }
}
