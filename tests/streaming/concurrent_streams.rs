//! Many streams to one provider: none of them waits for another one, and none is counted as a failure of the provider.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::common::process::PATIENCE;
use crate::common::raw::Raw;
use crate::common::scripted::Scripted;
use crate::common::{Answer, Gateway, prompt};

/// More than the 100 streams that providers allow on one HTTP/2 connection.
const STREAMS: usize = 130;
const SLOW_READERS: usize = 3;
/// The response of a slow reader in events of one KiB: more than the socket buffers of both connections hold.
const LARGE_RESPONSE: usize = 64 * 1024;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

fn content(text: &str) -> String {
    event(&json!({ "content": text }), &Value::Null)
}

fn event(delta: &Value, finish: &Value) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    let chunk = json!({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "model", "choices": [choice],
    });
    format!("data: {chunk}\n\n")
}

fn end() -> String {
    format!("{}data: [DONE]\n\n", event(&json!({}), &json!("stop")))
}

async fn open_stream(gateway: &Gateway) -> Raw {
    let authority = gateway.serving.authority();
    let body = prompt("own/model", "Say much", true).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut raw = Raw::connect(authority).await;
    raw.send(format!("{head}{body}").as_bytes()).await;
    raw
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hundred_and_thirty_concurrent_streams_complete_on_the_primary() {
    // No stream ends before all have started.
    let all = Arc::new(Barrier::new(STREAMS));
    let primary = Scripted::start(move |mut stream: TcpStream| {
        let all = all.clone();
        async move {
            stream.write_all(format!("{HEAD}{}", content("first")).as_bytes()).await.unwrap();
            all.wait().await;
            stream.write_all(format!("{}{}", content(" last"), end()).as_bytes()).await.unwrap();
        }
    })
    .await;
    let fallback = Scripted::start(async |mut stream: TcpStream| {
        stream.write_all(format!("{HEAD}{}{}", content("fallback"), end()).as_bytes()).await.unwrap();
    })
    .await;
    let gateway = primary
        .setup()
        .set("agents.defaults.model", json!({ "primary": "own/model", "fallbacks": ["other/model"] }))
        .set("models.providers.other", fallback.provider())
        .start()
        .await;
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let mut raw = open_stream(&gateway).await;
        streams.spawn(async move { Answer::from(raw.response(false).await.unwrap()) });
    }
    while let Some(answer) = streams.join_next().await {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.attempts()), (200, "own/model=ok"), "{}", answer.text());
        let said = answer.said();
        assert_eq!((said.content.as_str(), said.done, said.errors.len()), ("first last", 1, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_reading_delay_no_other_stream_of_the_same_provider() {
    let (started, written) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let total = written.clone();
    let provider = Scripted::start(move |mut stream: TcpStream| {
        let is_large = started.fetch_add(1, Ordering::Relaxed) < SLOW_READERS;
        let total = total.clone();
        async move {
            stream.write_all(HEAD.as_bytes()).await.unwrap();
            let (text, count) =
                if is_large { ("x".repeat(900), LARGE_RESPONSE) } else { ("short".to_owned(), 20) };
            let event = content(&text);
            for _ in 0..count {
                // A slow reader is gone at the end of the test.
                if stream.write_all(event.as_bytes()).await.is_err() {
                    return;
                }
                if is_large {
                    total.fetch_add(1, Ordering::Relaxed);
                }
            }
            let _ = stream.write_all(end().as_bytes()).await;
        }
    })
    .await;
    let gateway = provider.setup().start().await;
    let mut slow_readers = Vec::new();
    for _ in 0..SLOW_READERS {
        let mut raw = open_stream(&gateway).await;
        raw.until(b"data: ").await;
        slow_readers.push(raw);
    }
    // Until the large responses stand still while another stream is served from its start to its end.
    let serving = async {
        loop {
            let before = written.load(Ordering::Relaxed);
            let answer = Answer::from(open_stream(&gateway).await.response(false).await.unwrap());
            assert_eq!((answer.status, answer.attempts()), (200, "own/model=ok"), "{}", answer.text());
            let said = answer.said();
            assert_eq!((said.content, said.done, said.errors.len()), ("short".repeat(20), 1, 0));
            if written.load(Ordering::Relaxed) == before {
                return before;
            }
        }
    };
    let written = tokio::time::timeout(PATIENCE, serving).await.expect("the slow readers are never full");
    assert!(
        written < SLOW_READERS * LARGE_RESPONSE,
        "{written} events were sent to clients that do not read"
    );
}
