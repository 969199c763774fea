//! Many streams at once lose nothing and leave nothing behind.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

const STREAMS: usize = 200;

/// Resident memory in KiB.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

pub(crate) fn sockets(pid: u32) -> usize {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// All of them at once; each checked to its last byte.
async fn round(gateway: &Gateway, number: usize) {
    let mut streams = tokio::task::JoinSet::new();
    for index in 0..STREAMS {
        // Lengths differ, so that a chunk in the wrong stream would show.
        let bytes = 2000 + index * 7;
        let text = format!("round {number} of stream {index}: reply with {bytes} bytes");
        let request = gateway.chat_request(prompt("moonshot/kimi-k3", &text, true).to_string());
        streams.spawn(async move { (bytes, Answer::read(request.send().await.unwrap()).await) });
    }
    let mut finished = 0;
    while let Some(ended) = streams.join_next().await {
        let (bytes, answer) = ended.unwrap();
        assert!(answer.status == 200 && !answer.broken, "{}: {}", answer.status, answer.text());
        let said = answer.said();
        assert_eq!(said.content.len(), bytes);
        assert_eq!((said.finishes.len(), said.usages.len(), said.done), (1, 1, 1), "{}", answer.text());
        assert!(said.errors.is_empty(), "{:?}", said.errors);
        finished += 1;
    }
    assert_eq!(finished, STREAMS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_streams_finish_with_every_byte_and_three_more_rounds_need_little_more() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "drip", "value": 10 })).await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    let pid = gateway.serving.pid();

    // The allocator keeps what the first rounds needed, and how much that is depends on how they were scheduled; what
    // counts is that the next ones need no more.
    for number in 0..2 {
        round(&gateway, number).await;
    }
    upstream.idle().await;
    let (memory, running) = (resident(pid), threads(pid));
    for number in 2..5 {
        round(&gateway, number).await;
    }
    upstream.idle().await;
    assert_eq!(gateway.status().await["inFlight"], json!(0));
    let after = resident(pid);
    println!("resident after the warm-up {memory} KiB, after {} more streams {after} KiB", 3 * STREAMS);
    assert!(after * 10 <= memory * 12, "{memory} KiB before, {after} KiB after");
    assert!(threads(pid) <= running, "{running} threads before, {} after", threads(pid));
}

#[tokio::test]
async fn connections_that_end_are_closed() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    let pid = gateway.serving.pid();
    assert_eq!(gateway.get("/health").await.status, 200);
    let before = sockets(pid);
    for _ in 0..50 {
        let mut raw = crate::common::raw::Raw::connect(gateway.serving.authority()).await;
        raw.send(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").await;
        assert_eq!(raw.response(false).await.unwrap().status, 200);
        assert!(raw.closed().await);
    }
    // The last socket may be closed a moment after its FIN was sent.
    assert!(sockets(pid) <= before + 1, "{before} sockets before, {} after", sockets(pid));
}

/// Without `TCP_NODELAY` on both sides a chunk waits some 34 ms for the acknowledgement of the one before.
#[tokio::test]
async fn chunks_do_not_wait_for_each_other() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "drip", "value": 5 })).await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    let body = prompt("kimi-k3", "reply with 3000 bytes", true).to_string();
    let time = async |request: reqwest::RequestBuilder| {
        let began = Instant::now();
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.said().content.len(), 3000, "{}", answer.text());
        began.elapsed()
    };
    let url = format!("{}{}/chat/completions", upstream.base(), Provider::Moonshot.path());
    let direct = crate::common::raw::client()
        .post(url)
        .header("authorization", format!("Bearer {}", Provider::Moonshot.key()))
        .body(body.clone());
    let direct = time(direct).await;
    let through = time(gateway.chat_request(body)).await;
    println!("130 chunks: direct {direct:?}, through the gateway {through:?}");
    assert!(
        through < direct + Duration::from_millis(1500),
        "direct {direct:?}, through the gateway {through:?}"
    );
}
