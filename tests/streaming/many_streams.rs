//! Many small chunks and many streams: bytes stay unchanged, and more streams are open than a session's usual
//! descriptor limit allows.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::common::process::PATIENCE;
use crate::common::raw::Raw;
use crate::common::scripted::Scripted;
use crate::common::{Answer, LOAD, prompt};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const DONE: &str = "data: [DONE]\n\n";

fn event(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"model\",\"choices\":[{{\"index\":0,\
         \"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Texts of all kinds, in an order that breaks runs of one kind: plain text, escapes, markup, other scripts,
/// reasoning, an empty one, one with a role, and a comment between them.
fn many_events() -> Vec<String> {
    let texts = ["word", " and ", "\\n", "a\\\"b", "<", "<|tool", "é漢", "", "\\ud83d\\ude00", "x < y"];
    let mut events = vec![event("{\"role\":\"assistant\",\"content\":\"\"}", "null")];
    for number in 0..600_usize {
        let text = format!("{}{}", texts[(number / 7 * 3 + number % 2) % texts.len()], number % 11);
        events.push(match number % 97 {
            5 => ": comment\n\n".to_owned(),
            7 => event(&format!("{{\"content\":\"{text}\"}}"), "null").replace('\n', "\r\n"),
            40..50 => event(&format!("{{\"reasoning_content\":\"{text}\"}}"), "null"),
            60 => event(&format!("{{\"role\":\"assistant\",\"content\":\"{text}\"}}"), "null"),
            _ => event(&format!("{{\"content\":\"{text}\"}}"), "null"),
        });
    }
    events.push(event("{}", "\"stop\""));
    events.push(DONE.to_owned());
    events
}

#[tokio::test]
async fn chunks_that_arrive_together_are_forwarded_unchanged() {
    let events = Arc::new(many_events());
    let sent = events.clone();
    let scripted = Scripted::start(move |mut stream: TcpStream| {
        let events = sent.clone();
        async move {
            // All of it at once: each event in a chunk of its own.
            let mut all = HEAD.to_owned();
            events.iter().for_each(|event| all.push_str(&chunk(event)));
            all.push_str("0\r\n\r\n");
            stream.write_all(all.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = scripted.setup().start().await;
    let answer = gateway.chat(&prompt("own/model", "Say much", true)).await;
    assert_eq!(answer.text(), events.concat());
    // Together they are fewer pieces than events, or nothing was joined.
    let mut raw = Raw::connect(gateway.serving.authority()).await;
    raw.send(asked(gateway.serving.authority()).as_bytes()).await;
    let body = raw.until(b"[DONE]\n\n\r\n0\r\n\r\n").await;
    let pieces = String::from_utf8(body).unwrap().matches("\r\ndata: ").count();
    println!("{} events in about {pieces} pieces", events.len());
    assert!(pieces < events.len() / 2, "{pieces} pieces for {} events", events.len());
}

fn asked(authority: &str) -> String {
    let body = prompt("own/model", "Say much", true).to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Each is answered by its first chunk alone until the client has that: joining waits for nothing.
#[tokio::test]
async fn single_chunk_is_forwarded_at_once() {
    let (next, answered) = tokio::sync::mpsc::unbounded_channel();
    let answered = Arc::new(tokio::sync::Mutex::new(answered));
    let scripted = Scripted::start(move |mut stream: TcpStream| {
        let answered = answered.clone();
        async move {
            stream.write_all(HEAD.as_bytes()).await.unwrap();
            for number in 0..20 {
                let event = event(&format!("{{\"content\":\"number {number}\"}}"), "null");
                stream.write_all(chunk(&event).as_bytes()).await.unwrap();
                let _: Option<()> = answered.lock().await.recv().await;
            }
            let end = format!("{}{}0\r\n\r\n", chunk(&event("{}", "\"stop\"")), chunk(DONE));
            stream.write_all(end.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = scripted.setup().start().await;
    let mut raw = Raw::connect(gateway.serving.authority()).await;
    raw.send(asked(gateway.serving.authority()).as_bytes()).await;
    let reading = async {
        for number in 0..20 {
            raw.until(format!("number {number}\"").as_bytes()).await;
            next.send(()).unwrap();
        }
        raw.until(b"[DONE]").await
    };
    assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "a chunk waits for the next one");
}

/// More than the 1,024 descriptors that a session usually has would let.
const STREAMS: usize = 1500;

/// Descriptors for both ends of the connections, and for the other tests.
fn may_open(descriptors: usize) -> bool {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let hard = line.split_whitespace().nth(4).unwrap_or_default();
    let own = std::process::id().to_string();
    let raised = std::process::Command::new("prlimit")
        .args(["--pid", &own, &format!("--nofile={hard}:{hard}")])
        .status()
        .is_ok_and(|status| status.success());
    raised && hard.parse::<usize>().is_ok_and(|hard| hard > descriptors)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifteen_hundred_streams_run_at_one_time() {
    let _alone = LOAD.lock().await;
    if !may_open(2 * STREAMS + 1000) {
        println!("not checked: this machine lets a process open fewer than {} files", 2 * STREAMS + 1000);
        return;
    }
    // All begin before the first one ends.
    let all = Arc::new(Barrier::new(STREAMS));
    let scripted = Scripted::start(move |mut stream: TcpStream| {
        let all = all.clone();
        async move {
            let first = event("{\"content\":\"first\"}", "null");
            stream.write_all(format!("{HEAD}{}", chunk(&first)).as_bytes()).await.unwrap();
            all.wait().await;
            let mut rest = String::new();
            for number in 0..10 {
                write!(rest, "{}", chunk(&event(&format!("{{\"content\":\" {number}\"}}"), "null"))).unwrap();
            }
            let end = format!("{rest}{}{}0\r\n\r\n", chunk(&event("{}", "\"stop\"")), chunk(DONE));
            stream.write_all(end.as_bytes()).await.unwrap();
        }
    })
    .await;
    // As a session starts it: the soft limit is the usual one.
    let setup = scripted.setup().set("logging.level", json!("warn"));
    let (serving, _home) = setup.start_under("ulimit -S -n 1024").await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..STREAMS {
        let authority = serving.authority().to_owned();
        clients.spawn(async move {
            let mut raw = Raw::connect(&authority).await;
            raw.send(asked(&authority).as_bytes()).await;
            Answer::from(raw.response(false).await.unwrap())
        });
    }
    while let Some(answer) = clients.join_next().await {
        let answer = answer.unwrap();
        let said = answer.said();
        assert_eq!((answer.status, said.done), (200, 1), "{}", answer.text());
        assert_eq!(said.content, "first 0 1 2 3 4 5 6 7 8 9");
    }
}
