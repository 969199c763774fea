//! The demonstration's client: it streams like any other.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use crate::cli::exit::Ending;
use crate::failure::Failure;
use crate::protocol::sse::FrameReader;
use crate::upstream::{Call, Client, Connector, Response};

/// What came of a question.
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) attempts: String,
    pub(super) first_byte: Duration,
    pub(super) took: Duration,
}

fn broken(failure: &Failure) -> Ending {
    Ending::failure("demo_error", failure.to_string())
}

/// Sends JSON and expects success.
async fn post(client: &Client, url: &str, body: Value) -> Result<Response, Ending> {
    let headers: HeaderMap =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
    let call = Call {
        method: Method::POST,
        url: url.to_owned().into(),
        headers,
        body: vec![Bytes::from(body.to_string())],
    };
    let response = client.send(call).await.map_err(|failure| broken(&failure))?;
    if response.status.is_success() {
        return Ok(response);
    }
    Err(Ending::failure("demo_error", format!("{url} answered {}", response.status)))
}

/// Asks, and prints the answer as it comes.
pub(super) async fn ask(client: &Client, gateway: &str, question: &str) -> Result<Asked, Ending> {
    let body = json!({
        "model": super::PRIMARY,
        "stream": true,
        "messages": [{"role": "user", "content": question}],
    });
    let asked = Instant::now();
    let mut response = post(client, &format!("{gateway}/v1/chat/completions"), body).await?;
    let header = |name: &str| {
        response.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("none").to_owned()
    };
    let (model, attempts) = (header("x-moonrelay-model"), header("x-moonrelay-attempts"));
    let mut reader = FrameReader::new();
    let mut first_byte = None;
    print("   > ")?;
    while let Some(chunk) = response.body.next().await {
        first_byte.get_or_insert_with(|| asked.elapsed());
        reader.feed(chunk.map_err(|failure| broken(&failure))?);
        while let Ok(Some(frame)) = reader.next_frame() {
            if let Some(text) = frame.data().as_deref().and_then(content) {
                print(&text)?;
            }
        }
    }
    print("\n")?;
    let took = asked.elapsed();
    Ok(Asked { model, attempts, first_byte: first_byte.unwrap_or(took), took })
}

fn content(data: &[u8]) -> Option<String> {
    let chunk: Value = serde_json::from_slice(data).ok()?;
    chunk.pointer("/choices/0/delta/content")?.as_str().map(str::to_owned)
}

fn print(text: &str) -> Result<(), Ending> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Ending::output)
}
