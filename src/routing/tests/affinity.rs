//! `returnToPrimary: "session"`: a conversation that failed over stays, other conversations do not, and only
//! until a cooldown.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::failover::{DOWN, GOOD};
use super::script::Reply;
use super::{Fixture, attempts, request};
use crate::config::{self, Environment};
use crate::routing::ClientRequest;

const PRIMARY: &str = "moonshot/kimi-k3=ok";
const FALLBACK: &str = "openrouter/auto=ok";
/// Longer than the first step of a cooldown.
const COOLDOWN: Duration = Duration::from_secs(31);

fn fixture() -> Fixture {
    Fixture::new(&json!({"attemptsPerTarget": 1, "returnToPrimary": "session"}))
}

/// A request with these additional fields and this header.
fn client_request(fields: &Value, header: Option<(&'static str, &'static str)>) -> ClientRequest {
    let mut body = json!({"model": "moonshot/kimi-k3", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let mut request = request(&body);
    if let Some((name, value)) = header {
        request.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    request
}

fn session(name: &'static str) -> ClientRequest {
    client_request(&json!({}), Some(("x-session-id", name)))
}

async fn ask(fixture: &Fixture, request: ClientRequest) -> String {
    fixture.script.then(GOOD);
    attempts(&fixture.engine.answer(request).await)
}

/// The primary fails this request, and its cooldown is over when this returns.
async fn fall_back(fixture: &Fixture, request: ClientRequest) {
    fixture.script.then(DOWN);
    assert_eq!(ask(fixture, request).await, format!("moonshot/kimi-k3=server, {FALLBACK}"));
    tokio::time::advance(COOLDOWN).await;
}

/// An answer of OpenRouter that names the provider behind it.
const FIREWORKS: Reply = Reply::Body(
    200,
    r#"{"id":"1","provider":"Fireworks","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#,
);

#[tokio::test(start_paused = true)]
async fn provider_behind_openrouter_stays_for_a_conversation() {
    let fixture = Fixture::new(&json!({}));
    let mut to_openrouter = session("one");
    to_openrouter.body =
        json!({"model": "openrouter/moonshotai/kimi-k3", "messages": [{"role": "user", "content": "hi"}]})
            .to_string()
            .into();
    let mut other = to_openrouter.clone();
    other.headers.insert("x-session-id", HeaderValue::from_static("two"));
    let mut own_choice = to_openrouter.clone();
    own_choice.body =
        json!({"model": "openrouter/auto", "provider": {"sort": "price"}, "messages": []}).to_string().into();
    for request in [to_openrouter.clone(), to_openrouter, other, own_choice] {
        fixture.script.then(FIREWORKS);
        fixture.engine.answer(request).await.ok().unwrap();
    }
    let calls = fixture.script.calls.lock().unwrap();
    let preferences = calls.iter().map(|call| {
        let body: Value = serde_json::from_slice(&call.body.concat()).unwrap();
        body["provider"].clone()
    });
    let first = |name: &str| json!({"order": [name], "allow_fallbacks": true});
    let expected = [first("moonshotai"), first("Fireworks"), first("moonshotai"), json!({"sort": "price"})];
    assert_eq!(preferences.collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn named_conversation_stays_with_the_target_that_answered() {
    let none = json!({});
    for (fields, header) in [
        (none.clone(), Some("x-session-id")),
        (none.clone(), Some("x-session-affinity")),
        (none.clone(), Some("x-claude-code-session-id")),
        (none.clone(), Some("session-id")),
        (json!({"prompt_cache_key": "one"}), None),
        (json!({"user": "one"}), None),
    ] {
        let fixture = fixture();
        let one = || client_request(&fields, header.map(|name| (name, "one")));
        fall_back(&fixture, one()).await;
        for _ in 0..2 {
            assert_eq!(ask(&fixture, one()).await, FALLBACK, "{fields} {header:?}");
        }
        let other = fields.as_object().unwrap().keys().map(|key| (key.clone(), json!("two"))).collect();
        let two = client_request(&Value::Object(other), header.map(|name| (name, "two")));
        assert_eq!(ask(&fixture, two).await, PRIMARY, "another conversation: {fields} {header:?}");
        assert_eq!(ask(&fixture, client_request(&none, None)).await, PRIMARY, "an unnamed conversation");
    }
}

#[tokio::test(start_paused = true)]
async fn unnamed_conversation_has_no_affinity() {
    for fields in [json!({}), json!({"user": ""}), json!({"user": null, "prompt_cache_key": 7})] {
        let fixture = fixture();
        fall_back(&fixture, client_request(&fields, None)).await;
        assert_eq!(ask(&fixture, client_request(&fields, None)).await, PRIMARY, "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn failed_affinity_target_is_replaced_by_the_next() {
    let fixture = fixture();
    fall_back(&fixture, session("one")).await;
    fixture.script.then(DOWN);
    assert_eq!(ask(&fixture, session("one")).await, "openrouter/auto=server, moonshot/kimi-k3=ok");
    tokio::time::advance(COOLDOWN).await;
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY, "the primary answered last");
}

#[tokio::test(start_paused = true)]
async fn affinity_target_in_cooldown_is_not_used() {
    let fixture = fixture();
    fall_back(&fixture, session("one")).await;
    fixture.script.then(DOWN);
    let body = json!({"model": "openrouter/auto", "messages": [{"role": "user", "content": "hi"}]});
    assert!(fixture.send(&body).await.is_err());
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY);
}

#[tokio::test(start_paused = true)]
async fn affinity_is_separate_for_clients_and_model_names() {
    let fixture = fixture();
    let client = |name: &str| ClientRequest { client: Some(name.to_owned()), ..session("one") };
    fall_back(&fixture, client("laptop")).await;
    assert_eq!(ask(&fixture, client("desktop")).await, PRIMARY);
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY);
    let other_name = ClientRequest {
        client: Some("laptop".to_owned()),
        ..client_request(&json!({"model": "default"}), Some(("x-session-id", "one")))
    };
    assert_eq!(ask(&fixture, other_name).await, PRIMARY);
    assert_eq!(ask(&fixture, client("laptop")).await, FALLBACK);
}

#[tokio::test(start_paused = true)]
async fn fallback_off_calls_the_primary_and_keeps_affinity() {
    let fixture = fixture();
    fall_back(&fixture, session("one")).await;
    let only = ClientRequest { is_fallback_disabled: true, ..session("one") };
    assert_eq!(ask(&fixture, only).await, PRIMARY);
    assert_eq!(ask(&fixture, session("one")).await, FALLBACK);
}

#[tokio::test(start_paused = true)]
async fn hedge_winner_gets_the_affinity() {
    let fixture = Fixture::new(&json!({"returnToPrimary": "session", "hedgeAfterMs": 5000}));
    fixture.script.then(super::script::Reply::Silent);
    assert_eq!(ask(&fixture, session("one")).await, format!("moonshot/kimi-k3=cancelled, {FALLBACK}"));
    assert_eq!(ask(&fixture, session("one")).await, FALLBACK);
}

#[tokio::test(start_paused = true)]
async fn reload_keeps_affinity_to_unchanged_targets() {
    let settings = |key: &str| {
        let text = json!({
            "agents": {"defaults": {"model": {"primary": "moonshot/kimi-k3", "fallbacks": ["openrouter/auto"]}}},
            "models": {"providers": {
                "moonshot": {"apiKey": "sk-moonshot-000000"}, "openrouter": {"apiKey": key},
            }},
            "failover": {"attemptsPerTarget": 1, "returnToPrimary": "session", "keepAliveSeconds": 20},
        });
        Arc::new(config::from_text(&text.to_string(), None, &Environment::default()).unwrap())
    };
    let fixture = fixture();
    fall_back(&fixture, session("one")).await;
    fixture.engine.replace_settings(settings("sk-or-v1-000000"), None);
    assert_eq!(ask(&fixture, session("one")).await, FALLBACK);
    fixture.engine.replace_settings(settings("sk-or-v1-111111"), None);
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY);
}

#[tokio::test(start_paused = true)]
async fn without_affinity_the_primary_is_used_again() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fall_back(&fixture, session("one")).await;
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY);
}
