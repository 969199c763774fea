//! Many streams at once lose nothing and leave nothing behind.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::process::PATIENCE;
use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

const STREAMS: usize = 200;
const ROUNDS: usize = 10;
/// Memory that a round may need beyond earlier ones, in KiB: about 10 KB per stream, and two writer threads.
const STEP: (u64, usize) = (2048, 2);

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

/// Whether the last round needed more memory or threads than all before it; the first one is not compared.
fn has_grown(rounds: &[(u64, usize)]) -> bool {
    let Some(((memory, threads), before)) = rounds.split_last() else { return true };
    let most = before.iter().map(|round| round.0).max().zip(before.iter().map(|round| round.1).max());
    most.is_none_or(|most| *memory > most.0 + STEP.0 || *threads > most.1 + STEP.1)
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
async fn repeated_rounds_of_200_streams_do_not_grow_memory() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "drip", "value": 10 })).await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    let pid = gateway.serving.pid();

    // What the allocator keeps of each round depends on scheduling and is bounded; a leak is not.
    let mut rounds = Vec::new();
    while rounds.len() < ROUNDS && has_grown(&rounds) {
        round(&gateway, rounds.len()).await;
        upstream.idle().await;
        rounds.push((resident(pid), threads(pid)));
    }
    let none = async { while gateway.status().await["inFlight"] != json!(0) {} };
    assert!(tokio::time::timeout(PATIENCE, none).await.is_ok(), "a request stays under way");
    println!("resident and threads after rounds of {STREAMS} streams: {rounds:?} KiB");
    assert!(!has_grown(&rounds), "each round needs more: {rounds:?} KiB");
}

#[tokio::test]
async fn ended_connections_are_closed() {
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
async fn chunks_are_not_delayed_by_other_streams() {
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
    // Such waits make 4 s of it; a busy machine makes both longer.
    assert!(
        through < direct * 2 + Duration::from_millis(1500),
        "direct {direct:?}, through the gateway {through:?}"
    );
}
