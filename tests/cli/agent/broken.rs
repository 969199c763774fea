//! Interrupted turns: they are never reported as complete, and the partial answer is stored.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::desk::{Desk, bodies, count};
use crate::common::process::signal;
use crate::common::{Provider, Setup, Upstream};
use crate::failover::faults;

#[tokio::test]
async fn when_all_fail_it_is_json_too_and_the_next_turn_does_not_ask_again() {
    let upstream = Upstream::start().await;
    let chain = [Provider::Moonshot, Provider::OpenRouter];
    let (beside, _gateway) = Desk::beside(Setup::chain(&upstream, &chain)).await;
    let alone = Desk::chain(&upstream, &chain);
    for (desk, place) in [(&alone, &["--local"][..]), (&beside, &[])] {
        upstream.fault(json!({ "kind": "status", "value": 500 })).await;
        let ended = desk.ask(&[place, &["--session-id", "a", "-m", "LOST_1", "--json"]].concat()).await;
        upstream.no_faults().await;
        assert_eq!(ended.code, Some(1), "{}", ended.both());
        let reported = ended.json();
        assert_eq!(
            (&reported["ok"], &reported["error"]["type"], &reported["sessionId"]),
            (&json!(false), &json!("server"), &json!("a"))
        );
        let attempts = reported["attempts"].as_array().unwrap();
        assert!(
            attempts.len() == 2 && attempts.iter().all(|tried| tried["result"] == "server"),
            "{reported}"
        );
        assert!(reported["payloads"] == json!([]) && reported["provider"].is_null(), "{reported}");
        let last = desk.transcript("a").pop().unwrap();
        assert_eq!(
            (&last["message"]["stopReason"], &last["message"]["provider"]),
            (&json!("error"), &json!("moonshot"))
        );
        assert!(last["message"]["errorMessage"].is_string(), "{last}");
    }
    // The cooldowns are in the gateway; a separate process does not know them.
    upstream.forget().await;
    alone.reported(&["--local", "--session-id", "a", "-m", "FOUND_1"]).await;
    let body = bodies(&upstream).await.remove(0);
    assert_eq!((count(&body, "LOST_1"), count(&body, "FOUND_1")), (0, 1), "{body}");
    let plain = alone.ask(&["--local", "-m", "x", "--model", "absent/x"]).await;
    assert!(plain.stdout.is_empty() && plain.stderr.starts_with("moonrelay: "), "{}", plain.both());
}

#[tokio::test]
async fn a_broken_stream_is_no_success_and_its_part_is_kept() {
    let upstream = Upstream::start().await;
    let alone = Desk::chain(&upstream, &[Provider::Moonshot]);
    for kind in ["truncate", "error_chunk_after"] {
        // A failure causes a cooldown, so each kind has its own gateway.
        let (beside, _gateway) = Desk::beside(Setup::chain(&upstream, &[Provider::Moonshot])).await;
        for (desk, place) in [(&alone, &["--local"][..]), (&beside, &[])] {
            upstream.fault(json!({ "provider": "moonshot", "kind": kind, "value": 12 })).await;
            let ended = desk
                .ask(&[place, &["--session-id", kind, "-m", "reply with 120 words", "--json"]].concat())
                .await;
            upstream.no_faults().await;
            assert_eq!(ended.code, Some(1), "{kind}: {}", ended.both());
            let reported = ended.json();
            let word = reported["error"]["type"].as_str().unwrap();
            assert!(["truncated", "server"].contains(&word), "{reported}");
            let part = reported["payloads"][0]["text"].as_str().unwrap();
            assert!(part.starts_with("the moon relays"), "{reported}");
            let last = desk.transcript(kind).pop().unwrap();
            assert_eq!(last["message"]["stopReason"], json!("error"), "{last}");
            assert_eq!(text(&last), part);
        }
    }
}

fn text(entry: &Value) -> String {
    let blocks = entry["message"]["content"].as_array().unwrap().iter();
    blocks.filter_map(|block| block["text"].as_str()).collect()
}

#[tokio::test]
async fn ctrl_c_cancels_upstream_and_keeps_what_came() {
    let upstream = Upstream::start().await;
    upstream.fault(faults::never_ending(Provider::Moonshot)).await;
    let (beside, _gateway) = Desk::beside(Setup::chain(&upstream, &[Provider::Moonshot])).await;
    let alone = Desk::chain(&upstream, &[Provider::Moonshot]);
    for (turn, (desk, place)) in [(&alone, &["--local"][..]), (&beside, &[])].into_iter().enumerate() {
        let arguments =
            [place, &["--session-id", "c", "--thinking", "off", "-m", "reply with 400 words"]].concat();
        let mut child = desk.agent(&arguments).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut came = vec![0; 8];
        stdout.read_exact(&mut came).await.unwrap();
        signal("-INT", child.id().unwrap()).await;
        stdout.read_to_end(&mut came).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("stopped"), "{said}");
        upstream.cancelled(turn as u64 + 1, 30_000).await;
        let last = desk.transcript("c").pop().unwrap();
        assert_eq!(
            (&last["message"]["stopReason"], &last["message"]["model"]),
            (&json!("aborted"), &json!("kimi-k3"))
        );
        assert_eq!(text(&last), String::from_utf8(came).unwrap().trim_end_matches('\n'), "{last}");
    }
}

#[tokio::test]
async fn ctrl_c_before_the_first_word_ends_the_turn_too() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "no_head" })).await;
    let desk = Desk::chain(&upstream, &[Provider::Moonshot]);
    let child = desk.agent(&["--local", "--session-id", "c", "-m", "hi", "--json"]).spawn().unwrap();
    upstream.total(1).await;
    signal("-INT", child.id().unwrap()).await;
    let output = child.wait_with_output().await.unwrap();
    let reported: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &reported["error"]["type"]),
        (Some(1), &json!("aborted")),
        "{reported}"
    );
    assert_eq!(reported["attempts"][0]["result"], json!("cancelled"), "{reported}");
    assert_eq!(desk.transcript("c").pop().unwrap()["message"]["stopReason"], json!("aborted"));
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_answer() {
    let upstream = Upstream::start().await;
    upstream.fault(faults::slow_drip(Provider::Moonshot)).await;
    let desk = Desk::chain(&upstream, &[Provider::Moonshot]);
    let arguments = ["--local", "--session-id", "p", "--thinking", "off", "-m", "reply with 4000 words"];
    let mut child = desk.agent(&arguments).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 8]).await.unwrap();
    drop(stdout);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!String::from_utf8(output.stderr).unwrap().contains("panicked"));
    upstream.cancelled(1, 30_000).await;
    assert_eq!(desk.transcript("p").pop().unwrap()["message"]["stopReason"], json!("aborted"));
}

#[tokio::test]
async fn an_answer_that_cannot_be_kept_is_reported_all_the_same() {
    let upstream = Upstream::start().await;
    upstream.fault(faults::slow_drip(Provider::Moonshot)).await;
    let desk = Desk::chain(&upstream, &[Provider::Moonshot]);
    let arguments =
        ["--local", "--session-id", "gone", "--thinking", "off", "-m", "reply with 120 words", "--json"];
    let child = desk.agent(&arguments).spawn().unwrap();
    upstream.total(1).await;
    std::fs::remove_file(desk.state().join("sessions/gone.jsonl")).unwrap();
    let output = child.wait_with_output().await.unwrap();
    let reported: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &reported["error"]["type"]),
        (Some(1), &json!("session_error")),
        "{reported}"
    );
    assert!(reported["payloads"][0]["text"].as_str().unwrap().starts_with("the moon relays"), "{reported}");
    assert_eq!(
        (&reported["provider"], reported["usage"].is_object()),
        (&json!("moonshot"), true),
        "{reported}"
    );
}

#[tokio::test]
async fn explain_does_not_wait_for_a_turn() {
    let upstream = Upstream::start().await;
    upstream.fault(faults::never_ending(Provider::Moonshot)).await;
    let desk = Desk::chain(&upstream, &[Provider::Moonshot]);
    let mut child = desk.agent(&["--local", "--session-id", "h", "-m", "hi"]).spawn().unwrap();
    upstream.total(1).await;
    let path = desk.state().join("sessions/h.jsonl");
    let before = std::fs::read(&path).unwrap();
    let explained = desk.ask(&["--explain", "--session-id", "h", "-m", "x", "--json"]).await;
    assert_eq!(explained.code, Some(0), "{}", explained.both());
    assert_eq!(child.try_wait().unwrap(), None, "the turn goes on");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    child.kill().await.unwrap();
}
