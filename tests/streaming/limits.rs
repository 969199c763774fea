//! More load than the limits allow: a slow reader slows its provider down, and a request over a limit gets an
//! error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::common::process::{Serving, signal};
use crate::common::raw::Raw;
use crate::common::scripted::Scripted;
use crate::common::{Answer, LOAD, Manager, Provider, Setup, Upstream, prompt};
use crate::failover::faults::never_ending;
use crate::streaming::soak::{resident, sockets};

const MIB: usize = 1 << 20;

fn chat(authority: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// So many events of a KiB each.
const EVENTS: usize = 64 * 1024;
/// More than the kernel can buffer on the two connections: six of its largest buffers.
const IN_SOCKETS: usize = 40 * MIB;

/// Writes numbered events; reports the number of bytes once when nothing has moved for a second.
async fn pour(mut stream: TcpStream, stalled: mpsc::UnboundedSender<usize>) {
    let written = AtomicUsize::new(0);
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let pouring = async {
        for number in 0..=EVENTS {
            let finish = if number == EVENTS { "\"stop\"" } else { "null" };
            let text = format!("{number:08} {}", "x".repeat(900));
            let event = format!(
                "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"model\",\"choices\":[{{\"index\":0,\
                 \"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]}}\n\n"
            );
            stream.write_all(event.as_bytes()).await.unwrap();
            written.fetch_add(event.len(), Ordering::Relaxed);
        }
        stream.write_all(b"data: [DONE]\n\n").await.unwrap();
    };
    let watching = async {
        let mut before = usize::MAX;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = written.load(Ordering::Relaxed);
            if std::mem::replace(&mut before, now) == now {
                let _ = stalled.send(now);
                return;
            }
        }
    };
    tokio::join!(pouring, watching);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reader_pauses_its_provider_and_loses_nothing() {
    let (sender, mut stalled) = mpsc::unbounded_channel();
    let scripted = Scripted::start(move |stream| pour(stream, sender.clone())).await;
    let gateway = scripted.setup().start().await;
    let pid = gateway.serving.pid();
    assert_eq!(gateway.get("/health").await.status, 200);
    let before = resident(pid);

    let authority = gateway.serving.authority();
    let mut slow = Raw::connect(authority).await;
    slow.send(chat(authority, &prompt("own/model", "Say much", true).to_string()).as_bytes()).await;
    let out = stalled.recv().await.unwrap();
    let grown = resident(pid).saturating_sub(before);
    println!(
        "the provider had sent {out} of some {} bytes when it stalled; the gateway grew by {grown} KiB",
        EVENTS * 1060
    );
    assert!(out < IN_SOCKETS, "{out} bytes were read from the provider for stalled clients");
    assert!(grown < 16 * 1024, "the gateway grew by {grown} KiB");
    // Another client does not wait for the slow one.
    assert_eq!(gateway.get("/health").await.status, 200);

    let answer = Answer::from(slow.response(false).await.unwrap());
    let said = answer.said();
    assert_eq!((said.done, said.finishes.len(), said.errors.len()), (1, 1, 0));
    let numbers = said.content.as_bytes().chunks(909).map(|event| &event[..8]);
    assert!(numbers.enumerate().all(|(at, number)| number == format!("{at:08}").as_bytes()));
    assert_eq!(said.content.len(), 909 * (EVENTS + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_over_the_memory_budget_get_a_retry_later_error() {
    let upstream = Upstream::start().await;
    let gateway =
        Setup::chain(&upstream, &[Provider::Moonshot]).set("gateway.bodyLimitMiB", json!(16)).start().await;
    let authority = gateway.serving.authority().to_owned();
    // Each stops one byte before its end, so that all are held: five do not fit into a budget for four.
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {}\r\n\r\n",
        16 * MIB
    );
    let (reported, mut refusals) = mpsc::unbounded_channel();
    let finish = Arc::new(tokio::sync::Semaphore::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let (authority, head, reported, finish) =
            (authority.clone(), head.clone(), reported.clone(), finish.clone());
        clients.spawn(async move {
            let mut raw = Raw::connect(&authority).await;
            raw.send(head.as_bytes()).await;
            raw.send(&vec![b'['; 16 * MIB - 1]).await;
            tokio::select! {
                refused = raw.response(false) => {
                    reported.send(()).unwrap();
                    return Answer::from(refused.unwrap());
                }
                _ = finish.acquire() => {}
            }
            raw.send(b"]").await;
            Answer::from(raw.response(false).await.unwrap())
        });
    }
    refusals.recv().await.unwrap();
    finish.add_permits(5);
    let mut refused = 0;
    while let Some(answer) = clients.join_next().await {
        let answer = answer.unwrap();
        let code = answer.json()["error"]["code"].clone();
        if answer.status == 503 {
            assert_eq!((code, answer.header("retry-after")), (json!("out_of_room"), "1"));
            refused += 1;
        } else {
            assert_eq!((answer.status, code), (400, json!("malformed_json")), "{}", answer.text());
        }
    }
    assert!((1..=2).contains(&refused), "{refused} of five were refused");
    let large = prompt("moonshot/kimi-k3", &"x".repeat(2 * MIB), false);
    assert_eq!(gateway.chat(&large).await.status, 200, "what was held is given back");
    assert_eq!(upstream.requests().await.len(), 1);
}

/// Serves with so few descriptors that 48 places are left.
async fn with_few_places(setup: &Setup) -> (Serving, tempfile::TempDir) {
    setup.start_under("ulimit -n 256").await
}

#[tokio::test]
async fn connection_over_the_limit_gets_a_retry_later_error() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    upstream.fault(never_ending(Provider::Moonshot)).await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot])
        .environment("NOTIFY_SOCKET", manager.path())
        .environment("WATCHDOG_USEC", "200000");
    let (serving, _home) = with_few_places(&setup).await;
    let asked = chat(serving.authority(), &prompt("moonshot/kimi-k3", "Say hello", true).to_string());
    let mut busy = Vec::new();
    for _ in 0..48 {
        let mut raw = Raw::connect(serving.authority()).await;
        raw.send(asked.as_bytes()).await;
        raw.until(b"data: ").await;
        busy.push(raw);
    }
    for _ in 0..3 {
        let mut late = Raw::connect(serving.authority()).await;
        late.send(asked.as_bytes()).await;
        turned_away(&mut late).await;
    }
    assert!(serving.output().matches("every connection slot is in use").count() <= 1, "{}", serving.output());
    manager.rest();
    manager.until("WATCHDOG=1").await;

    drop(busy.pop());
    upstream.cancelled(1, 5000).await;
    let mut next = Raw::connect(serving.authority()).await;
    next.send(asked.as_bytes()).await;
    next.until(b"data: ").await;
    assert_eq!(upstream.requests().await.len(), 49, "the one that was turned away went nowhere");
}

async fn turned_away(client: &mut Raw) {
    let answer = Answer::from(client.response(false).await.unwrap());
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], json!("too_many_requests"), "{}", answer.text());
    assert!(client.closed().await);
}

#[tokio::test]
async fn waiting_connection_gets_an_error_at_shutdown() {
    let upstream = Upstream::start().await;
    upstream.fault(never_ending(Provider::Moonshot)).await;
    let (mut serving, _home) = with_few_places(&Setup::chain(&upstream, &[Provider::Moonshot])).await;
    let asked = chat(serving.authority(), &prompt("moonshot/kimi-k3", "Say hello", true).to_string());
    let mut busy = Vec::new();
    for _ in 0..48 {
        let mut raw = Raw::connect(serving.authority()).await;
        raw.send(asked.as_bytes()).await;
        raw.until(b"data: ").await;
        busy.push(raw);
    }
    // More than are turned away at one time: the others wait in the kernel's queue.
    let mut load = Vec::new();
    for _ in 0..80 {
        load.push(Raw::connect(serving.authority()).await);
    }
    signal("-TERM", serving.pid()).await;
    for client in &mut load {
        turned_away(client).await;
    }
    signal("-TERM", serving.pid()).await;
    assert!(serving.ended().await.success(), "{}", serving.output());
}

/// Connections that the gateway accepts with enough descriptors.
const PLACES: usize = 8192;

/// One connection in so many has sent half a head.
const HALF: usize = 50;

/// Up to 10,000; fewer if this process may not have that many descriptors.
fn idle_connections() -> usize {
    // Raising the own soft limit takes a system call that std does not have.
    let own = std::process::id().to_string();
    let hard = limit(2);
    let _ = std::process::Command::new("prlimit")
        .args(["--pid", &own, &format!("--nofile={hard}:{hard}")])
        .status();
    limit(1).saturating_sub(1000).min(10_000)
}

fn limit(column: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line["Max open files".len()..].split_whitespace().nth(column - 1).unwrap().parse().unwrap_or(1 << 20)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_block_no_client() {
    let _alone = LOAD.lock().await;
    let upstream = Upstream::start().await;
    let count = idle_connections();
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    let (authority, pid) = (gateway.serving.authority(), gateway.serving.pid());
    assert_eq!(gateway.get("/health").await.status, 200);
    let before = resident(pid);
    let mut idle = Vec::new();
    for number in 0..count {
        let mut raw = Raw::connect(authority).await;
        // Some say nothing, some have been served, a few have sent half a head.
        if number % HALF == 0 {
            raw.send(b"GET /health HTTP/1.1\r\n").await;
        } else if number % 3 == 0 {
            raw.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            assert_eq!(raw.response(false).await.unwrap().status, 200, "number {number}");
        }
        idle.push(raw);
    }
    let (held, grown) = (sockets(pid), resident(pid).saturating_sub(before));
    println!("{count} idle connections: {held} sockets held, {grown} KiB more");
    assert!(held < PLACES + 64 + 32, "{held} sockets");
    assert!(grown < 24 * PLACES as u64, "{grown} KiB for {held} connections");
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", true)).await;
    assert_eq!((answer.status, answer.said().done), (200, 1), "who asks is served");
    let mut last = Raw::connect(authority).await;
    last.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(last.response(false).await.unwrap().status, 200);
    // On a slow machine an incomplete header times out and frees its slot by itself.
    for raw in &mut idle[..count.saturating_sub(PLACES + 64 + count / HALF + 1)] {
        let end = raw.response(false).await;
        assert!(end.is_none_or(|answer| answer.status == 408), "the longest idle made room");
    }
}
