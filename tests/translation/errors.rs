//! Errors have the format that the client's SDK parses; token counts, model lists and unsupported storage.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::api::Api;
use crate::common::{Answer, Gateway, Provider, Setup, Upstream};
use crate::failover::faults;

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

/// The error as the API's SDK parses it: type and message.
fn error(api: Api, answer: &Answer) -> (String, String) {
    let body = answer.json();
    let error = &body["error"];
    let text =
        |key: &str| error[key].as_str().unwrap_or_else(|| panic!("{api:?}: no {key}: {body}")).to_owned();
    if api == Api::Messages {
        assert_eq!(body["type"], "error", "{body}");
        let id = answer.header("x-moonrelay-request-id");
        assert_eq!((answer.header("request-id"), body["request_id"].as_str()), (id, Some(id)), "{body}");
    } else {
        assert!(
            body.get("type").is_none() && error.get("param").is_some() && error.get("code").is_some(),
            "{body}"
        );
    }
    (text("type"), text("message"))
}

async fn gateway(upstream: &Upstream) -> Gateway {
    Setup::chain(upstream, &[Provider::Moonshot, Provider::OpenRouter])
        .set("gateway.auth", json!({ "mode": "token", "token": "client-token-0123456789" }))
        .set("gateway.bodyLimitMiB", json!(1))
        .start()
        .await
}

fn asking(gateway: &Gateway, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    gateway.request(Method::POST, path).header("x-api-key", "client-token-0123456789").body(body)
}

#[tokio::test]
async fn errors_have_the_format_of_the_clients_api() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    for (api, kinds) in [
        (
            Api::Chat,
            [
                "authentication_error",
                "invalid_request_error",
                "invalid_request_error",
                "invalid_request_error",
            ],
        ),
        (
            Api::Responses,
            [
                "authentication_error",
                "invalid_request_error",
                "invalid_request_error",
                "invalid_request_error",
            ],
        ),
        (
            Api::Messages,
            ["authentication_error", "invalid_request_error", "not_found_error", "request_too_large"],
        ),
    ] {
        for prefix in ["", "/coding", "/api", "/anthropic"] {
            let path = format!("{prefix}{}", api.path());
            let prompt = |model: &str| api.prompt(model, "Say hello", false).to_string();
            let strange = send(gateway.request(Method::POST, &path).body(prompt("default"))).await;
            let malformed = send(asking(&gateway, &path, "{\"model\":")).await;
            let unknown = send(asking(&gateway, &path, prompt("no-such-model"))).await;
            let large = send(asking(&gateway, &path, "x".repeat(2 << 20))).await;
            for ((answer, status), kind) in
                [(strange, 401), (malformed, 400), (unknown, 404), (large, 413)].into_iter().zip(kinds)
            {
                assert_eq!(answer.status, status, "{path}: {}", answer.text());
                assert_eq!(error(api, &answer).0, kind, "{path}: {}", answer.text());
            }
            let wrong = gateway.request(Method::GET, &path).header("x-api-key", "client-token-0123456789");
            let wrong = send(wrong).await;
            assert_eq!((wrong.status, wrong.header("allow")), (405, "POST"), "{path}");
            error(api, &wrong);
            let nowhere = send(asking(&gateway, &format!("{path}/nothing/here"), "{}")).await;
            assert_eq!(nowhere.status, 404, "{path}");
            error(api, &nowhere);
        }
    }
    assert_eq!(upstream.requests().await.len(), 0);
}

#[tokio::test]
async fn error_after_all_attempts_names_each_attempt_in_every_api() {
    let upstream = Upstream::start().await;
    for (fault, status, kinds) in [
        ("rate_limit", 429, ["rate_limit_reached_error", "rate_limit_reached_error", "rate_limit_error"]),
        (
            "context_overflow",
            400,
            ["invalid_request_error", "invalid_request_error", "invalid_request_error"],
        ),
        ("server_error", 500, ["server_error", "server_error", "api_error"]),
    ] {
        upstream.no_faults().await;
        upstream.fault(faults::documented(Provider::Moonshot, fault)).await;
        for (api, kind) in Api::ALL.into_iter().zip(kinds) {
            for stream in [false, true] {
                let gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
                let answer = gateway.ask(api, &api.prompt("moonshot/kimi-k3", "Say hello", stream)).await;
                assert_eq!(answer.status, status, "{api:?} {fault}: {}", answer.text());
                let (said, message) = error(api, &answer);
                assert_eq!(said, kind, "{api:?} {fault}: {message}");
                assert!(message.contains("moonshot/kimi-k3"), "{message}");
                let attempts = &answer.json()["error"]["attempts"];
                assert_eq!(attempts[0]["model"], "moonshot/kimi-k3", "{attempts}");
                assert_eq!(answer.header("x-should-retry"), "false", "{api:?}");
                if fault == "context_overflow" && api == Api::Messages {
                    assert!(
                        message.contains("prompt is too long"),
                        "Claude Code compacts on this: {message}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn interrupted_stream_ends_with_an_error_of_its_api() {
    let upstream = Upstream::start().await;
    for (api, mark) in [(Api::Messages, "event: error\n"), (Api::Responses, "event: response.failed\n")] {
        for called in [api, Api::Chat] {
            upstream.no_faults().await;
            upstream.fault(json!({ "provider": "openrouter", "kind": "truncate", "value": 8 })).await;
            let gateway = Setup::chain(&upstream, &[Provider::OpenRouter])
                .set("models.providers.openrouter.api", json!(called.api()))
                .start()
                .await;
            let answer = gateway.ask(api, &api.prompt("openrouter/auto", "reply with 60 words", true)).await;
            let text = answer.text();
            assert_eq!(answer.status, 200, "{text}");
            assert!(
                text.contains(mark) && text.contains("openrouter/auto was interrupted"),
                "{api:?} over {called:?}: {text}"
            );
            for success in ["\"type\":\"message_stop\"", "\"type\":\"response.completed\""] {
                assert!(!text.contains(success), "{api:?} over {api:?}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn token_count_comes_from_the_provider_or_an_estimate() {
    let upstream = Upstream::start().await;
    let mut body = Api::Messages.prompt("default", &"word ".repeat(400), false);
    body.as_object_mut().unwrap().remove("stream");
    body.as_object_mut().unwrap().remove("max_tokens");
    for (chain, by, model) in [
        (&[Provider::Kimi][..], "provider", "kimi/kimi-for-coding"),
        (&[Provider::Moonshot], "provider", "moonshot/kimi-k3"),
        (&[Provider::OpenRouter, Provider::Kimi], "provider", "kimi/kimi-for-coding"),
        (&[Provider::OpenRouter], "estimate", ""),
    ] {
        let gateway = Setup::chain(&upstream, chain).start().await;
        for path in ["/v1/messages/count_tokens", "/coding/v1/messages/count_tokens?beta=true"] {
            let answer = gateway.post(path, &body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let count = answer.json()["input_tokens"].as_u64().unwrap();
            assert!((300..1500).contains(&count), "{chain:?}: {count}");
            assert_eq!((answer.header("x-moonrelay-count"), answer.model()), (by, model), "{chain:?}");
            assert_eq!(answer.json()["counted_by"], by);
        }
    }
    // The base64 of an image does not count as text.
    let gateway = Setup::chain(&upstream, &[Provider::OpenRouter]).start().await;
    let image = json!({ "type": "base64", "media_type": "image/png", "data": "A".repeat(400_000) });
    body["messages"][0]["content"] = json!([{ "type": "image", "source": image }]);
    let count =
        gateway.post("/v1/messages/count_tokens", &body).await.json()["input_tokens"].as_u64().unwrap();
    assert!((1600..1800).contains(&count), "{count}");
    let unknown =
        gateway.post("/v1/messages/count_tokens", &Api::Messages.prompt("nothing-like-it", "x", false)).await;
    assert_eq!((unknown.status, error(Api::Messages, &unknown).0.as_str()), (404, "not_found_error"));
}

#[tokio::test]
async fn losses_are_in_a_header_of_a_translated_answer_only() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::OpenRouter])
        .set("models.providers.openrouter.api", json!("openai-completions"))
        .start()
        .await;
    for is_streaming in [false, true] {
        let mut request = Api::Messages.prompt("default", "hi", is_streaming);
        request["mcp_servers"] = json!([{ "type": "url", "name": "files", "url": "https://mcp.example" }]);
        let answer = gateway.post("/v1/messages", &request).await;
        assert!(answer.header("x-moonrelay-losses").contains("hosted_tools"), "{:?}", answer.headers);
        let own =
            gateway.post("/v1/chat/completions", &Api::Chat.prompt("default", "hi", is_streaming)).await;
        assert!(own.headers.get("x-moonrelay-losses").is_none(), "{:?}", own.headers);
    }
}

#[tokio::test]
async fn responses_conversation_is_counted_and_compacted() {
    let upstream = Upstream::start().await;
    let item = json!({ "type": "message", "role": "user", "content": "Build it in Rust." });
    let body = json!({ "model": "default", "input": [item], "stream": true });
    for provider in [Provider::Kimi, Provider::OpenRouter] {
        let gateway = Setup::chain(&upstream, &[provider]).start().await;
        let count = gateway.post("/v1/responses/input_tokens", &body).await.json();
        assert_eq!(count["object"], "response.input_tokens", "{count}");
        assert!(count["input_tokens"].as_u64().unwrap() > 0, "{count}");
        let compacted = gateway.post("/v1/responses/compact", &body).await;
        assert_eq!(compacted.status, 200, "{}", compacted.text());
        let value = compacted.json();
        assert_eq!((&value["object"], &value["output"][0]), (&json!("response.compaction"), &item));
        let summary = value["output"][1]["content"][0]["text"].as_str().unwrap();
        assert!(
            summary.starts_with("Summary of the conversation so far:") && summary.len() > 60,
            "{summary}"
        );
        assert!(value["usage"]["output_tokens"].as_u64().unwrap() > 0, "{value}");
    }
    let gateway = Setup::chain(&upstream, &[Provider::Kimi]).start().await;
    assert_eq!(gateway.get("/v1/responses/compact").await.status, 405);
}

#[tokio::test]
async fn stored_responses_are_rejected_with_an_explanation() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    for (field, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
        ("background", json!(true)),
    ] {
        let mut body = Api::Responses.prompt("default", "Say hello", false);
        body[field] = value;
        let answer = gateway.ask(Api::Responses, &body).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["param"]),
            (400, &json!(field)),
            "{}",
            answer.text()
        );
    }
    for (method, path) in [
        (Method::GET, "/v1/responses/resp_1"),
        (Method::DELETE, "/v1/responses/resp_1"),
        (Method::POST, "/api/v1/responses/resp_1/cancel"),
        (Method::GET, "/v1/responses/resp_1/input_items"),
    ] {
        let answer = send(gateway.request(method, path)).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!("not_kept")), "{path}");
    }
    assert_eq!(upstream.requests().await.len(), 0);
    let mut body = Api::Responses.prompt("default", "Say hello", false);
    body["store"] = json!(true);
    Api::Responses.heard(&gateway.ask(Api::Responses, &body).await);
}

#[tokio::test]
async fn claude_code_model_picker_lists_usable_routes() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter])
        .set("models.routes", json!({ "claude-*": "default", "claude-haiku-*": "moonshot/kimi-k2.6" }))
        .start()
        .await;
    let list = |query: &str| {
        let request = gateway.request(Method::GET, &format!("/v1/models{query}"));
        send(request.header("anthropic-version", "2023-06-01").header("user-agent", "claude-code/2.1.329"))
    };
    let body = list("?limit=1000").await.json();
    let ids: Vec<&str> =
        body["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    let shown: Vec<&str> =
        ids.iter().copied().filter(|id| id.contains("claude") || id.contains("anthropic")).collect();
    assert_eq!(shown, ["claude-haiku-kimi-k2.6", "claude-kimi-for-coding"]);
    for id in shown {
        let answer = gateway.ask(Api::Messages, &Api::Messages.prompt(id, "Say hello", false)).await;
        let model = answer.model().to_owned();
        assert!(id.ends_with(model.split('/').nth(1).unwrap()), "{id}: {model} {}", answer.text());
    }
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("?limit=3{after}")).await.json();
        paged.extend(
            page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()),
        );
        if page["has_more"] == json!(false) {
            break;
        }
        after = format!("&after_id={}", page["last_id"].as_str().unwrap().replace('/', "%2F"));
    }
    assert_eq!(paged, ids);
    let wrong = list("?limit=none").await;
    assert_eq!((wrong.status, error(Api::Messages, &wrong).0.as_str()), (400, "invalid_request_error"));
    for prefix in ["", "/coding", "/api", "/anthropic"] {
        for method in [Method::HEAD, Method::GET] {
            assert_eq!(
                send(gateway.request(method, &format!("{prefix}/api/hello"))).await.status,
                200,
                "{prefix}"
            );
        }
    }
}

#[tokio::test]
async fn explain_shows_apis_and_translation_losses() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter])
        .set("models.providers.openrouter.api", json!("openai-completions"));
    let home = tempfile::tempdir().unwrap();
    let (file, body) = (home.path().join("config.json5"), home.path().join("body.json"));
    std::fs::write(&file, setup.text()).unwrap();
    let mut request = Api::Messages.prompt("default", "hi", false);
    request["mcp_servers"] = json!([{ "type": "url", "name": "files", "url": "https://mcp.example" }]);
    std::fs::write(&body, request.to_string()).unwrap();
    let explain = async |more: &[&str]| {
        let arguments = ["explain", "default", "--face", "messages", "--config", file.to_str().unwrap()];
        let mut command = crate::common::process::command(home.path(), arguments);
        command.args(more);
        crate::common::process::run(command).await
    };
    let value: Value = explain(&["--json", "--body", body.to_str().unwrap()]).await.json();
    let (first, second) = (&value["targets"][0], &value["targets"][1]);
    assert_eq!(
        (&first["face"], &first["translated"]),
        (&json!("anthropic-messages"), &json!(false)),
        "{value}"
    );
    assert_eq!(
        (&second["face"], &second["translated"]),
        (&json!("openai-completions"), &json!(true)),
        "{value}"
    );
    assert!(second["dropped"].as_array().unwrap().contains(&json!("hosted_tools")), "{second}");
    assert!(first["url"].as_str().unwrap().ends_with("/kimi/coding/v1/messages"), "{first}");
    let shown = explain(&[]).await.stdout;
    assert!(shown.contains("translate  anthropic-messages to openai-completions"), "{shown}");
}

#[tokio::test]
async fn explain_rejects_what_the_gateway_rejects() {
    let upstream = Upstream::start().await;
    let home = tempfile::tempdir().unwrap();
    let (file, body) = (home.path().join("config.json5"), home.path().join("body.json"));
    std::fs::write(&file, Setup::chain(&upstream, &[Provider::Kimi]).text()).unwrap();
    std::fs::write(&body, r#"{"model":"default","input":"hi","previous_response_id":"resp_1"}"#).unwrap();
    let arguments = ["explain", "default", "--face", "responses", "--json", "--config"];
    let mut command = crate::common::process::command(home.path(), arguments);
    command.arg(&file).arg("--body").arg(&body);
    let ended = crate::common::process::run(command).await;
    let error = &ended.json()["error"];
    assert_eq!((ended.code, &error["type"]), (Some(1), &json!("not_kept")), "{}", ended.both());
    assert!(error["message"].as_str().unwrap().starts_with("previous_response_id: "), "{error}");
}
