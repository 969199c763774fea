//! A shutdown loses nothing that it can finish: active requests end well, others get an error in the format of
//! their API, and an unfinished request never delays the exit.

use serde_json::json;

use crate::common::process::signal;
use crate::common::raw::Raw;
use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

const MODEL: &str = "moonshot/kimi-k3";

async fn answering(fault: serde_json::Value) -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    upstream.fault(fault).await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    (upstream, gateway)
}

async fn stop(gateway: &mut Gateway, times: usize) {
    for said in ["a second signal", "cut off"].into_iter().take(times) {
        signal("-TERM", gateway.serving.pid()).await;
        gateway.serving.said(said).await;
    }
}

fn request(body: &str, rest: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{rest}")
        .into_bytes()
}

#[tokio::test]
async fn request_cut_at_shutdown_gets_an_error_of_its_api() {
    let (upstream, mut gateway) = answering(crate::failover::faults::never_ending(Provider::Moonshot)).await;
    let asked = prompt(MODEL, "Say hello", true).to_string();
    let stream = gateway.chat_request(asked).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let whole = prompt(MODEL, "Say hello", false).to_string();
    let whole = gateway.chat_request(whole).send();
    let whole = tokio::spawn(async move { Answer::read(whole.await.unwrap()).await });
    upstream.total(2).await;
    stop(&mut gateway, 2).await;

    let answer = Answer::read(stream).await;
    let said = answer.said();
    assert!(!answer.broken, "{}", answer.text());
    assert_eq!((said.errors.len(), said.done, said.finishes.len()), (1, 1, 0), "{}", answer.text());
    assert!(answer.text().contains("the gateway is shutting down"), "{}", answer.text());
    let answer = whole.await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "stopping");
    assert!(!answer.headers.contains_key("x-should-retry"), "the next process can answer");
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
    upstream.idle().await;
}

#[tokio::test]
async fn third_signal_exits_at_once() {
    let (_upstream, mut gateway) = answering(crate::failover::faults::never_ending(Provider::Moonshot)).await;
    let asked = prompt(MODEL, "Say hello", true).to_string();
    let mut client = Raw::connect(gateway.serving.authority()).await;
    client.send(&request(&asked, &asked)).await;
    client.until(b"data: ").await;
    // A body that does not come keeps its connection for longer than the last words take.
    let mut half = Raw::connect(gateway.serving.authority()).await;
    half.send(&request(&asked, "")).await;
    stop(&mut gateway, 2).await;
    signal("-TERM", gateway.serving.pid()).await;
    gateway.serving.said("stopped immediately").await;
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
}

#[tokio::test]
async fn incomplete_request_body_does_not_delay_shutdown() {
    let (_upstream, mut gateway) = answering(json!({ "provider": "moonshot", "kind": "rate_limit" })).await;
    let body = prompt(MODEL, "Say hello", false).to_string();
    let mut client = Raw::connect(gateway.serving.authority()).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n";
    client.send(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes()).await;
    // The gateway waits for the body.
    client.until(b"100 Continue\r\n\r\n").await;
    client.send(&body.as_bytes()[..10]).await;
    stop(&mut gateway, 1).await;
    let answer = client.response(false).await.expect("an answer, not a reset");
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")), "{}", answer.head);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["error"]["code"], "stopping", "{body}");
    assert!(client.closed().await);
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_serves_accepted_ones_once() {
    let (_upstream, mut gateway) = answering(crate::failover::faults::slow_drip(Provider::Moonshot)).await;
    let asked = prompt(MODEL, "reply with 60 words", true).to_string();
    let running = gateway.chat_request(asked).send().await.unwrap();
    let mut idle = Raw::connect(gateway.serving.authority()).await;
    idle.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(idle.response(false).await.unwrap().status, 200);
    // Accepted, without a request yet.
    let mut new = Raw::connect(gateway.serving.authority()).await;
    stop(&mut gateway, 1).await;
    assert!(idle.closed().await, "nothing is under way there");
    new.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(new.response(false).await.map(|answer| answer.status), Some(200));
    assert!(new.closed().await, "that was the last one");
    let answer = Answer::read(running).await;
    assert!(!answer.broken && answer.said().errors.is_empty(), "{}", answer.text());
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
}

#[tokio::test]
async fn last_answer_before_shutdown_closes_its_connection() {
    let drip = json!({ "provider": "moonshot", "kind": "drip", "value": 100 });
    let (upstream, mut gateway) = answering(drip).await;
    let asked = prompt(MODEL, "reply with 120 words", false).to_string();
    let mut client = Raw::connect(gateway.serving.authority()).await;
    client.send(&request(&asked, &asked)).await;
    upstream.total(1).await;
    stop(&mut gateway, 1).await;
    let answer = client.response(false).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{}", answer.head);
    assert!(client.closed().await);
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
}

/// The gateway is stopped with SIGSTOP while they connect: they wait in the queue of its own socket.
#[tokio::test]
async fn queued_connection_is_served_at_shutdown() {
    let (_upstream, mut gateway) = answering(json!({ "provider": "moonshot", "kind": "rate_limit" })).await;
    signal("-STOP", gateway.serving.pid()).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut client = Raw::connect(gateway.serving.authority()).await;
        client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        waiting.push(client);
    }
    signal("-TERM", gateway.serving.pid()).await;
    signal("-CONT", gateway.serving.pid()).await;
    for client in &mut waiting {
        assert_eq!(client.response(false).await.map(|answer| answer.status), Some(200));
        assert!(client.closed().await);
    }
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
}
