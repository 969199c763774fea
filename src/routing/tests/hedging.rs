//! Hedging: the next target is called while the first is silent. It causes no failure and no cooldown.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::failover::{DOWN, GOOD, WRONG};
use super::script::Reply;
use super::streams::{HELLO, ROLE};
use super::{Fixture, RequestError, attempts, read, request};
use crate::failure::Reason;

const OK: &str = match GOOD {
    Reply::Body(_, text) => text,
    _ => "",
};
const BAD: &str = match WRONG {
    Reply::Body(_, text) => text,
    _ => "",
};
const BOOM: &str = match DOWN {
    Reply::Body(_, text) => text,
    _ => "",
};

/// One attempt for each target; the next one is called after five seconds.
fn settings() -> Value {
    json!({"attemptsPerTarget": 1, "hedgeAfterMs": 5000})
}

/// Moonshot, OpenRouter, Kimi Code.
fn three() -> Fixture {
    three_with(&settings())
}

fn three_with(failover: &Value) -> Fixture {
    let text = json!({
        "agents": {"defaults": {"model":
            {"primary": "moonshot/kimi-k3", "fallbacks": ["openrouter/auto", "kimi/kimi-for-coding"]}}},
        "models": {"providers": {
            "moonshot": {"apiKey": "sk-moonshot-000000"},
            "openrouter": {"apiKey": "sk-or-v1-000000"},
            "kimi": {"apiKey": "sk-kimi-000000"},
        }},
        "failover": failover,
    });
    Fixture::with(&text.to_string(), &[])
}

/// The attempts, and how many seconds the answer took.
async fn timed(fixture: &Fixture) -> (String, u64) {
    let started = Instant::now();
    (fixture.attempts(false).await, started.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn silent_target_is_hedged_without_cooldown() {
    let fixture = Fixture::new(&settings());
    for _ in 0..2 {
        fixture.script.then(Reply::Silent).then(Reply::Late(2, 200, OK));
        assert_eq!(timed(&fixture).await, ("moonshot/kimi-k3=cancelled, openrouter/auto=ok".to_owned(), 7));
    }
    let record = fixture.records.lock().unwrap().pop().unwrap();
    assert_eq!(record.served_by.as_deref(), Some("openrouter/auto"));
    assert_eq!(record.attempts.len(), 2);
    let cost = record.attempts[0].usage.unwrap();
    assert!(cost.is_estimated && cost.input > 0 && cost.output == 0, "what it may have cost: {cost:?}");
}

#[tokio::test(start_paused = true)]
async fn first_target_may_win_against_the_hedge() {
    let fixture = Fixture::new(&settings());
    fixture.script.then(Reply::Late(8, 200, OK)).then(Reply::Silent);
    assert_eq!(timed(&fixture).await, ("openrouter/auto=cancelled, moonshot/kimi-k3=ok".to_owned(), 8));
}

#[tokio::test(start_paused = true)]
async fn timely_answer_needs_no_hedge() {
    let fixture = Fixture::new(&settings());
    fixture.script.then(Reply::Late(4, 200, OK));
    assert_eq!(timed(&fixture).await, ("moonshot/kimi-k3=ok".to_owned(), 4));
}

#[tokio::test(start_paused = true)]
async fn remaining_attempt_is_awaited_after_a_failure() {
    for (first, second, expected, seconds) in [
        (Reply::Late(8, 200, OK), DOWN, "openrouter/auto=server, moonshot/kimi-k3=ok", 8),
        (
            Reply::Late(7, 500, BOOM),
            Reply::Late(4, 200, OK),
            "moonshot/kimi-k3=server, openrouter/auto=ok",
            9,
        ),
    ] {
        let fixture = Fixture::new(&settings());
        fixture.script.then(first).then(second);
        assert_eq!(timed(&fixture).await, (expected.to_owned(), seconds));
        assert_eq!(fixture.script.hosts().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn target_in_retry_delay_is_hedged() {
    let fixture =
        Fixture::new(&json!({"hedgeAfterMs": 5000, "backoff": {"initialMs": 60_000, "maxMs": 60_000}}));
    fixture.script.then(DOWN).then(GOOD);
    let expected = "moonshot/kimi-k3=server, openrouter/auto=ok";
    assert_eq!(
        timed(&fixture).await,
        (expected.to_owned(), 5),
        "nothing was under way that could be cancelled"
    );
}

#[tokio::test(start_paused = true)]
async fn failed_attempt_is_replaced_and_at_most_two_run() {
    let fixture = three();
    fixture.script.then(Reply::Silent).then(DOWN).then(Reply::Late(1, 200, OK));
    let expected = "openrouter/auto=server, moonshot/kimi-k3=cancelled, kimi/kimi-for-coding=ok";
    assert_eq!(timed(&fixture).await, (expected.to_owned(), 6));
    let fixture = three();
    fixture.script.then(Reply::Late(60, 200, OK)).then(Reply::Late(30, 200, OK));
    assert_eq!(timed(&fixture).await, ("moonshot/kimi-k3=cancelled, openrouter/auto=ok".to_owned(), 35));
    let fixture = three();
    fixture.script.then(Reply::Late(8, 500, BOOM)).then(Reply::Silent).then(GOOD);
    let expected = "moonshot/kimi-k3=server, openrouter/auto=cancelled, kimi/kimi-for-coding=ok";
    assert_eq!(timed(&fixture).await, (expected.to_owned(), 10), "silent since 5 s, so the third at 10 s");
}

#[tokio::test(start_paused = true)]
async fn two_failures_report_the_first_target() {
    let fixture = Fixture::new(&settings());
    let limited = r#"{"error":{"message":"slow down","type":"rate_limit_reached_error"}}"#;
    fixture.script.then(Reply::Late(8, 429, limited)).then(DOWN);
    let error = fixture.ask(false).await;
    assert_eq!(attempts(&error), "openrouter/auto=server, moonshot/kimi-k3=rate_limit");
    let Err(RequestError::AttemptsFailed { failure, reference, .. }) = error else { panic!("it is refused") };
    assert_eq!((failure.reason, reference.as_str()), (Reason::RateLimit, "moonshot/kimi-k3"));
}

#[tokio::test(start_paused = true)]
async fn request_rejected_by_the_hedge_may_be_answered_by_the_first() {
    let fixture = three();
    fixture.script.then(Reply::Late(8, 200, OK)).then(WRONG);
    assert_eq!(timed(&fixture).await, ("openrouter/auto=bad_request, moonshot/kimi-k3=ok".to_owned(), 8));
    let fixture = three();
    fixture.script.then(Reply::Late(8, 500, BOOM)).then(WRONG);
    let error = fixture.ask(false).await.err().unwrap();
    let RequestError::AttemptsFailed { failure, reference, .. } = error else { panic!("{error:?}") };
    assert_eq!((failure.reason, reference.as_str()), (Reason::BadRequest, "openrouter/auto"));
    let fixture = three();
    fixture.script.then(Reply::Late(8, 400, BAD)).then(Reply::Silent);
    let answered = timed(&fixture).await;
    assert_eq!(answered, ("moonshot/kimi-k3=bad_request, openrouter/auto=cancelled".to_owned(), 8));
}

#[tokio::test(start_paused = true)]
async fn first_meaningful_event_wins() {
    let fixture = Fixture::new(&settings());
    fixture.script.then(Reply::Events(vec![(0, ROLE), (600, HELLO)])).then(Reply::Events(vec![(3, HELLO)]));
    let (text, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(attempts, "moonshot/kimi-k3=cancelled, openrouter/auto=ok");
    assert_eq!(text, HELLO, "no event of the cancelled target");
}

#[tokio::test(start_paused = true)]
async fn record_contains_the_interrupted_stream() {
    let fixture = Fixture::new(&settings());
    fixture.script.then(Reply::Silent).then(Reply::Cut(vec![(0, super::streams::WORD)]));
    read(fixture.ask(true).await.ok().unwrap()).await;
    let record = fixture.records.lock().unwrap().pop().unwrap();
    let attempts = crate::record::render_attempts_header(&record.attempts);
    assert_eq!(attempts, "moonshot/kimi-k3=cancelled, openrouter/auto=truncated");
}

#[tokio::test(start_paused = true)]
async fn fallback_off_disables_hedging() {
    let fixture = Fixture::new(&settings());
    fixture.script.then(Reply::Late(60, 200, OK));
    let body = json!({"model": "moonshot/kimi-k3", "messages": [{"role": "user", "content": "hi"}]});
    let mut asked = request(&body);
    asked.is_fallback_disabled = true;
    assert_eq!(attempts(&fixture.engine.answer(asked).await), "moonshot/kimi-k3=ok");
}

#[tokio::test(start_paused = true)]
async fn cancelled_probe_admits_the_next_request() {
    let fixture = Fixture::new(&settings());
    fixture.script.then(DOWN).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=server, openrouter/auto=ok");
    tokio::time::advance(Duration::from_secs(31)).await;
    fixture.script.then(Reply::Silent).then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=cancelled, openrouter/auto=ok");
    fixture.script.then(GOOD);
    assert_eq!(fixture.attempts(false).await, "moonshot/kimi-k3=ok");
}

#[tokio::test(start_paused = true)]
async fn target_in_cooldown_is_not_a_hedge() {
    let fixture = three();
    let limited = r#"{"error":{"message":"Rate limit exceeded","code":429}}"#;
    fixture.script.then(Reply::Wait(429, "600", limited)).then(GOOD);
    let body = json!({"model": "openrouter/auto", "messages": [{"role": "user", "content": "hi"}]});
    let limited_attempts = attempts(&fixture.send(&body).await);
    assert_eq!(limited_attempts, "openrouter/auto=rate_limit, kimi/kimi-for-coding=ok");
    fixture.script.then(Reply::Late(20, 200, OK)).then(Reply::Silent);
    let expected = "openrouter/auto=cooling_down, kimi/kimi-for-coding=cancelled, moonshot/kimi-k3=ok";
    assert_eq!(timed(&fixture).await, (expected.to_owned(), 20));
}

#[tokio::test(start_paused = true)]
async fn attempt_in_cooldown_is_not_hedged() {
    let fixture = Fixture::new(&settings());
    fixture.script.then(Reply::Refused).then(Reply::Refused);
    fixture.attempts(false).await;
    fixture.script.then(Reply::Late(20, 200, OK));
    let (attempts, seconds) = timed(&fixture).await;
    assert!(attempts.ends_with(", moonshot/kimi-k3=ok"), "{attempts}");
    assert_eq!(seconds, 20);
}

#[tokio::test(start_paused = true)]
async fn deadline_ends_both_attempts() {
    let mut failover = settings();
    failover["timeouts"] = json!({"totalSeconds": 8});
    let fixture = Fixture::new(&failover);
    fixture.script.then(Reply::Silent).then(Reply::Silent);
    assert_eq!(timed(&fixture).await, ("moonshot/kimi-k3=timeout, openrouter/auto=timeout".to_owned(), 8));
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_after_the_deadline() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1, "timeouts": {"totalSeconds": 3}}));
    fixture.script.then(Reply::Stalled(429, "90"));
    assert_eq!(timed(&fixture).await, ("moonshot/kimi-k3=rate_limit".to_owned(), 3));
}

#[tokio::test(start_paused = true)]
async fn disconnected_client_leaves_both_attempts_in_the_record() {
    let fixture = Fixture::new(&settings());
    fixture.script.then(Reply::Silent).then(Reply::Silent);
    let asked = tokio::time::timeout(Duration::from_secs(6), fixture.ask(false)).await;
    assert!(asked.is_err());
    let record = fixture.records.lock().unwrap().pop().unwrap();
    assert!(record.client_disconnected);
    let mut attempts: Vec<String> = record
        .attempts
        .iter()
        .map(|attempt| format!("{}={}", attempt.reference, attempt.outcome.as_str()))
        .collect();
    attempts.sort();
    assert_eq!(attempts, ["moonshot/kimi-k3=cancelled", "openrouter/auto=cancelled"]);
    assert_eq!(fixture.engine.state().in_flight(), 0);
}

/// How a request ended, and how many seconds that took.
async fn ended(fixture: &Fixture, replies: &[Reply]) -> (Result<(), (String, Reason)>, u64) {
    for reply in replies {
        fixture.script.then(reply.clone());
    }
    let started = Instant::now();
    let ended = match fixture.ask(false).await {
        Ok(_) => Ok(()),
        Err(RequestError::AttemptsFailed { failure, reference, .. }) => Err((reference, failure.reason)),
        Err(error) => panic!("{error}"),
    };
    (ended, started.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn hedging_is_never_slower_and_never_fails_more() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut reply = || {
            let seconds = random.u64(0..12);
            match random.u8(0..5) {
                0 => Reply::Silent,
                1 => Reply::Late(seconds, 400, BAD),
                2 => Reply::Late(seconds, 200, OK),
                _ => Reply::Late(seconds, 500, BOOM),
            }
        };
        let replies = [reply(), reply(), reply()];
        let timeouts = json!({"firstByteSeconds": 30});
        let plain = three_with(&json!({"attemptsPerTarget": 1, "timeouts": timeouts}));
        let hedged = three_with(&json!({"attemptsPerTarget": 1, "timeouts": timeouts, "hedgeAfterMs": 4000}));
        let (alone, slow) = ended(&plain, &replies).await;
        let (beside, fast) = ended(&hedged, &replies).await;
        assert!(fast <= slow, "{seed}: {fast} s after {slow} s: {replies:?}");
        assert!(beside == alone || beside.is_ok(), "{seed}: {alone:?} became {beside:?}: {replies:?}");
        assert!(hedged.script.most_at_once() <= 2, "{seed}: {replies:?}");
        let mut hosts = hedged.script.hosts();
        hosts.sort();
        hosts.dedup();
        assert_eq!(hosts.len(), hedged.script.hosts().len(), "{seed}: asked twice: {replies:?}");
    }
}
