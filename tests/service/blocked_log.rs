//! A standard error that is never read must not stop the gateway.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::Value;
use tokio::net::unix::pipe;
use tokio::task::JoinSet;

use crate::common::process::{command, run, signal};
use crate::common::scrape::Scrape;
use crate::common::{Answer, Provider, Setup, Upstream, activated, prompt, raw};

/// Each request for an unknown model is logged as one line.
const ROUND: usize = 500;
/// More lines than any bounded queue should have.
const MAX_ROUNDS: usize = 40;
/// systemd would wait longer before it kills the process.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The writing end of a full pipe. Writes block as long as the reading end is held.
async fn full_pipe() -> (OwnedFd, pipe::Receiver) {
    let (sender, receiver) = pipe::pipe().unwrap();
    loop {
        sender.writable().await.unwrap();
        if sender.try_write(&[b'x'; 4096]).is_err() {
            return (sender.into_blocking_fd().unwrap(), receiver);
        }
    }
}

/// Sends requests for an unknown model, 20 at a time.
async fn send_round(client: &reqwest::Client, base: &str) {
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let request = client
            .post(format!("{base}/v1/chat/completions"))
            .header("content-type", "application/json")
            .body(prompt("unknown/model", "Say hello", false).to_string());
        tasks.spawn(async move {
            for _ in 0..ROUND / 20 {
                let response = request.try_clone().unwrap().send().await.unwrap();
                assert_eq!(Answer::read(response).await.status, 404);
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn full_stderr_stops_neither_requests_nor_metrics_nor_usage_nor_the_stop() {
    let upstream = Upstream::start().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", socket.local_addr().unwrap());
    let (stderr, _unread) = full_pipe().await;
    let (gateway, home) = Setup::chain(&upstream, &[Provider::Moonshot]).command();
    let mut child = activated(&gateway, [socket.into()]).stderr(stderr).spawn().unwrap();
    let client = raw::client();
    let scrape = async || {
        Scrape::read(&Answer::read(client.get(format!("{base}/metrics")).send().await.unwrap()).await)
    };
    let dropped = |scrape: &Scrape| scrape.sum("moonrelay_log_lines_dropped_total", &[]).unwrap();

    let mut rounds = 0;
    while dropped(&scrape().await) == 0.0 {
        assert!(rounds < MAX_ROUNDS, "the queue of log lines is not bounded");
        send_round(&client, &base).await;
        rounds += 1;
    }
    // The queue is full, so memory does not grow: every further line is dropped.
    let before = dropped(&scrape().await);
    send_round(&client, &base).await;
    rounds += 1;
    assert_eq!(dropped(&scrape().await) - before, ROUND as f64);

    let response = client
        .post(format!("{base}/v1/chat/completions"))
        .header("content-type", "application/json")
        .body(prompt("moonshot/kimi-k3", "Say hello", false).to_string());
    let answer = Answer::read(response.send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(scrape().await.sum("moonrelay_ledger_dropped_total", &[]), Some(0.0));

    signal("-TERM", child.id().unwrap()).await;
    let status = tokio::time::timeout(STOP_LIMIT, child.wait()).await.expect("the process stops in time");
    assert!(status.unwrap().success());
    let usage = run(command(home.path(), ["usage", "--json", "--no-quota"])).await;
    let requests = &usage.json()["total"]["requests"];
    assert_eq!(*requests, Value::from(rounds * ROUND + 1), "{}", usage.both());
}
