//! Errors of commands: a running gateway, unknown names, wrong usage.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::ChildStderr;

use crate::common::process::{Ended, PATIENCE, command, run};
use crate::common::{Provider, Setup, Upstream, prompt};
use crate::failover::faults;

/// Runs a command with this configuration.
async fn with_config(home: &Path, text: &str, arguments: &[&str]) -> Ended {
    let file = home.join("config.json5");
    std::fs::write(&file, text).unwrap();
    let mut command = command(home, arguments);
    command.arg("--config").arg(&file);
    run(command).await
}

#[tokio::test]
async fn wrong_usage_with_json_flag_prints_json() {
    let home = tempfile::tempdir().unwrap();
    for (wrong, said) in [
        (&["models", "set", "--json"][..], "REF|ALIAS"),
        (&["models", "--json"], "requires a subcommand"),
        (&["explain", "x", "--json", "--bogus"], "--bogus"),
        (&["gateway", "status", "--port", "many", "--json"], "--port"),
        (&["nonsense", "--json"], "nonsense"),
    ] {
        let ended = run(command(home.path(), wrong)).await;
        assert_eq!(ended.code, Some(2), "{wrong:?}: {}", ended.both());
        let value = ended.json();
        assert_eq!((&value["ok"], &value["error"]["type"]), (&json!(false), &json!("usage")), "{value}");
        let message = value["error"]["message"].as_str().unwrap();
        assert!(message.contains(said) && !message.contains('\n'), "{wrong:?}: {message}");
        assert!(!message.starts_with("error"), "{message}");
    }
    let name = run(command(home.path(), ["models", "set", "--bogus", "--", "--json"])).await;
    assert!(name.code == Some(2) && name.stdout.is_empty() && !name.stderr.is_empty(), "{}", name.both());
    let help = run(command(home.path(), ["models", "--help", "--json"])).await;
    assert!(help.code == Some(0) && help.stdout.contains("Usage:"), "{}", help.both());
}

#[tokio::test]
async fn closed_output_pipe_does_not_panic() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["completions", "bash"][..], &["config", "schema"], &["models", "list"]] {
        let mut child = command(home.path(), arguments).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
        let status = child.wait().await.unwrap();
        // A short output may be out before the pipe is gone.
        assert!(matches!(status.code(), Some(0 | 1)), "{arguments:?}: {status} {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn status_works_over_a_unix_socket() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("moon.sock");
    let text = json!({
        "models": {"providers": {"moonshot": {"apiKey": "sk-0123456789ab"}}},
        "gateway": {"bind": format!("unix:{}", socket.display()), "auth": {"token": "t-0123456789"}},
    })
    .to_string();
    let down = with_config(home.path(), &text, &["gateway", "status", "--json"]).await;
    assert_eq!(
        (down.code, &down.json()["error"]["type"]),
        (Some(1), &json!("gateway_down")),
        "{}",
        down.both()
    );

    let mut serving = command(home.path(), ["gateway", "run", "--config"]);
    let mut serving = serving.arg(home.path().join("config.json5")).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stderr.take().unwrap()).lines();
    line_with(&mut lines, "listening on unix:").await;

    let up = with_config(home.path(), &text, &["gateway", "status", "--json"]).await;
    assert_eq!(up.code, Some(0), "{}", up.both());
    assert_eq!(up.json()["address"], json!(format!("unix:{}", socket.display())));
    let shown = with_config(home.path(), &text, &["gateway", "status"]).await;
    assert!(shown.code == Some(0) && shown.stdout.contains("moonshot     ready"), "{}", shown.both());
    let models = with_config(home.path(), &text, &["models", "status", "--json"]).await;
    assert_eq!(models.json()["gateway"]["running"], json!(true), "{}", models.both());
}

#[tokio::test]
async fn models_status_shows_cooldowns_of_a_running_gateway() {
    let upstream = Upstream::start().await;
    let setup = || Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]);
    let gateway = setup().start().await;
    upstream.fault(faults::documented(Provider::Moonshot, "insufficient_balance")).await;
    gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", false)).await;

    let mut config: Value =
        serde_json::from_str(&std::fs::read_to_string(gateway.config()).unwrap()).unwrap();
    let port: u16 = gateway.serving.authority().rsplit(':').next().unwrap().parse().unwrap();
    config["gateway"] = json!({ "port": port });
    let home = tempfile::tempdir().unwrap();
    let text = config.to_string();
    let status = with_config(home.path(), &text, &["models", "status", "--json"]).await;
    assert_eq!(status.code, Some(0), "{}", status.both());
    let status = status.json();
    assert_eq!(status["gateway"], json!({ "running": true, "address": gateway.base() }), "{status}");
    let provider =
        |id: &str| status["providers"].as_array().unwrap().iter().find(|p| p["id"] == id).unwrap().clone();
    let moonshot = provider("moonshot");
    assert_eq!((&moonshot["state"], &moonshot["reason"]), (&json!("cooling_down"), &json!("billing")));
    assert!(moonshot["cooldownUntil"].is_u64(), "{moonshot}");
    assert_eq!(provider("openrouter")["state"], json!("on"));
    let shown = with_config(home.path(), &text, &["models", "status"]).await;
    assert!(
        shown.stdout.contains("in cooldown for ") && shown.stdout.contains(" (billing)"),
        "{}",
        shown.both()
    );

    drop(gateway);
    let none = with_config(home.path(), &text, &["models", "status"]).await;
    assert!(none.code == Some(0) && none.stdout.contains("cooldown state unavailable"), "{}", none.both());
}

#[tokio::test]
async fn gateway_and_explain_report_an_empty_chain() {
    let home = tempfile::tempdir().unwrap();
    let lab = "{models:{providers:{lab:{baseUrl:'http://localhost:1/v1'}}}}";
    for text in [lab, "{}"] {
        for arguments in [&["gateway", "run", "--port", "0"][..], &["explain", "default"]] {
            let ended = with_config(home.path(), text, arguments).await;
            assert_eq!(ended.code, Some(78), "{arguments:?}: {}", ended.both());
            assert!(ended.stderr.contains("no provider has a key"), "{}", ended.both());
        }
    }
    let with_model = lab.replace("/v1'", "/v1',models:[{id:'x'}]");
    let ended = with_config(home.path(), &with_model, &["explain", "default"]).await;
    assert!(ended.code == Some(1) && ended.stderr.contains("agents.defaults.model"), "{}", ended.both());
    let ended = with_config(home.path(), &with_model, &["explain", "lab/x"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
}

#[tokio::test]
async fn retired_model_is_reported_by_explain_and_in_the_log() {
    let home = tempfile::tempdir().unwrap();
    let text = "{models:{providers:{moonshot:{apiKey:'sk-0123456789ab'}}}}";
    let shown = with_config(home.path(), text, &["explain", "moonshot/kimi-k2.5"]).await;
    assert!(shown.stdout.contains("its successor is moonshot/kimi-k2.6"), "{}", shown.both());
    let value = with_config(home.path(), text, &["explain", "moonshot/kimi-k2.5", "--json"]).await.json();
    assert!(value["warnings"][0].as_str().unwrap().contains("moonshot/kimi-k2.6"), "{value}");
    let value = with_config(home.path(), text, &["explain", "moonshot/kimi-k3", "--json"]).await.json();
    assert_eq!(value["warnings"], json!([]), "{value}");

    let upstream = Upstream::start().await;
    let (mut command, _home) = Setup::chain(&upstream, &[Provider::Moonshot]).command();
    let mut serving = command.stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stderr.take().unwrap()).lines();
    let listening = line_with(&mut lines, "listening on ").await;
    let base = listening.split("listening on ").nth(1).unwrap().trim().to_owned();
    for model in ["moonshot/kimi-k3", "moonshot/kimi-k2.5"] {
        let request = crate::common::raw::client().post(format!("{base}/v1/chat/completions"));
        let body = prompt(model, "Say hello", false).to_string();
        request.header("content-type", "application/json").body(body).send().await.unwrap();
    }
    let warning = line_with(&mut lines, "its successor is").await;
    assert!(warning.contains("WARN") && warning.contains("moonshot/kimi-k2.6"), "{warning}");
}

/// The next line that has this in it.
async fn line_with(lines: &mut Lines<BufReader<ChildStderr>>, part: &str) -> String {
    let found = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(part) {
                return line;
            }
        }
        panic!("no line with {part:?}");
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the line comes")
}
