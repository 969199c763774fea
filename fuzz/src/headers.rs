//! Headers through the whole gateway: which client headers a provider receives, and which provider headers a
//! client receives.
//!
//! Input: a byte for the provider; `name: value` lines of the client; an empty line; those of the provider.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use moonrelay::config::settings::Settings;
use moonrelay::config::{Environment, from_text};
use moonrelay::failure::Failure;
use moonrelay::gateway::app_state::AppState;
use moonrelay::gateway::listener::ListenerInfo;
use moonrelay::gateway::router::build_router;
use moonrelay::routing::Engine;
use moonrelay::upstream::{Connector, UpstreamRequest, UpstreamResponse};
use tokio::runtime::{Builder, Runtime};
use tower::Service;

use super::take;

/// A model and its key.
const TARGETS: [(&str, &str); 4] = [
    ("moonshot/kimi-k3", "sk-own-moonshot-0001"),
    ("kimi/kimi-for-coding", "sk-own-kimi-00000002"),
    ("openrouter/auto", "sk-own-openrouter-03"),
    ("local/m", "sk-own-local-0000004"),
];
const SETTINGS: &str = r#"{ models: { providers: {
    moonshot: { apiKey: "sk-own-moonshot-0001" }, kimi: { apiKey: "sk-own-kimi-00000002" },
    openrouter: { apiKey: "sk-own-openrouter-03" },
    local: { baseUrl: "http://127.0.0.1:9/v1", apiKey: "sk-own-local-0000004", models: [{ id: "m" }] },
} } }"#;
/// Hop-by-hop headers (RFC 9110, 7.6.1), and headers for framing or routing.
const OF_ONE_CONNECTION: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "expect",
    "proxy-authorization",
    "proxy-authenticate",
];
/// Part of every client's credentials here; no forwarded header may contain it.
const CANARY: &str = "canary-of-the-client";
const CREDENTIALS: [&str; 6] =
    ["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization", "x-goog-api-key"];
/// All headers that a client may receive.
const FOR_CLIENTS: [&str; 9] = [
    "content-type",
    "content-length",
    "x-moonrelay-request-id",
    "x-moonrelay-model",
    "x-moonrelay-attempts",
    "x-generation-id",
    "x-provider-name",
    "x-should-retry",
    "retry-after",
];
const ANSWER: &[u8] = br#"{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

/// Answers every call and records it.
struct Recorder {
    headers: HeaderMap,
    calls: Mutex<Vec<UpstreamRequest>>,
}

impl Connector for Recorder {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        if let Ok(mut calls) = self.calls.lock() {
            calls.push(call);
        }
        let body = Box::pin(futures_util::stream::iter([Ok(Bytes::from_static(ANSWER))]));
        let response = UpstreamResponse { status: StatusCode::OK, headers: self.headers.clone(), body };
        Box::pin(async { Ok(response) })
    }
}

/// Checks one input.
pub fn judge(mut data: &[u8]) {
    let (model, key) = TARGETS[usize::from(take(&mut data)) % TARGETS.len()];
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut client = headers(lines.by_ref().take_while(|line| !line.is_empty()));
    if client.values().any(|value| String::from_utf8_lossy(value.as_bytes()).contains(CANARY)) {
        return;
    }
    for name in CREDENTIALS {
        client.append(name, HeaderValue::from_static(CANARY));
    }
    let recorder = Arc::new(Recorder { headers: headers(lines), calls: Mutex::default() });
    let Some(response) = answered(model, client.clone(), recorder.clone()) else { return };
    let calls = recorder.calls.lock().map(|calls| calls.clone()).unwrap_or_default();
    for call in &calls {
        goes_up(&call.headers, &client, model, key);
    }
    assert!(calls.len() == 1 || response.0.is_client_error(), "{} calls, status {}", calls.len(), response.0);
    for name in response.1.keys() {
        assert!(FOR_CLIENTS.contains(&name.as_str()), "{name} reaches the client");
    }
}

fn headers<'d>(lines: impl Iterator<Item = &'d [u8]>) -> HeaderMap {
    let pairs = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..)?.trim_ascii();
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    });
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, value);
    }
    map
}

fn goes_up(sent: &HeaderMap, client: &HeaderMap, model: &str, key: &str) {
    let named: HashSet<String> = client
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase())
        .collect();
    for (name, value) in sent {
        let (word, bytes) = (name.as_str(), value.as_bytes());
        assert!(!OF_ONE_CONNECTION.contains(&word), "{word} goes up");
        assert!(!word.starts_with("x-moonrelay-"), "{word} goes up");
        assert!(!bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{word} breaks the line");
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(CANARY), "the client's own credentials go up in {word}");
        let ours = matches!(word, "content-type" | "accept" | "authorization" | "x-openrouter-title");
        assert!(ours || !named.contains(word), "{word} was this connection's");
        assert!(ours || client.get_all(name).iter().any(|own| own == value), "{word} came from nowhere");
        if word.starts_with("x-msh-") {
            assert!(model.starts_with("kimi/") || model.starts_with("moonshot/"), "{word} goes to {model}");
        }
    }
    let all = |name: &str| sent.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    assert_eq!(all("authorization"), [format!("Bearer {key}").as_bytes()]);
    assert_eq!(all("content-type"), [b"application/json"]);
    assert!(sent.get(AUTHORIZATION).is_some_and(HeaderValue::is_sensitive), "Debug would show the key");
}

/// Status and headers received by the client; `None` without a runtime.
fn answered(model: &str, headers: HeaderMap, recorder: Arc<Recorder>) -> Option<(StatusCode, HeaderMap)> {
    static READ: OnceLock<Option<Arc<Settings>>> = OnceLock::new();
    thread_local! {
        static RUNTIME: Option<Runtime> = Builder::new_current_thread().enable_time().build().ok();
    }
    let settings = READ.get_or_init(|| from_text(SETTINGS, None, &Environment::default()).ok().map(Arc::new));
    let relay = Arc::new(Engine::new(settings.clone()?, recorder, Arc::new(drop)));
    let mut router = build_router(Arc::new(AppState::new(relay, "http://127.0.0.1:1969".to_owned())));
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#);
    let mut request = Request::post("/v1/chat/completions").body(Body::from(body)).ok()?;
    *request.headers_mut() = headers;
    request.extensions_mut().insert(ListenerInfo { is_reached_by_name: true, is_private: true });
    let answer = router.call(request);
    let Ok(response) = RUNTIME.with(|runtime| Some(runtime.as_ref()?.block_on(answer)))?;
    Some((response.status(), response.headers().clone()))
}
