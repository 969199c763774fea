//! What providers report about their accounts.

use std::time::Duration;

use tokio::time::{Instant, advance};

use super::script::Reply;
use super::*;
use crate::routing::quota::ProviderQuota;

const BALANCE: &str = r#"{"code":0,"data":{"available_balance":1.5},"status":true}"#;
const KEY: &str = r#"{"data":{"limit":10,"limit_remaining":7.5,"limit_reset":null}}"#;

/// Moonshot before OpenRouter, by their ids.
fn fixture() -> Fixture {
    Fixture::new(&json!({}))
}

async fn look(fixture: &Fixture) -> Vec<(String, String)> {
    words(&fixture.engine.quotas().refresh(&fixture.engine.settings()).await)
}

fn words(quotas: &[ProviderQuota]) -> Vec<(String, String)> {
    let row = |quota: &ProviderQuota| match &quota.limits {
        Ok(reported) => {
            reported.iter().filter_map(|each| each.remaining.as_ref()).map(ToString::to_string).collect()
        }
        Err(why) => why.clone(),
    };
    quotas.iter().map(|quota| (quota.provider.clone(), row(quota))).collect()
}

fn reported(moonshot: &str, openrouter: &str) -> Vec<(String, String)> {
    vec![("moonshot".to_owned(), moonshot.to_owned()), ("openrouter".to_owned(), openrouter.to_owned())]
}

#[tokio::test(start_paused = true)]
async fn quota_is_requested_on_demand_and_cached_for_a_minute() {
    let fixture = fixture();
    assert_eq!(fixture.engine.quotas().cached(), []);
    fixture.script.then(Reply::Late(2, 200, BALANCE)).then(Reply::Late(3, 200, KEY));
    let started = Instant::now();
    let both = futures_util::future::join(look(&fixture), look(&fixture)).await;
    assert_eq!(
        both,
        (reported("1.5", "7.5"), reported("1.5", "7.5")),
        "the second waits for what the first hears"
    );
    assert_eq!(started.elapsed(), Duration::from_secs(3), "both at the same time");
    advance(Duration::from_secs(50)).await;
    assert_eq!(look(&fixture).await, reported("1.5", "7.5"));
    assert_eq!(words(&fixture.engine.quotas().cached()), reported("1.5", "7.5"));
    {
        let calls = fixture.script.calls.lock().unwrap();
        let urls: Vec<&str> = calls.iter().map(|call| &*call.url).collect();
        assert_eq!(urls, ["https://api.moonshot.ai/v1/users/me/balance", "https://openrouter.ai/api/v1/key"]);
        assert_eq!(calls[0].headers["authorization"], "Bearer sk-moonshot-000000");
        assert_eq!(calls[0].headers["user-agent"], concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
    }
    advance(Duration::from_secs(20)).await;
    fixture.script.then(Reply::Body(200, r#"{"data":{"available_balance":-2}}"#)).then(Reply::Body(200, KEY));
    assert_eq!(look(&fixture).await, reported("-2", "7.5"));
}

#[tokio::test(start_paused = true)]
async fn failed_quota_call_is_explained_without_cooldown() {
    let fixture = fixture();
    let error = r#"{"error":{"message":"Incorrect key sk-moonshot-000000 of org-abc","type":"invalid_authentication_error"}}"#;
    fixture.script.then(Reply::Body(401, error)).then(Reply::Silent);
    let started = Instant::now();
    let found = look(&fixture).await;
    assert_eq!(found, reported("auth: Incorrect key … of …", "timeout: no answer within 5 s"));
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    advance(Duration::from_secs(54)).await;
    assert_eq!(look(&fixture).await, found, "a failure is cached like an answer");
    let standings = fixture.engine.snapshot().chain_entries.into_iter().map(|link| link.status);
    assert!(standings.into_iter().all(|standing| standing.unavailable_reason().is_none()));
    assert!(fixture.records.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn stalled_or_invalid_quota_ends_at_the_timeout() {
    let fixture = fixture();
    fixture.script.then(Reply::Events(vec![(9, "{}")])).then(Reply::Body(200, "<html>"));
    let started = Instant::now();
    let expected = reported("timeout: no answer within 5 s", "server: the response is not JSON");
    assert_eq!(look(&fixture).await, expected);
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn changed_key_drops_the_cached_quota() {
    let fixture = fixture();
    fixture.script.then(Reply::Body(200, BALANCE)).then(Reply::Body(200, KEY));
    look(&fixture).await;
    let other = Fixture::with(
        &json!({"models": {"providers": {
            "moonshot": {"apiKey": "sk-moonshot-111111", "api": "anthropic-messages"},
            "openrouter": {"apiKey": "sk-or-v1-000000"},
            "own": {"baseUrl": "http://127.0.0.1:9/v1", "auth": "none", "models": [{"id": "m"}]},
        }}})
        .to_string(),
        &[],
    );
    fixture.engine.replace_settings(other.engine.settings(), None);
    assert_eq!(words(&fixture.engine.quotas().cached()), reported("1.5", "7.5")[1..]);
    fixture.script.then(Reply::Refused);
    assert_eq!(look(&fixture).await, reported("network: cannot connect", "7.5"));
    let calls = fixture.script.calls.lock().unwrap();
    assert_eq!(calls[2].url, "https://api.moonshot.ai/v1/users/me/balance");
    assert_eq!(calls[2].headers["authorization"], "Bearer sk-moonshot-111111");
}
