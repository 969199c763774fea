//! `models status --probe`: parallel and bounded; a slow target delays no other; results are in the chain's
//! order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Barrier, Notify, Semaphore};

use crate::common::process::{command, run};
use crate::common::scripted::Scripted;

/// The limit of parallel probes.
const AT_ONCE: usize = 4;

async fn answer(mut stream: TcpStream) {
    let body = json!({
        "id": "1", "object": "chat.completion", "created": 1, "model": "model",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "." }, "finish_reason": "length" }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    })
    .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
}

/// A chain of these providers, one after the other; their entries in `models.providers`.
fn config(providers: &[(String, Value)]) -> String {
    let names: Vec<String> = providers.iter().map(|(id, _)| format!("{id}/model")).collect();
    let model = json!({ "primary": names[0], "fallbacks": names[1..] });
    let providers: serde_json::Map<String, Value> = providers.iter().cloned().collect();
    json!({ "agents": { "defaults": { "model": model } }, "models": { "mode": "replace", "providers": providers } }).to_string()
}

/// `provider/model result` of each target, in printed order.
async fn probed(config: &str) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.json5"), config).unwrap();
    let ended =
        run(command(home.path(), ["models", "status", "--probe", "--json", "--config", "config.json5"]))
            .await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.both());
    let reported =
        |probe: &Value| format!("{} {}", probe["model"].as_str().unwrap(), probe["result"].as_str().unwrap());
    ended.json()["probes"].as_array().unwrap().iter().map(reported).collect()
}

fn all_well(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("p{at}/model ok")).collect()
}

#[tokio::test]
async fn probes_run_in_parallel() {
    // Answers are sent only after all requests have arrived.
    let all = Arc::new(Barrier::new(AT_ONCE));
    let upstream = Scripted::start(move |stream| {
        let all = all.clone();
        async move {
            all.wait().await;
            answer(stream).await;
        }
    })
    .await;
    let providers: Vec<_> = (0..AT_ONCE).map(|at| (format!("p{at}"), upstream.provider())).collect();
    assert_eq!(probed(&config(&providers)).await, all_well(AT_ONCE));
}

#[tokio::test]
async fn at_most_four_probes_run_at_one_time() {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    // One is released for each that came after the first four: four are always active, and a fifth would be
    // noticed.
    let places = Arc::new(Semaphore::new(0));
    let (count, seen) = (9, most.clone());
    let came = Arc::new(AtomicUsize::new(0));
    let upstream = Scripted::start(move |stream| {
        let (inside, most, places, came) = (inside.clone(), seen.clone(), places.clone(), came.clone());
        async move {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            match came.fetch_add(1, Ordering::SeqCst) + 1 {
                last if last == count => places.add_permits(AT_ONCE),
                later if later >= AT_ONCE => places.add_permits(1),
                _ => {}
            }
            places.acquire().await.unwrap().forget();
            inside.fetch_sub(1, Ordering::SeqCst);
            answer(stream).await;
        }
    })
    .await;
    let providers: Vec<_> = (0..count).map(|at| (format!("p{at}"), upstream.provider())).collect();
    assert_eq!(probed(&config(&providers)).await, all_well(count));
    assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
}

#[tokio::test]
async fn slow_probe_delays_no_other_and_keeps_its_row() {
    // The first answers when all the others were answered.
    let others = 6;
    let (answered, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let done = over.clone();
    let quick = Scripted::start(move |stream| {
        let (answered, over) = (answered.clone(), over.clone());
        async move {
            answer(stream).await;
            if answered.fetch_add(1, Ordering::SeqCst) + 1 == others {
                over.notify_one();
            }
        }
    })
    .await;
    let slow = Scripted::start(move |stream| {
        let done = done.clone();
        async move {
            done.notified().await;
            answer(stream).await;
        }
    })
    .await;
    let mut providers = vec![("p0".to_owned(), slow.provider())];
    providers.extend((1..=others).map(|at| (format!("p{at}"), quick.provider())));
    assert_eq!(probed(&config(&providers)).await, all_well(others + 1));
}
