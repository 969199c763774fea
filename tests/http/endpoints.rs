//! HTTP: authentication, rejections, forwarded and internal headers.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::raw::Raw;
use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};
use crate::failover::faults;

const TOKEN: &str = "client-token-0123456789";

async fn moonshot() -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]).start().await;
    (upstream, gateway)
}

/// The error in the shape that the OpenAI SDKs parse.
fn openai_error(answer: &Answer) -> Value {
    assert!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    let body = answer.json();
    let error = body["error"].clone();
    assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{body}");
    assert!(error["type"].is_string(), "{body}");
    assert!(error.get("code").is_some() && error.get("param").is_some(), "{body}");
    error
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn token_is_required_in_either_header() {
    let upstream = Upstream::start().await;
    let mut gateway = Setup::chain(&upstream, &[Provider::Moonshot])
        .set(
            "gateway.auth",
            json!({ "mode": "token", "token": TOKEN, "tokens": { "laptop": "laptop-token-0123456789" } }),
        )
        // Each refusal has a line then.
        .set("logging.level", json!("debug"))
        .start()
        .await;
    let ask = || gateway.chat_request(prompt("moonshot/kimi-k3", "Say hello", false).to_string());
    for allowed in [
        ask().header("authorization", format!("Bearer {TOKEN}")),
        ask().header("authorization", format!("bearer {TOKEN}")),
        ask().header("x-api-key", TOKEN),
        ask().header("authorization", "Bearer laptop-token-0123456789"),
    ] {
        let answer = send(allowed).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for refused in [
        ask(),
        ask().header("authorization", "Bearer wrong"),
        ask().header("authorization", TOKEN),
        ask().header("x-api-key", &TOKEN[1..]),
        ask().header("authorization", "Bearer "),
        gateway.request(Method::GET, "/v1/models"),
    ] {
        let answer = send(refused).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        let error = openai_error(&answer);
        assert!(!error.to_string().contains(TOKEN), "{error}");
        assert!(!answer.header("x-moonrelay-request-id").is_empty());
    }
    for open in ["/health", "/healthz", "/ready", "/readyz", "/metrics"] {
        assert_eq!(gateway.get(open).await.status, 200, "{open} needs no key");
    }
    let sent = upstream.requests().await;
    assert_eq!(sent.len(), 4, "what was refused went nowhere");
    for request in sent {
        let text = request.to_string();
        assert!(
            !text.contains(TOKEN) && !text.contains("laptop-token"),
            "a client's key went upstream: {text}"
        );
    }
    let reported = gateway.serving.stop().await;
    assert_eq!(reported.matches("attempts=moonshot/kimi-k3=ok").count(), 4, "{reported}");
    assert_eq!(reported.matches("invalid_api_key").count(), 6, "{reported}");
    assert!(!reported.contains(TOKEN) && !reported.contains("laptop-token"), "{reported}");
}

#[tokio::test]
async fn health_endpoints_have_the_documented_shapes() {
    let (_upstream, gateway) = moonshot().await;
    for path in ["/health", "/healthz"] {
        assert_eq!(gateway.get(path).await.json(), json!({ "ok": true, "status": "live" }), "{path}");
    }
    for path in ["/ready", "/readyz"] {
        let answer = gateway.get(path).await;
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["ready"], &body["failing"]),
            (200, &json!(true), &json!([])),
            "{body}"
        );
        assert!(body["uptimeMs"].is_u64(), "{body}");
    }
    for method in [Method::GET, Method::HEAD] {
        let answer = send(gateway.request(method, "/api/hello")).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn models_are_listed_and_described() {
    let (_upstream, gateway) = moonshot().await;
    for prefix in ["", "/coding", "/api"] {
        let body = gateway.get(&format!("{prefix}/v1/models")).await.json();
        assert_eq!(body["object"], "list", "{body}");
        let models = body["data"].as_array().unwrap();
        let model = models.iter().find(|m| m["id"] == "moonshot/kimi-k3").unwrap_or_else(|| panic!("{body}"));
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    let one = gateway.get("/v1/models/moonshot/kimi-k3").await;
    assert_eq!((one.status, &one.json()["id"]), (200, &json!("moonshot/kimi-k3")), "{}", one.text());
    let escaped = gateway.get("/v1/models/moonshot%2Fkimi-k3").await;
    assert_eq!(escaped.json()["id"], "moonshot/kimi-k3", "the SDKs escape the slash");
    let none = gateway.get("/v1/models/no-such-model").await;
    assert_eq!(none.status, 404);
    openai_error(&none);

    let anthropic = gateway.request(Method::GET, "/v1/models").header("anthropic-version", "2023-06-01");
    let body = send(anthropic).await.json();
    assert_eq!(body["has_more"], json!(false), "{body}");
    let first = &body["data"][0];
    assert_eq!(first["type"], "model", "{body}");
    assert!(first["display_name"].is_string() && first["created_at"].is_string(), "{first}");
    assert_eq!(body["first_id"], first["id"]);
}

#[tokio::test]
async fn unknown_model_is_404_with_similar_names() {
    let (upstream, gateway) = moonshot().await;
    for asked in ["moonshot/kimi-k33", "kimi-k2.7-cod", "nothing-like-it"] {
        let answer = gateway.chat(&prompt(asked, "Say hello", false)).await;
        assert_eq!(answer.status, 404, "{}", answer.text());
        let error = openai_error(&answer);
        assert_eq!(error["code"], "model_not_found", "{error}");
        assert!(error["message"].as_str().unwrap().contains(asked), "{error}");
    }
    let answer = gateway.chat(&prompt("moonshot/kimi-k33", "Say hello", false)).await;
    assert!(answer.text().contains("moonshot/kimi-k3"), "{}", answer.text());
    assert_eq!(upstream.requests().await.len(), 0);
}

#[tokio::test]
async fn chat_is_served_under_every_prefix() {
    let (_upstream, gateway) = moonshot().await;
    for prefix in ["/v1", "/coding/v1", "/api/v1"] {
        let request = gateway
            .request(Method::POST, &format!("{prefix}/chat/completions"))
            .header("content-type", "application/json")
            .body(prompt("moonshot/kimi-k3", "Say hello", false).to_string());
        let answer = send(request).await;
        assert_eq!((answer.status, answer.model()), (200, "moonshot/kimi-k3"), "{prefix}: {}", answer.text());
    }
}

#[tokio::test]
async fn invalid_request_gets_an_error_of_its_api() {
    let (upstream, gateway) = moonshot().await;
    let malformed: &[&[u8]] = &[
        b"",
        b"{",
        b"[]",
        b"\"text\"",
        b"{\"model\":\"moonshot/kimi-k3\",\"messages\":[}",
        b"{\"model\":\"moonshot/kimi-k3\"} trailing",
        b"{\"model\":7,\"messages\":[]}",
        b"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        b"\x1f\x8b\x08\x00",
    ];
    for body in malformed {
        let answer = send(gateway.chat_request(body.to_vec())).await;
        assert_eq!(answer.status, 400, "{:?}: {}", String::from_utf8_lossy(body), answer.text());
        openai_error(&answer);
    }
    let unknown = gateway.get("/v1/nothing-here").await;
    assert_eq!(unknown.status, 404);
    openai_error(&unknown);
    let wrong = gateway.get("/v1/chat/completions").await;
    assert_eq!(wrong.status, 405, "{}", wrong.text());
    assert_eq!(wrong.header("allow"), "POST");
    let websocket = gateway.request(Method::GET, "/v1/responses");
    let websocket = websocket.header("connection", "upgrade").header("upgrade", "websocket");
    let websocket = send(websocket).await;
    assert_eq!((websocket.status, websocket.header("upgrade")), (426, "HTTP/1.1"), "{}", websocket.text());
    openai_error(&websocket);
    assert_eq!(gateway.get("/v1/responses").await.status, 405);
    assert_eq!(upstream.requests().await.len(), 0, "no malformed request went up");
}

#[tokio::test]
async fn body_over_the_limit_is_413_with_and_without_length() {
    let upstream = Upstream::start().await;
    let gateway =
        Setup::chain(&upstream, &[Provider::Moonshot]).set("gateway.bodyLimitMiB", json!(1)).start().await;
    let body = prompt("moonshot/kimi-k3", &"x".repeat(1_200_000), false).to_string();
    let answer = send(gateway.chat_request(body.clone())).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    openai_error(&answer);

    let pieces: Vec<_> =
        body.as_bytes().chunks(100_000).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect();
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    // The server may answer and close while the client still writes: then the client sees the break, not the answer.
    if let Ok(response) = gateway.chat_request(chunked).send().await {
        assert_eq!(response.status(), 413);
    }
    assert_eq!(upstream.requests().await.len(), 0);
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", &"x".repeat(900_000), false)).await;
    assert_eq!(answer.status, 200, "under the limit: {}", answer.text());
}

#[tokio::test]
async fn foreign_origins_and_hosts_are_rejected() {
    let (upstream, gateway) = moonshot().await;
    let authority = gateway.serving.authority().to_owned();
    let port = authority.rsplit(':').next().unwrap();
    let body = prompt("moonshot/kimi-k3", "Say hello", false).to_string();
    let ask = |head: String| {
        let authority = authority.clone();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\n{head}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        async move {
            let mut raw = Raw::connect(&authority).await;
            raw.send(request.as_bytes()).await;
            raw.response(false).await.unwrap().status
        }
    };
    assert_eq!(ask(format!("host: 127.0.0.1:{port}")).await, 200);
    assert_eq!(ask(format!("host: localhost:{port}")).await, 200);
    assert_eq!(ask(format!("host: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:{port}")).await, 200);
    for foreign in [
        "host: attacker.example".to_owned(),
        format!("host: attacker.example:{port}"),
        format!("host: 127.0.0.1:{port}\r\norigin: https://attacker.example"),
        format!("host: 127.0.0.1:{port}\r\norigin: null"),
    ] {
        assert_eq!(ask(foreign.clone()).await, 403, "{foreign}");
    }
    assert_eq!(upstream.requests().await.len(), 3);
}

#[tokio::test]
async fn internal_headers_are_not_forwarded() {
    let (upstream, gateway) = moonshot().await;
    let request = gateway
        .chat_request(prompt("moonshot/kimi-k3", "Say hello", false).to_string())
        .header("authorization", "Bearer the-clients-own-key")
        .header("x-api-key", "the-clients-own-key")
        .header("cookie", "session=the-clients-own-cookie")
        .header("proxy-authorization", "Basic dGhlLWNsaWVudHM=")
        .header("connection", "x-named-in-connection")
        .header("x-named-in-connection", "hop")
        .header("te", "trailers")
        .header("accept-encoding", "br, zstd");
    let answer = send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let sent = upstream.requests().await;
    let headers = sent[0]["headers"].to_string().to_lowercase();
    for never in [
        "the-clients-own",
        "cookie",
        "proxy-authorization",
        "x-named-in-connection",
        "dghllwnsawvudhm",
        "trailers",
        "zstd",
    ] {
        assert!(!headers.contains(never), "{never:?} went upstream: {headers}");
    }
    assert!(headers.contains(&format!("bearer {}", Provider::Moonshot.key())), "{headers}");
    assert!(headers.contains("kimicli/1.46.0"), "the User-Agent is the client's own: {headers}");
    assert!(headers.contains("identity"), "accept-encoding is identity: {headers}");

    for (name, value) in &answer.headers {
        let (name, value) = (name.as_str(), value.to_str().unwrap_or(""));
        let ours = !name.starts_with("msh-") && !name.starts_with("x-msh-") && !name.starts_with("cf-");
        assert!(
            ours && !["set-cookie", "server-timing", "keep-alive"].contains(&name),
            "{name}: {value} came down"
        );
        assert!(!value.contains("org-"), "{name}: {value} names the account");
    }
}

#[tokio::test]
async fn account_identifiers_never_reach_client_or_journal() {
    let (upstream, mut gateway) = moonshot().await;
    upstream.fault(faults::documented(Provider::Moonshot, "concurrency")).await;
    let request = gateway
        .chat_request(prompt("moonshot/kimi-k3", "Say hello", false).to_string())
        .header("x-moonrelay-fallback", "off");
    let answer = send(request).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let reported = gateway.serving.stop().await;
    assert!(reported.contains(answer.header("x-moonrelay-request-id")), "{reported}");
    for text in [answer.text(), reported, format!("{:?}", answer.headers)] {
        assert!(!text.contains("org-") && !text.contains("ak-") && !text.contains("proj-"), "{text}");
    }
}

#[tokio::test]
async fn every_answer_names_its_target() {
    let (upstream, gateway) = moonshot().await;
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", true)).await;
    assert_eq!((answer.model(), answer.attempts()), ("moonshot/kimi-k3", "moonshot/kimi-k3=ok"));
    let first = answer.header("x-moonrelay-request-id").to_owned();
    assert!(first.len() >= 8);

    upstream.fault(faults::documented(Provider::Moonshot, "server_error")).await;
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", true)).await;
    assert_eq!(answer.model(), "openrouter/auto", "{}", answer.text());
    assert_eq!(answer.attempts(), "moonshot/kimi-k3=server, openrouter/auto=ok");
    assert_ne!(answer.header("x-moonrelay-request-id"), first, "each request has its own id");
}

#[tokio::test]
async fn disabled_fallback_calls_the_first_target_only() {
    let (upstream, gateway) = moonshot().await;
    upstream.fault(faults::documented(Provider::Moonshot, "server_error")).await;
    for stream in [false, true] {
        upstream.forget().await;
        let request = gateway
            .chat_request(prompt("moonshot/kimi-k3", "Say hello", stream).to_string())
            .header("x-moonrelay-fallback", "off");
        let answer = send(request).await;
        assert!(answer.status >= 500, "{}: {}", answer.status, answer.text());
        assert!(!answer.attempts().contains("openrouter"), "{}", answer.attempts());
        assert_eq!(answer.header("x-should-retry"), "false");
        let error = openai_error(&answer);
        assert!(
            error["message"].as_str().unwrap().contains("moonshot/kimi-k3"),
            "the error names the attempts: {error}"
        );
        let asked = upstream.requests().await;
        assert!(asked.iter().all(|r| r["provider"] == "moonshot"), "{asked:?}");
    }
}

#[tokio::test]
async fn error_after_all_attempts_is_the_primarys_with_every_attempt() {
    let (upstream, gateway) = moonshot().await;
    upstream.fault(faults::documented(Provider::Moonshot, "insufficient_balance")).await;
    upstream.fault(faults::documented(Provider::OpenRouter, "insufficient_balance")).await;
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", false)).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let error = openai_error(&answer);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("moonshot/kimi-k3") && message.contains("openrouter/auto"), "{message}");
    assert_eq!(answer.header("x-should-retry"), "false");
    assert_eq!(answer.attempts(), "moonshot/kimi-k3=billing, openrouter/auto=billing");
}

#[tokio::test]
async fn invalid_request_is_sent_once() {
    let (upstream, gateway) = moonshot().await;
    let body = json!({ "model": "moonshot/kimi-k3", "messages": [] });
    let answer = gateway.chat(&body).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let error = openai_error(&answer);
    assert!(error["message"].as_str().unwrap().contains("messages must not be empty"), "{error}");
    assert_eq!(upstream.requests().await.len(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_upstream, gateway) = moonshot().await;
    let authority = gateway.serving.authority();
    let body = prompt("moonshot/kimi-k3", "Say hello", false).to_string();
    let mut raw = Raw::connect(authority).await;
    let all = format!(
        "GET /health HTTP/1.1\r\nhost: {authority}\r\n\r\n\
         POST /v1/chat/completions HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}\
         GET /api/hello HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    raw.send(all.as_bytes()).await;
    let health = raw.response(false).await.unwrap();
    assert_eq!((health.status, health.body.as_slice()), (200, br#"{"ok":true,"status":"live"}"#.as_slice()));
    let chat = raw.response(false).await.unwrap();
    assert_eq!(chat.status, 200);
    assert_eq!(chat.header("x-moonrelay-model"), Some("moonshot/kimi-k3"));
    assert_eq!(raw.response(false).await.unwrap().status, 200);
    assert!(raw.closed().await);
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let (_upstream, gateway) = moonshot().await;
    let authority = gateway.serving.authority();
    let mut raw = Raw::connect(authority).await;
    raw.send(format!("HEAD /health HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n").as_bytes())
        .await;
    assert_eq!(raw.response(true).await.unwrap().status, 200);
    assert!(raw.closed().await, "nothing follows the head");
}

#[tokio::test]
async fn expect_continue_is_answered() {
    let (_upstream, gateway) = moonshot().await;
    let authority = gateway.serving.authority();
    let body = prompt("moonshot/kimi-k3", "Say hello", false).to_string();
    let mut raw = Raw::connect(authority).await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    raw.send(head.as_bytes()).await;
    assert_eq!(raw.response(false).await.unwrap().status, 100);
    raw.send(body.as_bytes()).await;
    assert_eq!(raw.response(false).await.unwrap().status, 200);
}

#[tokio::test]
async fn impossible_model_names_get_our_error_format() {
    let (_upstream, mut gateway) = moonshot().await;
    let escaped = gateway.get("/v1/models/%ff").await;
    assert_eq!(escaped.status, 400, "{}", escaped.text());
    openai_error(&escaped);
    for name in ["x".repeat(1_000_000), "openrouter/a\nforged".to_owned()] {
        let answer = gateway.chat(&json!({ "model": name, "messages": [] })).await;
        assert_eq!(answer.status, 400, "{}", answer.text().len());
        assert_eq!(openai_error(&answer)["param"], json!("model"));
        assert!(answer.text().len() < 1_000, "the name is not repeated");
    }
    let reported = gateway.serving.stop().await;
    assert_eq!(reported.matches("failed=\"bad_request\"").count(), 2, "{reported}");
    assert!(!reported.contains("forged"), "{reported}");
}

#[tokio::test]
async fn http_2_upgrade_is_ignored() {
    let (_upstream, gateway) = moonshot().await;
    let authority = gateway.serving.authority();
    let mut raw = Raw::connect(authority).await;
    let upgrade = format!(
        "GET /health HTTP/1.1\r\nhost: {authority}\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n"
    );
    raw.send(upgrade.as_bytes()).await;
    assert_eq!(raw.response(false).await.map(|response| response.status), Some(200));
}
