//! What a turn stores: its session and its cost, and no key.

use serde_json::{Value, json};

use super::desk::{Desk, bodies, count};
use crate::common::{Provider, Setup, Upstream};
use crate::failover::faults;

/// The configuration of that page, as far as the test needs it.
fn seed(upstream: &Upstream) -> Setup {
    Setup::of(json!({
        "env": { "MOONSHOT_API_KEY": Provider::Moonshot.key() },
        "agents": { "defaults": { "model": { "primary": "moonshot/kimi-k2.6" } } },
        "models": { "mode": "merge", "providers": { "moonshot": {
            "baseUrl": format!("{}/moonshot/v1", upstream.base()),
            "apiKey": "${MOONSHOT_API_KEY}",
            "api": "openai-completions",
            "models": [{
                "id": "kimi-k2.6", "name": "Kimi K2.6", "reasoning": false, "input": ["text", "image"],
                "cost": { "input": 0.95, "output": 4, "cacheRead": 0.16, "cacheWrite": 0 },
                "contextWindow": 262_144, "maxTokens": 262_144,
            }],
        } } },
    }))
}

/// The smoke test of OpenClaw's page about Moonshot, in our names.
#[tokio::test]
async fn the_smoke_test_of_the_seed_reports_provider_model_and_cost() {
    let upstream = Upstream::start().await;
    let desk = Desk::with(&seed(&upstream));
    let reported = desk
        .reported(&[
            "--local",
            "--session-id",
            "live-kimi-cost",
            "--message",
            "Reply exactly: KIMI_LIVE_OK",
            "--thinking",
            "off",
        ])
        .await;
    assert_eq!(
        (&reported["ok"], &reported["provider"], &reported["model"]),
        (&json!(true), &json!("moonshot"), &json!("kimi-k2.6"))
    );
    assert_eq!(reported["payloads"], json!([{ "text": "KIMI_LIVE_OK" }]), "{reported}");
    assert_eq!(
        (&reported["sessionId"], &reported["fallbackUsed"]),
        (&json!("live-kimi-cost"), &json!(false))
    );
    let attempt = &reported["attempts"][0];
    assert_eq!(
        (&attempt["provider"], &attempt["model"], &attempt["result"]),
        (&json!("moonshot"), &json!("kimi-k2.6"), &json!("ok"))
    );
    assert!(attempt["ms"].as_f64().unwrap() > 0.0, "{reported}");

    let entry = desk.transcript("live-kimi-cost").pop().unwrap();
    let said = &entry["message"];
    assert_eq!(
        (&said["role"], &said["provider"], &said["model"]),
        (&json!("assistant"), &json!("moonshot"), &json!("kimi-k2.6"))
    );
    assert_eq!(said["usage"], reported["usage"]);
    let usage = &said["usage"];
    let tokens = |key: &str| usage[key].as_f64().unwrap();
    let expected = (tokens("input") * 0.95 + tokens("output") * 4.0 + tokens("cacheRead") * 0.16) / 1e6;
    assert!((usage["cost"]["total"].as_f64().unwrap() - expected).abs() < 1e-12 && expected > 0.0, "{usage}");
    assert_eq!(
        bodies(&upstream).await[0]["thinking"],
        json!({ "type": "disabled" }),
        "no thinking was asked for"
    );

    // `usage` includes the turn although no gateway ran.
    let usage =
        crate::common::process::run(desk.command(&["usage", "--by", "client", "--json"])).await.json();
    assert_eq!(
        (&usage["rows"][0]["key"], &usage["rows"][0]["requests"]),
        (&json!("moonrelay"), &json!(1)),
        "{usage}"
    );
}

#[tokio::test]
async fn a_session_goes_on_where_it_was() {
    let upstream = Upstream::start().await;
    let desk = Desk::chain(&upstream, &[Provider::Moonshot]);
    for message in ["Reply exactly: first answer", "Reply exactly: second answer"] {
        desk.reported(&["--local", "--session-id", "t1", "-m", message]).await;
    }
    let bodies = bodies(&upstream).await;
    let of = |body: &Value| body["messages"].as_array().unwrap().len();
    assert_eq!((of(&bodies[0]), of(&bodies[1])), (1, 3), "{bodies:?}");
    assert_eq!((count(&bodies[1], "Reply exactly: first"), count(&bodies[1], "\"first answer\"")), (1, 1));
    assert_eq!(desk.transcript("t1").len(), 5, "a header, and two turns");

    let fresh = desk.reported(&["--local", "-m", "Reply exactly: third"]).await;
    let id = fresh["sessionId"].as_str().unwrap();
    assert!(id != "t1" && desk.transcript(id).len() == 3, "{fresh}");
}

#[tokio::test]
async fn a_fallback_hears_the_message_once() {
    let upstream = Upstream::start().await;
    let chain = [Provider::Moonshot, Provider::OpenRouter];
    let (beside, _gateway) = Desk::beside(Setup::chain(&upstream, &chain)).await;
    let alone = Desk::chain(&upstream, &chain);
    for (desk, arguments) in [(&alone, &["--local"][..]), (&beside, &[])] {
        upstream.forget().await;
        upstream.fault(faults::documented(Provider::Moonshot, "overloaded")).await;
        let reported =
            desk.reported(&[arguments, &["--session-id", "f", "-m", "what is UNIQUE_1"]].concat()).await;
        upstream.no_faults().await;
        assert_eq!(
            (&reported["provider"], &reported["fallbackUsed"]),
            (&json!("openrouter"), &json!(true)),
            "{reported}"
        );
        let results: Vec<&str> = reported["attempts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tried| tried["result"].as_str().unwrap())
            .collect();
        assert_eq!(results, ["overloaded", "ok"], "{reported}");
        assert!(
            reported["usage"]["cost"]["total"].as_f64().unwrap() > 0.0,
            "OpenRouter reports its own cost: {reported}"
        );
        let bodies = bodies(&upstream).await;
        assert_eq!(bodies.len(), 2);
        for body in &bodies {
            assert_eq!(count(body, "what is UNIQUE_1"), 1, "{body}");
            assert_eq!(
                body["messages"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|message| message["role"] == "user")
                    .count(),
                1
            );
        }
        let said = desk.transcript("f").pop().unwrap();
        assert_eq!(said["message"]["provider"], json!("openrouter"), "{said}");
    }
}

#[tokio::test]
async fn no_key_is_reported_by_a_turn_or_kept_of_it() {
    let upstream = Upstream::start().await;
    let token = "t-secret-token-0123";
    let setup = Setup::chain(&upstream, &Provider::ALL)
        .set("gateway.auth", json!({ "mode": "token", "token": token }));
    let (desk, mut gateway) = Desk::beside(setup).await;
    let mut reported = String::new();
    upstream.fault(json!({ "provider": "moonshot", "kind": "status", "value": 401 })).await;
    for place in [&["--local"][..], &[]] {
        reported.push_str(&desk.ask(&[place, &["-m", "hi", "--json"]].concat()).await.both());
    }
    reported.push_str(&desk.ask(&["-m", "x", "--explain"]).await.both());
    let log = gateway.serving.stop().await;
    assert!(log.contains("attempts=moonshot/kimi-k3=auth"), "{log}");
    reported.push_str(&log);
    for name in desk.sessions() {
        reported.push_str(&std::fs::read_to_string(desk.state().join("sessions").join(name)).unwrap());
    }
    assert!(reported.contains("\"ok\": true"), "{reported}");
    for secret in Provider::ALL.map(Provider::key).iter().chain([&token]) {
        assert!(!reported.contains(secret), "{secret} in {reported}");
    }
    let mode = |path: std::path::PathBuf| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    let one = desk.sessions().pop().unwrap();
    assert_eq!(
        (mode(desk.state().join("sessions")), mode(desk.state().join("sessions").join(one))),
        (0o700, 0o600)
    );
}

#[tokio::test]
async fn what_is_paid_in_yuan_is_kept_in_yuan() {
    let upstream = Upstream::start().await;
    let desk = Desk::with(&Setup::of(json!({
        "agents": { "defaults": { "model": "moonshot-cn/kimi-k2.6" } },
        "models": { "providers": { "moonshot-cn": {
            "baseUrl": format!("{}/moonshot/v1", upstream.base()), "apiKey": Provider::Moonshot.key(),
        } } },
    })));
    let reported = desk.reported(&["--local", "--session-id", "y", "-m", "hi"]).await;
    let total = &reported["usage"]["cost"]["total"];
    assert!(reported["currency"] == "CNY" && total.as_f64().unwrap() > 0.0, "{reported}");
    let cost = &desk.transcript("y").pop().unwrap()["message"]["usage"]["cost"];
    assert_eq!((&cost["currency"], &cost["total"]), (&json!("CNY"), total));
    let listed = crate::common::process::run(desk.command(&["sessions", "list", "--json"])).await.json();
    assert_eq!(listed["sessions"][0]["cost"], json!({ "CNY": total }), "{listed}");
}
