//! Keys that end while a gateway serves.

use futures_util::future::join_all;
use serde_json::json;

use super::{KIMI, contains_no_secret, gateway, let_it_end_in, logged_in, secrets, setup, stored, upstream};
use crate::common::process::PATIENCE;
use crate::common::{Gateway, prompt};

/// Waits until this many requests are active.
async fn busy(gateway: &Gateway, count: u64) {
    let until = async {
        while gateway.get("/status").await.json()["inFlight"] != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, until).await.expect("they come");
}

#[tokio::test]
async fn fifty_requests_with_an_expired_token_cause_one_refresh() {
    let upstream = upstream().await;
    let setup = setup(&upstream).set("logging.level", json!("trace"));
    let mut gateway = gateway(&upstream, setup).await;
    let first = secrets(gateway.home());
    let_it_end_in(gateway.home(), -1);
    upstream.order(json!({ "hold": true })).await;
    let asked = prompt(KIMI, "Say hello", false);
    let all = join_all((0..50).map(|_| gateway.chat(&asked)));
    let release = async {
        // All of them wait for it, and the server has not answered yet.
        busy(&gateway, 50).await;
        assert_eq!(upstream.get("/_oauth?waitRefreshes=1").await["refreshes"], 1);
        upstream.order(json!({ "hold": false })).await;
    };
    let (answers, ()) = tokio::join!(all, release);
    for answer in answers {
        assert_eq!((answer.status, answer.attempts()), (200, "kimi/kimi-for-coding=ok"), "{}", answer.text());
    }
    let office = upstream.office().await;
    assert_eq!((&office["refreshes"], &office["refreshed"]), (&json!(1), &json!(1)));
    let next = secrets(gateway.home());
    assert!(first[0] != next[0] && first[1] != next[1], "both are new, and kept");
    assert_eq!(super::mode(&super::tokens(gateway.home())), 0o600);
    let reported = gateway.serving.stop().await;
    assert_eq!(reported.matches("attempts=kimi/kimi-for-coding=ok").count(), 50, "{reported}");
    contains_no_secret(gateway.home(), &reported);
    assert!(!reported.contains(&first[0]), "nor an old one");
}

#[tokio::test]
async fn two_processes_with_one_login_cause_one_refresh() {
    let upstream = upstream().await;
    let one = gateway(&upstream, setup(&upstream)).await;
    let state = one.home().join("state");
    let state = state.join("moonrelay");
    let two = setup(&upstream).environment("STATE_DIRECTORY", state.to_str().unwrap()).start().await;
    for round in 1..=3 {
        let_it_end_in(one.home(), -1);
        upstream.order(json!({ "hold": true })).await;
        let asked = prompt(KIMI, "Say hello", false);
        let both = join_all([&one, &two, &one, &two].map(|gateway| gateway.chat(&asked)));
        let release = async {
            busy(&one, 2).await;
            busy(&two, 2).await;
            upstream.get(&format!("/_oauth?waitRefreshes={round}")).await;
            upstream.order(json!({ "hold": false })).await;
        };
        let (answers, ()) = tokio::join!(both, release);
        for answer in answers {
            assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", answer.text());
        }
        // A second one with the same token would have been refused: it is good once.
        let office = upstream.office().await;
        assert_eq!((&office["refreshes"], &office["refreshed"]), (&json!(round), &json!(round)));
    }
}

#[tokio::test]
async fn token_is_refreshed_ahead_without_delaying_requests() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, setup(&upstream)).await;
    let_it_end_in(gateway.home(), 100);
    let old = stored(gateway.home());
    upstream.order(json!({ "hold": true })).await;
    let answer = gateway.chat(&prompt(KIMI, "Say hello", false)).await;
    assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "the old one is good still");
    assert_eq!(upstream.get("/_oauth?waitRefreshes=1").await["refreshed"], 0);
    assert_eq!(stored(gateway.home())["accessToken"], old["accessToken"]);
    // A gateway at shutdown waits for the answer: the old refresh token is no longer valid.
    crate::common::process::signal("-TERM", gateway.serving.pid()).await;
    let mut gateway = gateway;
    gateway.serving.said("shutting down").await;
    upstream.order(json!({ "hold": false })).await;
    gateway.serving.ended().await;
    assert_ne!(stored(gateway.home())["refreshToken"], old["refreshToken"]);
    assert_eq!(stored(gateway.home())["login"], old["login"]);
}

#[tokio::test]
async fn rejected_token_is_refreshed_and_the_request_retried() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, setup(&upstream)).await;
    upstream.order(json!({ "endTokens": true })).await;
    let answer = gateway.chat(&prompt(KIMI, "Say hello", true)).await;
    assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", answer.text());
    assert_eq!(upstream.office().await["refreshed"], 1);
    let statuses: Vec<_> =
        upstream.requests().await.iter().map(|request| request["status"].clone()).collect();
    assert_eq!(statuses, [json!(401), json!(200)]);
    // A key that is never taken is not refreshed for ever.
    upstream.forget().await;
    upstream.fault(json!({ "provider": "kimi", "kind": "invalid_key" })).await;
    let answer = gateway.chat(&prompt(KIMI, "Say hello", false)).await;
    assert_eq!(answer.attempts(), "kimi/kimi-for-coding=auth, openrouter/auto=ok", "{}", answer.text());
    assert_eq!(upstream.office().await["refreshed"], 2);
    assert_eq!(upstream.requests().await.len(), 3, "two of kimi, one of openrouter");
}

#[tokio::test]
async fn unreachable_oauth_server_fails_over_when_the_token_expires() {
    let upstream = upstream().await;
    let mut gateway = gateway(&upstream, setup(&upstream)).await;
    upstream.order(json!({ "refreshes": ["503", "reset", "503"] })).await;
    let_it_end_in(gateway.home(), 100);
    let answer = gateway.chat(&prompt(KIMI, "Say hello", false)).await;
    assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", answer.text());
    upstream.get("/_oauth?waitRefreshes=1").await;
    let_it_end_in(gateway.home(), -1);
    let answer = gateway.chat(&prompt(KIMI, "Say hello", false)).await;
    assert_eq!(answer.attempts(), "kimi/kimi-for-coding=network, openrouter/auto=ok", "{}", answer.text());
    let reported = gateway.serving.stop().await;
    assert!(reported.contains(answer.header("x-moonrelay-request-id")), "{reported}");
    contains_no_secret(gateway.home(), &reported);
}

#[tokio::test]
async fn expired_login_disables_its_provider_until_the_next_login() {
    let upstream = upstream().await;
    let mut gateway = gateway(&upstream, setup(&upstream)).await;
    upstream.order(json!({ "refreshes": ["invalid_grant"] })).await;
    let_it_end_in(gateway.home(), -1);
    let answer = gateway.chat(&prompt(KIMI, "Say hello", false)).await;
    assert_eq!(answer.attempts(), "kimi/kimi-for-coding=auth, openrouter/auto=ok", "{}", answer.text());
    gateway.serving.has_said("reloaded; chain").await;
    let status = gateway.status().await;
    let kimi = status["providers"].as_array().unwrap().iter().find(|each| each["id"] == "kimi").unwrap();
    assert_eq!(kimi["state"], "off", "{kimi}");
    let why =
        "the login has ended (invalid_grant); log in again: moonrelay onboard --auth-choice kimi-code-oauth";
    assert_eq!(kimi["reason"], why);
    assert_eq!(upstream.office().await["refreshes"], 1, "the token is refreshed once");

    logged_in(gateway.home(), &upstream).await;
    gateway.serving.said("reloaded; chain").await;
    let answer = gateway.chat(&prompt(KIMI, "Say hello", false)).await;
    assert_eq!(
        answer.attempts(),
        "kimi/kimi-for-coding=ok",
        "no rest of the old one is left: {}",
        answer.text()
    );
}
