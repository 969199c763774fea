//! The usage database records what happened, however the process ends.

mod kept;
mod kills;
mod load;
mod trouble;

use serde_json::json;

use self::kept::Kept;
use self::load::Load;
use crate::common::process::signal;
use crate::common::raw::Raw;
use crate::common::{Answer, Provider, Setup, Upstream, prompt};

const MODEL: &str = "moonshot/kimi-k3";

#[tokio::test]
async fn entry_matches_headers_and_usage() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "kimi", "kind": "rate_limit" })).await;
    let mut gateway = Setup::chain(&upstream, &[Provider::Kimi, Provider::Moonshot]).start().await;
    let whole = gateway.chat(&prompt("default", "Say hello", false)).await;
    let stream = gateway.chat(&prompt("default", "Say hello", true)).await;
    let refused = gateway.chat(&prompt("unknown/nothing", "Say hello", false)).await;
    assert_eq!((whole.status, stream.status), (200, 200), "{}", whole.text());
    gateway.serving.stop().await;

    let kept = Kept::of(gateway.home());
    for (answer, reported, attempts) in [
        (&whole, whole.json()["usage"].clone(), "kimi/kimi-for-coding=rate_limit, moonshot/kimi-k3=ok"),
        (&stream, stream.said().usages[0].clone(), "kimi/kimi-for-coding=cooling_down, moonshot/kimi-k3=ok"),
    ] {
        assert_eq!(answer.attempts(), attempts);
        let entry = kept.request(answer.header("x-moonrelay-request-id"));
        assert_eq!(entry["outcome"], "ok");
        assert_eq!((&entry["client"], &entry["requested"]), (&json!("KimiCLI"), &json!("default")));
        assert_eq!((&entry["face"], &entry["answered"]), (&json!("openai-completions"), &json!(MODEL)));
        assert_eq!(entry["attempts"], attempts);
        let details = &reported["prompt_tokens_details"]["cached_tokens"];
        let cached = details.as_i64().or(reported["cached_tokens"].as_i64()).unwrap_or(0);
        let input = reported["prompt_tokens"].as_i64().unwrap() - cached;
        assert_eq!(entry["tokens"], json!([input, reported["completion_tokens"], cached]), "{reported}");
        assert!(entry["took"].as_i64().unwrap() >= entry["first_byte"].as_i64().unwrap());
    }
    let entry = kept.request(refused.header("x-moonrelay-request-id"));
    assert_eq!(entry["outcome"], "model_not_found", "{}", refused.text());
    // The files contain no prompt and no answer.
    for text in ["Say hello", "via moonshot", Provider::Moonshot.key()] {
        assert!(!kept.holds(text), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_of_two_gateways_on_one_file_loses_nothing() {
    let upstream = Upstream::start().await;
    let home = tempfile::tempdir().unwrap();
    let setup = Setup::chain(&upstream, &[Provider::Moonshot]);
    let setup = setup.environment("STATE_DIRECTORY", home.path().to_str().unwrap());
    let mut gateways = [setup.clone().start().await, setup.start().await];
    let mut loads = gateways.each_ref().map(|gateway| Load::on(gateway.base(), 4));
    for load in &mut loads {
        load.answers(150).await;
    }
    for gateway in &gateways {
        signal("-TERM", gateway.serving.pid()).await;
    }
    let mut answered = Vec::new();
    for (gateway, load) in gateways.iter_mut().zip(loads) {
        assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
        answered.extend(load.end().await.into_iter().flatten());
    }
    let kept = Kept::at(home.path());
    kept.is_sound();
    let there = kept.ids();
    let missing: Vec<_> = answered.iter().filter(|id| !there.contains(*id)).collect();
    assert!(missing.is_empty(), "{} of {}: {missing:?}", missing.len(), answered.len());
}

#[tokio::test]
async fn requests_cut_by_a_second_signal_are_recorded() {
    let upstream = Upstream::start().await;
    upstream.fault(crate::failover::faults::never_ending(Provider::Moonshot)).await;
    let mut gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    let asked = prompt(MODEL, "Say hello", true).to_string();
    let stream = gateway.chat_request(asked).send().await.unwrap();
    signal("-TERM", gateway.serving.pid()).await;
    gateway.serving.said("a second signal").await;
    signal("-TERM", gateway.serving.pid()).await;
    let answer = Answer::read(stream).await;
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
    let entry = Kept::of(gateway.home()).request(answer.header("x-moonrelay-request-id"));
    assert_ne!(entry["outcome"], "ok", "{entry}");
    assert!(entry["tokens"].is_array(), "what it used until then: {entry}");
}

#[tokio::test]
async fn request_with_a_stalled_reader_is_recorded_at_every_exit() {
    let upstream = Upstream::start().await;
    for signals in
        [&["a second signal", "cut off"][..], &["a second signal", "cut off", "stopped immediately"]]
    {
        let mut gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
        // A body that does not come: the process does not end before a third signal can.
        let mut half = Raw::connect(gateway.serving.authority()).await;
        half.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
            .await;
        // More than the kernel holds for a client that does not read; it is full before so many answers are out.
        let asked = prompt(MODEL, "reply with 16000000 bytes", true).to_string();
        let stream = gateway.chat_request(asked).send().await.unwrap();
        for _ in 0..200 {
            gateway.status().await;
        }
        for said in signals {
            signal("-TERM", gateway.serving.pid()).await;
            gateway.serving.said(said).await;
        }
        assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
        let id = stream.headers()["x-moonrelay-request-id"].to_str().unwrap();
        let entry = Kept::of(gateway.home()).request(id);
        assert_ne!(entry["outcome"], "ok", "{entry}");
        assert!(entry["tokens"][1].as_u64().unwrap() > 0, "what came until then: {entry}");
    }
}

#[tokio::test]
async fn disabled_usage_database_is_not_created() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot]).set("usage.store", json!("none"));
    let mut gateway = setup.start().await;
    assert_eq!(gateway.chat(&prompt(MODEL, "Say hello", false)).await.status, 200);
    let status = gateway.get("/status").await.json();
    assert_eq!(status["ledger"], json!({ "queued": 0, "written": 0, "dropped": 0, "trouble": null }));
    gateway.serving.stop().await;
    assert!(!gateway.home().join("state").exists());
}
