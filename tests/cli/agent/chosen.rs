//! What a turn sends: model, reasoning effort, message, workspace.

use serde_json::json;

use super::desk::{Desk, bodies};
use crate::common::{Provider, Setup, Upstream};

#[tokio::test]
async fn a_wrong_name_or_level_is_refused_before_anything_is_written() {
    let upstream = Upstream::start().await;
    let desk = Desk::chain(&upstream, &[Provider::Moonshot]);
    for (arguments, code, kind, says) in [
        (&["--model", "moonshot/kimi-k9"][..], 1, "unknown_model", "moonshot/kimi-k3"),
        (
            &["--model", "moonshot/kimi-k2.6", "--thinking", "high"],
            1,
            "thinking_unsupported",
            "use one of: off, on",
        ),
        (
            &["--model", "kimi/kimi-for-coding", "--thinking", "off"],
            1,
            "thinking_unsupported",
            "use one of: low, high, max",
        ),
        (&["--thinking", "lots"], 2, "usage", "--thinking lots"),
        (&["--session-id", "../x"], 1, "session_error", "is not a session id"),
    ] {
        let ended = desk.ask(&[&["--local", "-m", "hi", "--json"], arguments].concat()).await;
        assert_eq!(
            (ended.code, &ended.json()["error"]["type"]),
            (Some(code), &json!(kind)),
            "{}",
            ended.both()
        );
        assert!(ended.json()["error"]["message"].as_str().unwrap().contains(says), "{}", ended.both());
    }
    assert!(bodies(&upstream).await.is_empty() && desk.sessions().is_empty(), "{:?}", desk.sessions());
}

#[tokio::test]
async fn a_level_reaches_each_model_as_it_takes_it() {
    let upstream = Upstream::start().await;
    let desk = Desk::chain(&upstream, &Provider::ALL);
    for (model, level, expected) in [
        ("moonshot/kimi-k2.6", "off", json!([{ "type": "disabled" }, null])),
        ("moonshot/kimi-k2.7-code", "on", json!([null, null])),
        ("moonshot/kimi-k3", "max", json!([{ "type": "adaptive" }, "max"])),
        ("moonshot/kimi-k3", "off", json!([{ "type": "disabled" }, null])),
        ("kimi/kimi-for-coding", "low", json!([{ "type": "adaptive" }, "low"])),
        ("openrouter/auto", "minimal", json!([{ "type": "adaptive" }, "low"])),
    ] {
        upstream.forget().await;
        desk.reported(&["--local", "-m", "hi", "--model", model, "--thinking", level]).await;
        let body = bodies(&upstream).await.remove(0);
        assert_eq!(
            json!([body["thinking"], body["output_config"]["effort"]]),
            expected,
            "{model} {level}: {body}"
        );
    }
    // Switched on, K2.6 has a budget, within the answer's limit.
    upstream.forget().await;
    desk.reported(&["--local", "-m", "hi", "--model", "moonshot/kimi-k2.6", "--thinking", "on"]).await;
    let body = bodies(&upstream).await.remove(0);
    assert_eq!(body["thinking"]["type"], "enabled", "{body}");
    // A chain is asked for no more than each of its models supports.
    assert!(body["max_tokens"].as_u64().unwrap() <= 32_768, "{body}");
}

#[tokio::test]
async fn a_message_comes_from_a_flag_or_a_pipe_and_words_move_no_cursor() {
    let upstream = Upstream::start().await;
    let desk = Desk::chain(&upstream, &[Provider::Moonshot]);
    for arguments in [&["--local", "-m", "-"][..], &["--local"]] {
        let ended = desk.pipe("Reply exactly: \u{1b}]0;x\u{7}päng\n".as_bytes(), arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "␛]0;x␇päng\n"), "{}", ended.both());
    }
    for (message, arguments, code) in [
        (&b" \n"[..], &["--local"][..], 2),
        (b"\xff\xfe", &["--local"], 1),
        (b"x", &["--local", "-m", ""], 2),
    ] {
        let ended = desk.pipe(message, arguments).await;
        assert_eq!(ended.code, Some(code), "{}", ended.both());
    }
    assert_eq!(bodies(&upstream).await.len(), 2);
}

#[tokio::test]
async fn workspace_is_the_system_prompt_and_explain_sends_no_request() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("SOUL.md"), "Speak softly.").unwrap();
    std::fs::write(folder.path().join("AGENTS.md"), "Be brief.\n").unwrap();
    std::fs::write(folder.path().join("TOOLS.md"), [0xff]).unwrap();
    let workspace = json!(folder.path());
    let setup = Setup::chain(&upstream, &[Provider::Kimi]).set("agents.defaults.workspace", workspace);
    let desk = Desk::with(&setup);
    let expected = "# AGENTS.md\n\nBe brief.\n\n# SOUL.md\n\nSpeak softly.";

    let explained = desk.ask(&["--explain", "--json", "-m", "hi", "--thinking", "max"]).await;
    assert_eq!(explained.code, Some(0), "{}", explained.both());
    assert!(explained.stderr.contains("TOOLS.md: it is not UTF-8"), "{}", explained.both());
    let value = explained.json();
    assert_eq!((&value["systemPrompt"], &value["thinking"]), (&json!(expected), &json!("max")), "{value}");
    assert_eq!(value["sources"][0]["bytes"], json!(10), "{value}");
    assert_eq!(value["plan"]["targets"][0]["reference"], json!("kimi/kimi-for-coding"), "{value}");
    let shown = desk.ask(&["--explain"]).await;
    assert!(
        shown.stdout.contains("AGENTS.md  10 bytes") && shown.stdout.contains("Speak softly."),
        "{}",
        shown.both()
    );
    assert!(bodies(&upstream).await.is_empty() && desk.sessions().is_empty());

    for _ in 0..2 {
        let ended = desk.ask(&["--local", "-m", "hi"]).await;
        assert!(ended.code == Some(0) && ended.stderr.contains("TOOLS.md"), "{}", ended.both());
    }
    let requests = upstream.requests().await;
    assert_eq!(requests[0]["body"], requests[1]["body"], "the same bytes");
    assert_eq!(bodies(&upstream).await[0]["system"], json!(expected));
    // Kimi Code rejects this client on its OpenAI API; its Messages API has no such check.
    assert_eq!(requests[0]["path"], json!("/kimi/coding/v1/messages"));
    let agent =
        requests[0]["headers"].as_array().unwrap().iter().find(|pair| pair[0] == "user-agent").unwrap();
    assert!(agent[1].as_str().unwrap().starts_with("moonrelay/"), "{agent}");
}

#[tokio::test]
async fn without_any_key_it_is_the_configuration_that_is_wrong() {
    let desk = Desk::with(&Setup::of(json!({})));
    let ended = desk.ask(&["--local", "-m", "hi", "--json"]).await;
    assert_eq!(
        (ended.code, &ended.json()["error"]["type"]),
        (Some(78), &json!("invalid_config")),
        "{}",
        ended.both()
    );
}
