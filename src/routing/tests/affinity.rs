//! `returnToPrimary: "session"`: a conversation that failed over stays, other conversations do not, and only
//! until a cooldown.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::failover::{DOWN, GOOD};
use super::{Fixture, attempts, request};
use crate::config::{self, Environment};
use crate::routing::ClientRequest;

const PRIMARY: &str = "moonshot/kimi-k3=ok";
const FALLBACK: &str = "openrouter/auto=ok";
/// Longer than the first step of a cooldown.
const RESTED: Duration = Duration::from_secs(31);

fn fixture() -> Fixture {
    Fixture::new(&json!({"attemptsPerTarget": 1, "returnToPrimary": "session"}))
}

/// A request with these fields and this header more.
fn asked(fields: &Value, header: Option<(&'static str, &'static str)>) -> ClientRequest {
    let mut body = json!({"model": "moonshot/kimi-k3", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let mut request = request(&body);
    if let Some((name, value)) = header {
        request.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    request
}

fn session(name: &'static str) -> ClientRequest {
    asked(&json!({}), Some(("x-session-id", name)))
}

async fn ask(fixture: &Fixture, request: ClientRequest) -> String {
    fixture.script.then(GOOD);
    attempts(&fixture.relay.answer(request).await)
}

/// The primary fails this request, and has rested when this returns.
async fn fall_back(fixture: &Fixture, request: ClientRequest) {
    fixture.script.then(DOWN);
    assert_eq!(ask(fixture, request).await, format!("moonshot/kimi-k3=server, {FALLBACK}"));
    tokio::time::advance(RESTED).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_names_the_conversation_keeps_it_where_it_was_answered() {
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
        let one = || asked(&fields, header.map(|name| (name, "one")));
        fall_back(&fixture, one()).await;
        for _ in 0..2 {
            assert_eq!(ask(&fixture, one()).await, FALLBACK, "{fields} {header:?}");
        }
        let other = fields.as_object().unwrap().keys().map(|key| (key.clone(), json!("two"))).collect();
        let two = asked(&Value::Object(other), header.map(|name| (name, "two")));
        assert_eq!(ask(&fixture, two).await, PRIMARY, "another one: {fields} {header:?}");
        assert_eq!(ask(&fixture, asked(&none, None)).await, PRIMARY, "one without a name");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_names_no_conversation_stays_nowhere() {
    for fields in [json!({}), json!({"user": ""}), json!({"user": null, "prompt_cache_key": 7})] {
        let fixture = fixture();
        fall_back(&fixture, asked(&fields, None)).await;
        assert_eq!(ask(&fixture, asked(&fields, None)).await, PRIMARY, "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_its_target_rests_it_falls_back_as_usual_and_stays_with_who_answers_then() {
    let fixture = fixture();
    fall_back(&fixture, session("one")).await;
    fixture.script.then(DOWN);
    assert_eq!(ask(&fixture, session("one")).await, "openrouter/auto=server, moonshot/kimi-k3=ok");
    tokio::time::advance(RESTED).await;
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY, "it is at home with the primary again");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_rests_for_somebody_else_is_not_stayed_with() {
    let fixture = fixture();
    fall_back(&fixture, session("one")).await;
    fixture.script.then(DOWN);
    let body = json!({"model": "openrouter/auto", "messages": [{"role": "user", "content": "hi"}]});
    assert!(fixture.send(&body).await.is_err());
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY);
}

#[tokio::test(start_paused = true)]
async fn clients_and_requested_names_are_kept_apart() {
    let fixture = fixture();
    let client = |name: &str| ClientRequest { client: Some(name.to_owned()), ..session("one") };
    fall_back(&fixture, client("laptop")).await;
    assert_eq!(ask(&fixture, client("desktop")).await, PRIMARY);
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY);
    let other_name = ClientRequest {
        client: Some("laptop".to_owned()),
        ..asked(&json!({"model": "default"}), Some(("x-session-id", "one")))
    };
    assert_eq!(ask(&fixture, other_name).await, PRIMARY);
    assert_eq!(ask(&fixture, client("laptop")).await, FALLBACK);
}

#[tokio::test(start_paused = true)]
async fn fallback_off_asks_the_primary_and_changes_nothing() {
    let fixture = fixture();
    fall_back(&fixture, session("one")).await;
    let only = ClientRequest { is_fallback_disabled: true, ..session("one") };
    assert_eq!(ask(&fixture, only).await, PRIMARY);
    assert_eq!(ask(&fixture, session("one")).await, FALLBACK);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_answered_is_where_the_cache_is_warm() {
    let fixture = Fixture::new(&json!({"returnToPrimary": "session", "hedgeAfterMs": 5000}));
    fixture.script.then(super::script::Reply::Silent);
    assert_eq!(ask(&fixture, session("one")).await, format!("moonshot/kimi-k3=cancelled, {FALLBACK}"));
    assert_eq!(ask(&fixture, session("one")).await, FALLBACK);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_it_where_the_target_is_the_same() {
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
    fixture.relay.replace_settings(settings("sk-or-v1-000000"), None);
    assert_eq!(ask(&fixture, session("one")).await, FALLBACK);
    fixture.relay.replace_settings(settings("sk-or-v1-111111"), None);
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY);
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_everybody_is_back_at_once() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fall_back(&fixture, session("one")).await;
    assert_eq!(ask(&fixture, session("one")).await, PRIMARY);
}
