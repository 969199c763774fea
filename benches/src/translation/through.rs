//! Whole requests: a client, the gateway in its own process, the simulator behind it.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use moonrelay::upstream::{Client, Connector, UpstreamRequest};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::process::{Served, gateway, simulator};
use crate::race::{Contender, race};

/// The bytes of a stream of about 100 content events: the simulator sends 24 bytes in each.
const LONG: usize = 2_400;
const CONNECT: Duration = Duration::from_secs(5);
const KEY: &str = "sk-bench-0000000000";

/// A kind of request.
struct Route {
    name: &'static str,
    url: String,
    body: Value,
    /// The end of a complete stream.
    end: &'static str,
}

/// Chat Completions and Messages on each side.
pub fn race_gateways(binary: &Path, before: Option<&Path>, rounds: usize) {
    let runtime = Runtime::new().expect("a runtime");
    let simulator = runtime.block_on(simulator(binary));
    let config = config(&simulator.base);
    let now = runtime.block_on(gateway(binary, &config));
    let before = before.map(|binary| runtime.block_on(gateway(binary, &config)));
    let client = Client::new(CONNECT);
    for (title, text, stream) in [
        ("small request, whole answer, through the gateway", "Say hello".to_owned(), false),
        ("stream of about 100 events, through the gateway", format!("reply with {LONG} bytes"), true),
    ] {
        let routes = routes(&now, before.as_ref(), &simulator, &text, stream);
        let mut contenders: Vec<_> =
            routes.iter().map(|route| contender(&runtime, &client, route, stream)).collect();
        race(title, "µs", 1e6, rounds, &mut contenders);
    }
}

fn contender<'a>(runtime: &'a Runtime, client: &'a Client, route: &'a Route, stream: bool) -> Contender<'a> {
    Contender::new(route.name, move || {
        let answer = runtime.block_on(ask(client, route));
        let whole = !stream || answer.ends_with(route.end.as_bytes());
        assert!(whole, "{}: {}", route.name, String::from_utf8_lossy(&answer));
        answer.len()
    })
}

fn config(upstream: &str) -> Value {
    let provider = |path: &str, api: &str| {
        json!({
            "baseUrl": format!("{upstream}{path}"), "api": api, "apiKey": KEY, "authHeader": true,
            "models": [{ "id": "kimi-k3" }],
        })
    };
    json!({
        "agents": { "defaults": { "model": "chat/kimi-k3" } },
        "models": { "mode": "replace", "providers": {
            "chat": provider("/moonshot/v1", "openai-completions"),
            "messages": provider("/moonshot/anthropic/v1", "anthropic-messages"),
        } },
    })
}

fn routes(now: &Served, before: Option<&Served>, simulator: &Served, text: &str, stream: bool) -> Vec<Route> {
    let chat = |name, base: &str, model: &str| Route {
        name,
        url: format!("{base}/v1/chat/completions"),
        body: json!({
            "model": model, "stream": stream, "max_tokens": 8_192, "messages": [{ "role": "user", "content": text }],
        }),
        end: "data: [DONE]\n\n",
    };
    let messages = |name, base: &str, model: &str| Route {
        name,
        url: format!("{base}/v1/messages"),
        body: json!({
            "model": model, "stream": stream, "max_tokens": 8_192, "messages": [{ "role": "user", "content": text }],
        }),
        end: "data: {\"type\":\"message_stop\"}\n\n",
    };
    let mut routes = vec![
        chat("chat to chat", &now.base, "chat/kimi-k3"),
        messages("messages to messages", &now.base, "messages/kimi-k3"),
        chat("chat to messages", &now.base, "messages/kimi-k3"),
        messages("messages to chat", &now.base, "chat/kimi-k3"),
        chat("no gateway, chat", &format!("{}/moonshot", simulator.base), "kimi-k3"),
        messages("no gateway, messages", &format!("{}/moonshot/anthropic", simulator.base), "kimi-k3"),
    ];
    routes.extend(before.map(|before| chat("chat to chat, the older binary", &before.base, "chat/kimi-k3")));
    routes
}

/// One request, read to its end.
async fn ask(client: &Client, route: &Route) -> Vec<u8> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {KEY}")).expect("a header"));
    let body = vec![Bytes::from(route.body.to_string())];
    let call = UpstreamRequest { method: Method::POST, url: route.url.clone().into(), headers, body };
    let mut response = client.send(call).await.expect("it answers");
    let mut answer = Vec::new();
    while let Some(chunk) = response.body.next().await {
        answer.extend_from_slice(&chunk.expect("it is whole"));
    }
    let text = String::from_utf8_lossy(&answer);
    assert!(response.status.is_success(), "{}: {} {text}", route.name, response.status);
    answer
}
