//! `failover.returnToPrimary: "session"`: a conversation that failed over keeps its target, whose prompt cache
//! is warm.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::process::{command, run, signal};
use crate::common::{Answer, Gateway, Manager, Provider, Setup, Upstream, prompt};

const PRIMARY: &str = "moonshot/kimi-k3=ok";
const FALLBACK: &str = "openrouter/auto=ok";

fn question(stream: bool) -> Value {
    prompt("moonshot/kimi-k3", "Say hello", stream)
}

/// The attempts of one request of a conversation.
async fn ask(gateway: &Gateway, session: &str) -> String {
    let request = gateway.chat_request(question(true).to_string()).header("x-session-id", session);
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert!(answer.status == 200 && answer.said().errors.is_empty(), "{}", answer.text());
    answer.attempts().to_owned()
}

#[tokio::test]
async fn affinity_survives_a_reload_and_ends_with_a_cooldown() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    upstream.fault(json!({ "provider": "moonshot", "kind": "server_error", "times": 1 })).await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter])
        .set("failover.cooldown.stepsSeconds", json!([1]))
        .set("failover.returnToPrimary", json!("session"))
        .set("gateway.reload", json!(false))
        .environment("NOTIFY_SOCKET", manager.path());
    let gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    assert!(!gateway.serving.output().contains("no effect"), "{}", gateway.serving.output());
    assert_eq!(ask(&gateway, "one").await, format!("moonshot/kimi-k3=server, {FALLBACK}"));
    // Requests without a conversation show when the cooldown has ended.
    let began = Instant::now();
    while gateway.chat(&question(false)).await.attempts() != PRIMARY {
        assert!(began.elapsed() < Duration::from_secs(10), "the primary does not come back");
    }
    assert_eq!(ask(&gateway, "one").await, FALLBACK);
    assert_eq!(ask(&gateway, "two").await, PRIMARY);

    let other = setup.set("failover.keepAliveSeconds", json!(20)).text();
    std::fs::write(gateway.config(), other).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    manager.until("READY=1").await;
    assert_eq!(ask(&gateway, "one").await, FALLBACK, "a reload loses no conversation");

    upstream.fault(json!({ "provider": "openrouter", "kind": "server_error", "times": 1 })).await;
    assert_eq!(ask(&gateway, "one").await, format!("openrouter/auto=server, {PRIMARY}"));
    assert_eq!(ask(&gateway, "one").await, PRIMARY);
}

#[tokio::test]
async fn explain_shows_what_identifies_a_conversation() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]);
    let home = tempfile::tempdir().unwrap();
    let (file, body) = (home.path().join("config.json5"), home.path().join("body.json"));
    let explain = async |setup: &Setup, request: &Value| {
        std::fs::write(&file, setup.text()).unwrap();
        std::fs::write(&body, request.to_string()).unwrap();
        let mut explain = command(home.path(), ["explain", "default", "--json", "--config"]);
        explain.arg(&file).arg("--body").arg(&body);
        run(explain).await.json()["note"].clone()
    };
    assert_eq!(explain(&setup, &question(false)).await, Value::Null);
    let session = setup.set("failover.returnToPrimary", json!("session"));
    let note = explain(&session, &question(false)).await;
    assert!(note.as_str().unwrap().contains("this request has none of"), "{note}");
    let mut named = question(false);
    named["prompt_cache_key"] = json!("session_1");
    let note = explain(&session, &named).await;
    assert!(note.as_str().unwrap().ends_with("; prompt_cache_key identifies this one"), "{note}");
}
