//! The demonstration's client: it streams like any other.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use crate::cli::exit::CommandError;
use crate::failure::Failure;
use crate::protocol::sse::FrameReader;
use crate::upstream::{Client, Connector, UpstreamRequest, UpstreamResponse};

/// What came of a question.
pub(super) struct DemoAnswer {
    pub(super) model: String,
    pub(super) attempts: String,
    pub(super) first_byte: Duration,
    pub(super) elapsed: Duration,
}

fn request_error(failure: &Failure) -> CommandError {
    CommandError::failure("demo_error", failure.to_string())
}

/// Sends JSON and expects success.
async fn post(client: &Client, url: &str, body: Value) -> Result<UpstreamResponse, CommandError> {
    let headers: HeaderMap =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
    let call = UpstreamRequest {
        method: Method::POST,
        url: url.to_owned().into(),
        headers,
        body: vec![Bytes::from(body.to_string())],
    };
    let response = client.send(call).await.map_err(|failure| request_error(&failure))?;
    if response.status.is_success() {
        return Ok(response);
    }
    Err(CommandError::failure("demo_error", format!("{url} answered {}", response.status)))
}

/// Asks, and prints the answer as it comes.
pub(super) async fn stream_answer(
    client: &Client,
    gateway: &str,
    question: &str,
) -> Result<DemoAnswer, CommandError> {
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
    print_text("   > ")?;
    while let Some(chunk) = response.body.next().await {
        first_byte.get_or_insert_with(|| asked.elapsed());
        reader.feed(chunk.map_err(|failure| request_error(&failure))?);
        while let Ok(Some(frame)) = reader.next_frame() {
            if let Some(text) = frame.data().as_deref().and_then(chunk_text) {
                print_text(&text)?;
            }
        }
    }
    print_text("\n")?;
    let took = asked.elapsed();
    Ok(DemoAnswer { model, attempts, first_byte: first_byte.unwrap_or(took), elapsed: took })
}

fn chunk_text(data: &[u8]) -> Option<String> {
    let chunk: Value = serde_json::from_slice(data).ok()?;
    chunk.pointer("/choices/0/delta/content")?.as_str().map(str::to_owned)
}

fn print_text(text: &str) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CommandError::from_output_error)
}
