//! Which target is called, and when it is called again.

use std::time::Duration;

use serde_json::{Value, json};

use super::script::Reply;
use super::{Answer, ClientRequest, Fixture, RequestError, attempts, request};
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
async fn failing_target_is_tried_twice_then_fails_over() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(DOWN).then(DOWN).then(GOOD);
    assert_eq!(
        fixture.attempts(false).await,
        "moonshot/kimi-k3=server, moonshot/kimi-k3=server, openrouter/auto=ok"
    );
}

#[tokio::test(start_paused = true)]
async fn bare_400_of_kimi_code_is_retried_once() {
    let bare =
        Reply::Body(400, r#"{"error":{"message":"Invalid request Error","type":"invalid_request_error"}}"#);
    let text = json!({
        "agents": {"defaults": {"model": {"primary": "kimi/kimi-for-coding", "fallbacks": ["openrouter/auto"]}}},
        "models": {"providers": {"kimi": {"apiKey": "sk-kimi-000000"}, "openrouter": {"apiKey": "sk-or-v1-000000"}}},
        "failover": {"attemptsPerTarget": 4},
    });
    let ask = json!({"model": "default", "messages": [{"role": "user", "content": "hi"}]});
    for (replies, expected) in [
        (vec![bare.clone(), GOOD], "kimi/kimi-for-coding=bad_request, kimi/kimi-for-coding=ok"),
        (
            vec![bare.clone(), bare, GOOD],
            "kimi/kimi-for-coding=bad_request, kimi/kimi-for-coding=bad_request, openrouter/auto=ok",
        ),
    ] {
        let fixture = Fixture::with(&text.to_string(), &[]);
        replies.into_iter().for_each(|reply| _ = fixture.script.then(reply));
        assert_eq!(attempts(&fixture.send(&ask).await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn answer_that_is_only_an_image_is_an_answer() {
    let whole = r#"{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},"finish_reason":"stop"}]}"#;
    let chunk = "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"images\":[{\"type\":\"image_url\"}]},\"finish_reason\":null}]}\n\n";
    let end = "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    for (is_streaming, reply) in
        [(false, Reply::Body(200, whole)), (true, Reply::Events(vec![(0, chunk), (0, end)]))]
    {
        let fixture = Fixture::new(&json!({}));
        fixture.script.then(reply);
        assert_eq!(fixture.attempts(is_streaming).await, "moonshot/kimi-k3=ok");
    }
}

#[tokio::test(start_paused = true)]
async fn restricted_request_skips_providers_that_cannot_promise_it() {
    let demands = [
        json!({"zdr": true}),
        json!({"data_collection": "deny"}),
        json!({"only": ["fireworks"]}),
        json!({"order": ["fireworks"], "allow_fallbacks": false}),
        json!({"max_price": {"prompt": 1}}),
    ];
    let ask = |provider: &Value| json!({"model": "moonshot/kimi-k3", "messages": [], "provider": provider});
    for demand in demands {
        let fixture = Fixture::new(&json!({}));
        fixture.script.then(GOOD);
        let tried = attempts(&fixture.send(&ask(&demand)).await);
        assert_eq!(tried, "moonshot/kimi-k3=provider_restricted, openrouter/auto=ok", "{demand}");
    }
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(GOOD);
    assert_eq!(attempts(&fixture.send(&ask(&json!({"sort": "price"}))).await), "moonshot/kimi-k3=ok");
    let ends = ClientRequest { is_fallback_disabled: true, ..request(&ask(&json!({"zdr": true}))) };
    let refused = fixture.engine.answer(ends).await;
    assert!(matches!(refused, Err(RequestError::NoUsableTarget { .. })), "it is not sent anywhere");
}

#[tokio::test(start_paused = true)]
async fn primary_in_cooldown_is_skipped_then_probed() {
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
async fn used_up_budget_causes_a_cooldown_of_a_week_at_most() {
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
async fn long_retry_after_fails_over_and_sets_the_cooldown() {
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
    let error = fixture.ask(false).await.err().unwrap();
    let RequestError::AttemptsFailed { failure, reference, .. } = error else { panic!("{error:?}") };
    assert_eq!((failure.reason, reference.as_str()), (Reason::BadRequest, "moonshot/kimi-k3"));
    assert_eq!(failure.message, "Invalid request: messages must not be empty");
    assert_eq!(fixture.script.hosts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn content_filter_fails_over_without_cooldown() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(FILTERED).then(GOOD).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=content_filter, openrouter/auto=ok");
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=ok");
}

#[tokio::test(start_paused = true)]
async fn all_failures_report_the_primary() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fixture.script.then(FILTERED).then(DOWN);
    let error = fixture.ask(true).await.err().unwrap();
    let RequestError::AttemptsFailed { failure, attempts, .. } = error else { panic!("{error:?}") };
    assert_eq!(failure.reason, Reason::ContentFilter);
    assert_eq!(attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_in_cooldown_tries_the_first_to_recover() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fixture.script.then(Reply::Refused).then(Reply::Refused).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=network, openrouter/auto=network");
    tokio::time::advance(Duration::from_secs(1)).await;
    let attempts = fixture.attempts(false).await;
    assert!(attempts.ends_with("=ok"), "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn silent_provider_times_out_and_fails_over() {
    let fixture = Fixture::new(&json!({"timeouts": {"headSeconds": 5}, "keepAliveSeconds": 60}));
    fixture.script.then(Reply::Silent).then(Reply::Events(vec![(0, super::streams::HELLO)]));
    let started = tokio::time::Instant::now();
    assert_eq!(fixture.attempts(true).await, "moonshot/kimi-k3=timeout, openrouter/auto=ok");
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn deadline_covers_all_attempts() {
    let fixture = Fixture::new(&json!({"timeouts": {"totalSeconds": 8}}));
    fixture.script.then(Reply::Silent);
    let started = tokio::time::Instant::now();
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=timeout");
    assert_eq!(started.elapsed(), Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn each_request_has_one_record() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(GOOD);
    let answer = fixture.ask(false).await.ok().unwrap();
    assert!(matches!(answer, Answer::Complete { .. }));
    let records = fixture.records.lock().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].served_by.as_deref(), Some("moonshot/kimi-k3"));
    assert!(!records[0].client_disconnected);
    assert_eq!(fixture.engine.state().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn missing_error_body_is_awaited_for_five_seconds() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fixture.script.then(Reply::Stalled(429, "90")).then(GOOD);
    let started = tokio::time::Instant::now();
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=rate_limit, openrouter/auto=ok");
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn retry_after_zero_keeps_the_cooldown() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    let body = r#"{"error":{"message":"slow down","type":"rate_limit_reached_error"}}"#;
    fixture.script.then(Reply::Wait(429, "0", body)).then(GOOD).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=rate_limit, openrouter/auto=ok");
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=cooling_down, openrouter/auto=ok");
}

#[tokio::test(start_paused = true)]
async fn key_in_an_error_message_is_redacted() {
    let fixture = Fixture::with(
        "{ agents: { defaults: { model: 'own/m' } }, models: { providers: { own: {
             baseUrl: 'https://own.example/v1', apiKey: 'tok3nWithoutPrefix99', models: [{ id: 'm', name: 'M' }] } } } }",
        &[],
    );
    let body = r#"{"error":{"message":"Incorrect API key provided: tok3nWithoutPrefix99","type":"invalid_api_key"}}"#;
    fixture.script.then(Reply::Body(401, body));
    let question = json!({"model": "own/m", "messages": [{"role": "user", "content": "hi"}]});
    let error = fixture.send(&question).await.err().unwrap();
    let shown = format!("{error} {error:?} {:?}", fixture.records.lock().unwrap());
    assert!(shown.contains("Incorrect API key provided: …") && !shown.contains("tok3n"), "{shown}");
}

#[tokio::test]
async fn invalid_model_name_is_rejected() {
    let fixture = Fixture::new(&json!({}));
    for name in [String::new(), "x".repeat(257), "openrouter/a\nforged".to_owned()] {
        let question = json!({"model": name, "messages": []});
        let error = fixture.send(&question).await.err().unwrap();
        assert!(matches!(error, RequestError::InvalidModel), "{error}");
    }
    assert!(fixture.script.hosts().is_empty());
}
