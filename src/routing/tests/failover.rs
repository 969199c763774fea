//! Which target is called, and when it is called again.

use std::time::Duration;

use serde_json::json;

use super::script::Reply;
use super::{Answer, Fixture, RequestError};
use crate::failure::Reason;

pub(super) const GOOD: Reply = Reply::Body(
    200,
    r#"{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#,
);
pub(super) const DOWN: Reply = Reply::Body(500, r#"{"error":{"message":"boom","type":"server_error"}}"#);
const BUSY: Reply = Reply::Body(
    429,
    r#"{"error":{"message":"The engine is currently overloaded, please try again later","type":"engine_overloaded_error"}}"#,
);
pub(super) const WRONG: Reply = Reply::Body(
    400,
    r#"{"error":{"message":"Invalid request: messages must not be empty","type":"invalid_request_error"}}"#,
);
const FILTERED: Reply = Reply::Body(
    400,
    r#"{"error":{"message":"The request was rejected because it was considered high risk","type":"content_filter"}}"#,
);

#[tokio::test(start_paused = true)]
async fn tries_a_failing_target_twice_and_then_the_next() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(DOWN).then(DOWN).then(GOOD);
    assert_eq!(
        fixture.attempts(false).await,
        "moonshot/kimi-k3=server, moonshot/kimi-k3=server, openrouter/auto=ok"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rested_primary_is_skipped_then_probed_and_is_back_at_once() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fixture.script.then(BUSY).then(GOOD).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=overloaded, openrouter/auto=ok");
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=cooling_down, openrouter/auto=ok");
    tokio::time::advance(Duration::from_secs(31)).await;
    fixture.script.then(GOOD).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=ok");
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=ok");
}

#[tokio::test(start_paused = true)]
async fn a_used_up_budget_rests_until_its_reset_a_week_at_most() {
    let text = json!({
        "agents": {"defaults": {"model": {"primary": "openrouter/auto", "fallbacks": ["moonshot/kimi-k3"]}}},
        "models": {"providers": {
            "moonshot": {"apiKey": "sk-moonshot-000000"},
            "openrouter": {"apiKey": "sk-or-v1-000000"},
        }},
    });
    let fixture = Fixture::with(&text.to_string(), &[]);
    let ask = || async {
        let body = json!({"model": "openrouter/auto", "messages": [{"role": "user", "content": "hi"}]});
        match fixture.send(&body).await {
            Ok(Answer::Complete { attempts, .. }) => crate::record::render_attempts_header(&attempts),
            _ => panic!("it is answered"),
        }
    };
    let spent = r#"{"error":{"code":403,"message":"Budget limit exceeded","metadata":{"limit_source":"openrouter_workspace_budget","resets_at":"9999-01-01T00:00:00Z"}}}"#;
    fixture.script.then(Reply::Body(403, spent)).then(GOOD).then(GOOD).then(GOOD);
    assert_eq!(ask().await, "openrouter/auto=quota, moonshot/kimi-k3=ok");
    let day = Duration::from_hours(24);
    tokio::time::advance(6 * day).await;
    assert_eq!(ask().await, "openrouter/auto=cooling_down, moonshot/kimi-k3=ok");
    tokio::time::advance(2 * day).await;
    assert_eq!(ask().await, "openrouter/auto=ok");
}

#[tokio::test(start_paused = true)]
async fn a_long_retry_after_goes_to_the_next_and_sets_the_rest() {
    let fixture = Fixture::new(&json!({}));
    let body = r#"{"error":{"message":"slow down","type":"rate_limit_reached_error"}}"#;
    fixture.script.then(Reply::Wait(429, "90", body)).then(GOOD).then(GOOD).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=rate_limit, openrouter/auto=ok");
    tokio::time::advance(Duration::from_secs(80)).await;
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=cooling_down, openrouter/auto=ok");
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=ok");
}

#[tokio::test(start_paused = true)]
async fn invalid_request_is_sent_once() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(WRONG);
    let refusal = fixture.ask(false).await.err().unwrap();
    let RequestError::AttemptsFailed { failure, reference, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!((failure.reason, reference.as_str()), (Reason::BadRequest, "moonshot/kimi-k3"));
    assert_eq!(failure.message, "Invalid request: messages must not be empty");
    assert_eq!(fixture.script.hosts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_filter_moves_on_and_rests_nothing() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(FILTERED).then(GOOD).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=content_filter, openrouter/auto=ok");
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=ok");
}

#[tokio::test(start_paused = true)]
async fn when_all_refuse_the_client_gets_the_primarys_own_error() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fixture.script.then(FILTERED).then(DOWN);
    let refusal = fixture.ask(true).await.err().unwrap();
    let RequestError::AttemptsFailed { failure, attempts, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!(failure.reason, Reason::ContentFilter);
    assert_eq!(attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn when_all_rest_the_one_that_recovers_first_is_tried_all_the_same() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fixture.script.then(Reply::Refused).then(Reply::Refused).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=network, openrouter/auto=network");
    tokio::time::advance(Duration::from_secs(1)).await;
    let attempts = fixture.attempts(false).await;
    assert!(attempts.ends_with("=ok"), "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_provider_is_left_when_its_clock_runs_out() {
    let fixture = Fixture::new(&json!({"timeouts": {"headSeconds": 5}, "keepAliveSeconds": 60}));
    fixture.script.then(Reply::Silent).then(Reply::Events(vec![(0, super::streams::HELLO)]));
    let began = tokio::time::Instant::now();
    assert_eq!(fixture.attempts(true).await, "moonshot/kimi-k3=timeout, openrouter/auto=ok");
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn one_deadline_holds_for_all_attempts() {
    let fixture = Fixture::new(&json!({"timeouts": {"totalSeconds": 8}}));
    fixture.script.then(Reply::Silent);
    let began = tokio::time::Instant::now();
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=timeout");
    assert_eq!(began.elapsed(), Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn every_request_leaves_one_record() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(GOOD);
    let answer = fixture.ask(false).await.ok().unwrap();
    assert!(matches!(answer, Answer::Complete { .. }));
    let records = fixture.records.lock().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].served_by.as_deref(), Some("moonshot/kimi-k3"));
    assert!(!records[0].client_disconnected);
    assert_eq!(fixture.relay.state().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusals_body_that_does_not_come_costs_five_seconds() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fixture.script.then(Reply::Stalled(429, "90")).then(GOOD);
    let began = tokio::time::Instant::now();
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=rate_limit, openrouter/auto=ok");
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_nothing_does_not_end_the_rest() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    let body = r#"{"error":{"message":"slow down","type":"rate_limit_reached_error"}}"#;
    fixture.script.then(Reply::Wait(429, "0", body)).then(GOOD).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=rate_limit, openrouter/auto=ok");
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=cooling_down, openrouter/auto=ok");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_repeats_our_key_does_not_tell_it_to_the_client() {
    let fixture = Fixture::with(
        "{ agents: { defaults: { model: 'own/m' } }, models: { providers: { own: {
             baseUrl: 'https://own.example/v1', apiKey: 'tok3nWithoutPrefix99', models: [{ id: 'm', name: 'M' }] } } } }",
        &[],
    );
    let body = r#"{"error":{"message":"Incorrect API key provided: tok3nWithoutPrefix99","type":"invalid_api_key"}}"#;
    fixture.script.then(Reply::Body(401, body));
    let question = json!({"model": "own/m", "messages": [{"role": "user", "content": "hi"}]});
    let refusal = fixture.send(&question).await.err().unwrap();
    let shown = format!("{refusal} {refusal:?} {:?}", fixture.records.lock().unwrap());
    assert!(shown.contains("Incorrect API key provided: …") && !shown.contains("tok3n"), "{shown}");
}

#[tokio::test]
async fn what_cannot_be_a_name_is_refused_before_it_is_looked_up() {
    let fixture = Fixture::new(&json!({}));
    for name in [String::new(), "x".repeat(257), "openrouter/a\nforged".to_owned()] {
        let question = json!({"model": name, "messages": []});
        let refusal = fixture.send(&question).await.err().unwrap();
        assert!(matches!(refusal, RequestError::InvalidModel), "{refusal}");
    }
    assert!(fixture.script.hosts().is_empty());
}
