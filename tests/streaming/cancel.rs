//! A client that disconnects cancels the upstream request within a second, in every phase of the request.

use serde_json::json;

use crate::common::raw::Raw;
use crate::common::{Gateway, Provider, Setup, Upstream, prompt};
use crate::failover::faults::slow_drip;

/// The documented limit.
const WITHIN_MILLIS: u64 = 1000;

fn request(gateway: &Gateway, stream: bool) -> String {
    let body = prompt("moonshot/kimi-k3", "reply with 4000 words", stream).to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        gateway.serving.authority(),
        body.len()
    )
}

async fn gateway(upstream: &Upstream) -> Gateway {
    Setup::chain(upstream, &[Provider::Moonshot, Provider::OpenRouter]).start().await
}

#[tokio::test]
async fn client_cancels_during_a_stream() {
    let upstream = Upstream::start().await;
    upstream.fault(slow_drip(Provider::Moonshot)).await;
    let gateway = gateway(&upstream).await;
    let mut client = Raw::connect(gateway.serving.authority()).await;
    client.send(request(&gateway, true).as_bytes()).await;
    client.until(b"data: ").await;
    drop(client);
    assert_cancelled(&upstream, &gateway).await;
}

#[tokio::test]
async fn client_cancels_before_the_first_byte() {
    for (fault, stream) in
        [("no_head", true), ("no_first_byte", true), ("no_head", false), ("no_first_byte", false)]
    {
        let upstream = Upstream::start().await;
        upstream.fault(json!({ "provider": "moonshot", "kind": fault })).await;
        let gateway = gateway(&upstream).await;
        let mut client = Raw::connect(gateway.serving.authority()).await;
        client.send(request(&gateway, stream).as_bytes()).await;
        upstream.total(1).await;
        drop(client);
        assert_cancelled(&upstream, &gateway).await;
    }
}

#[tokio::test]
async fn client_cancels_during_a_complete_answer() {
    let upstream = Upstream::start().await;
    upstream.fault(slow_drip(Provider::Moonshot)).await;
    let gateway = gateway(&upstream).await;
    let mut client = Raw::connect(gateway.serving.authority()).await;
    client.send(request(&gateway, false).as_bytes()).await;
    upstream.total(1).await;
    drop(client);
    assert_cancelled(&upstream, &gateway).await;
}

/// Bytes of a next request are pending: the server sees the end only when it writes.
#[tokio::test]
async fn client_cancels_with_a_pipelined_request() {
    let upstream = Upstream::start().await;
    upstream.fault(slow_drip(Provider::Moonshot)).await;
    let gateway = gateway(&upstream).await;
    let mut client = Raw::connect(gateway.serving.authority()).await;
    client.send(request(&gateway, true).as_bytes()).await;
    client.send(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await;
    client.until(b"data: ").await;
    drop(client);
    assert_cancelled(&upstream, &gateway).await;
}

async fn assert_cancelled(upstream: &Upstream, gateway: &Gateway) {
    upstream.cancelled(1, WITHIN_MILLIS).await;
    upstream.idle().await;
    let asked = upstream.requests().await;
    assert_eq!(asked.len(), 1, "the fallback is not called without a client: {asked:?}");
    assert_eq!(asked[0]["cancelled"], json!(true), "{asked:?}");
    assert_eq!(gateway.status().await["inFlight"], json!(0));
}
