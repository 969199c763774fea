//! Turns through a gateway, and `GET /requests/{id}`.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::desk::Desk;
use crate::common::{Answer, Provider, Setup, Upstream, prompt};
use crate::failover::faults;

#[tokio::test]
async fn a_turn_without_its_gateway_says_what_to_do_and_writes_nothing() {
    let upstream = Upstream::start().await;
    let (desk, gateway) = Desk::beside(Setup::chain(&upstream, &[Provider::Moonshot])).await;
    drop(gateway);
    let ended = desk.ask(&["-m", "hi", "--json"]).await;
    assert_eq!(
        (ended.code, &ended.json()["error"]["type"]),
        (Some(1), &json!("gateway_down")),
        "{}",
        ended.both()
    );
    let message = ended.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("moonrelay gateway start") && message.contains("--local"), "{message}");
    assert!(desk.sessions().is_empty());
}

#[tokio::test]
async fn a_gateway_reports_the_same_of_a_turn_as_its_own_process_would() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot])
        .set("gateway.auth", json!({ "mode": "token", "tokens": { "laptop": "t-0123456789" } }));
    let (desk, gateway) = Desk::beside(setup).await;
    let through = desk.reported(&["-m", "Reply exactly: ok"]).await;
    let local = desk.reported(&["--local", "-m", "Reply exactly: ok"]).await;
    for key in ["provider", "model", "fallbackUsed", "payloads", "usage", "currency", "stopReason"] {
        assert_eq!(through[key], local[key], "{key}");
    }
    assert!(through["attempts"][0]["ms"].as_f64().unwrap() > 0.0, "{through}");
    assert!(through["usage"]["cost"]["total"].as_f64().unwrap() > 0.0, "{through}");
    let requests = upstream.requests().await;
    assert_eq!(requests[0]["body"], requests[1]["body"]);

    // A wrong token is rejected with the name of the setting, and the model is not called.
    let wrong = Desk::with(
        &Setup::chain(&upstream, &[Provider::Moonshot])
            .set(
                "gateway.port",
                gateway.serving.authority().rsplit(':').next().unwrap().parse::<u16>().unwrap().into(),
            )
            .set("gateway.auth", json!({ "mode": "token", "token": "t-another" })),
    );
    let refused = wrong.ask(&["-m", "hi", "--json"]).await;
    assert_eq!(
        (refused.code, &refused.json()["error"]["type"]),
        (Some(1), &json!("auth")),
        "{}",
        refused.both()
    );
    assert!(
        refused.stdout.contains("gateway.auth") && !refused.stdout.contains("t-another"),
        "{}",
        refused.both()
    );
}

#[tokio::test]
async fn a_unix_socket_serves_turns_too() {
    let upstream = Upstream::start().await;
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("moon.sock");
    let setup = Setup::chain(&upstream, &[Provider::Kimi]).set(
        "gateway",
        json!({ "bind": format!("unix:{}", socket.display()), "auth": { "token": "t-0123456789" } }),
    );
    let desk = Desk::with(&setup);
    let down = desk.ask(&["-m", "hi"]).await;
    assert!(
        down.code == Some(1) && down.stderr.contains("cannot reach a gateway at unix:"),
        "{}",
        down.both()
    );
    let mut serving = desk.command(&["gateway", "run"]).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stderr.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().unwrap().contains("listening on unix:") {}
    let reported = desk.reported(&["-m", "Reply exactly: over a socket"]).await;
    assert_eq!(reported["payloads"], json!([{ "text": "over a socket" }]), "{reported}");
    assert!(
        reported["attempts"][0]["ms"].as_f64().unwrap() > 0.0,
        "its record came over the socket: {reported}"
    );
}

#[tokio::test]
async fn a_request_is_reported_by_its_id() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter])
        .set("gateway.auth", json!({ "mode": "token", "token": "t-0123456789" }));
    let gateway = setup.start().await;
    upstream.fault(faults::documented(Provider::Moonshot, "overloaded")).await;
    let body = prompt("default", "hello", true).to_string();
    let asked =
        gateway.chat_request(body).header("authorization", "Bearer t-0123456789").send().await.unwrap();
    let answer = Answer::read(asked).await;
    let id = answer.headers["x-moonrelay-request-id"].to_str().unwrap().to_owned();
    let path = format!("/requests/{id}");
    assert_eq!(gateway.get(&path).await.status, 401, "behind the token, as /status");
    let ask = |path: String| {
        let request = gateway.request(reqwest::Method::GET, &path).header("x-api-key", "t-0123456789");
        async move { Answer::read(request.send().await.unwrap()).await }
    };
    let reported = ask(path).await;
    assert_eq!(reported.status, 200, "{}", reported.text());
    let reported: Value = serde_json::from_str(&reported.text()).unwrap();
    for (key, value) in [
        ("id", json!(id)),
        ("requested", json!("default")),
        ("answered", json!("openrouter/auto")),
        ("face", json!("openai-completions")),
        ("called", json!("openai-completions")),
        ("outcome", json!("ok")),
        ("streamed", json!(true)),
        ("currency", json!("USD")),
    ] {
        assert_eq!(reported[key], value, "{reported}");
    }
    let results: Vec<&Value> =
        reported["attempts"].as_array().unwrap().iter().map(|tried| &tried["result"]).collect();
    assert_eq!(results, ["overloaded", "ok"], "{reported}");
    assert!(reported["attempts"][0]["detail"].as_str().unwrap().contains("overloaded"), "{reported}");
    assert!(
        reported["tookMs"].as_f64().unwrap() >= reported["attempts"][1]["tookMs"].as_f64().unwrap(),
        "{reported}"
    );
    assert_eq!(reported["cost"], reported["attempts"][1]["cost"], "{reported}");
    assert!(
        reported["usage"]["output"].as_u64().unwrap() > 0 && reported["cost"].as_f64().unwrap() > 0.0,
        "{reported}"
    );

    let none = ask("/requests/nothing".to_owned()).await;
    let error: Value = serde_json::from_str(&none.text()).unwrap();
    assert_eq!((none.status, &error["error"]["code"]), (404, &json!("no_such_request")), "{error}");
}
