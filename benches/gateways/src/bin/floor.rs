//! The floor: the cost of a minimal gateway of axum and reqwest. It reads the body, inspects `model` and
//! `stream` without copying, sets the key, and forwards the response.
//!
//! `floor LISTEN UPSTREAM`, with the key in `UPSTREAM_KEY`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use serde::Deserialize;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    stream: bool,
}

struct Upstream {
    client: reqwest::Client,
    base: String,
    key: HeaderValue,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (listen, base) = arguments.next().zip(arguments.next()).ok_or("floor LISTEN UPSTREAM")?;
    let key = HeaderValue::try_from(format!("Bearer {}", std::env::var("UPSTREAM_KEY")?))?;
    let client = reqwest::Client::builder().tcp_nodelay(true).no_proxy().build()?;
    let upstream = Arc::new(Upstream { client, base, key });
    let router = Router::new().fallback(pass).layer(DefaultBodyLimit::max(64 << 20)).with_state(upstream);
    let listener = tokio::net::TcpListener::bind(listen).await?.tap_io(|socket| {
        // Without it every second small write waits for an acknowledgement.
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}

async fn pass(State(upstream): State<Arc<Upstream>>, uri: Uri, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<Asked<'_>>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let accept = if asked.stream { "text/event-stream" } else { "application/json" };
    if asked.model.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let request = upstream.client.post(format!("{}{}", upstream.base, uri.path()));
    let request = request.header(header::AUTHORIZATION, upstream.key.clone()).header(header::ACCEPT, accept);
    let request = request.header(header::CONTENT_TYPE, "application/json").body(body.clone());
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = Response::builder().status(answer.status());
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        if let Some(value) = answer.headers().get(&name) {
            response = response.header(name, value);
        }
    }
    let body = Body::from_stream(answer.bytes_stream());
    response.body(body).unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}
