//! Streams: events that are held back, keep-alives, and ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;

use super::script::Reply;
use super::{Answer, Fixture, read};

pub(super) const ROLE: &str = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
pub(super) const WORD: &str = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"},\"finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
pub(super) const HELLO: &str = "data: {\"id\":\"2\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hello\"},\"finish_reason\":null}]}\n\ndata: {\"id\":\"2\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

#[tokio::test(start_paused = true)]
async fn withheld_events_of_a_failed_target_are_dropped() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fixture.script.then(Reply::Cut(vec![(0, ROLE)])).then(Reply::Events(vec![(0, HELLO)]));
    let (text, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(attempts, "moonshot/kimi-k3=truncated, openrouter/auto=ok");
    assert_eq!(text, HELLO);
}

#[tokio::test(start_paused = true)]
async fn interrupted_stream_ends_with_an_error_event() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1, "midStream": "error"}));
    for reply in [Reply::Cut(vec![(0, ROLE), (0, WORD)]), Reply::Events(vec![(0, ROLE), (0, WORD)])] {
        fixture.script.then(reply);
        let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
        assert!(text.starts_with(&format!("{ROLE}{WORD}data: {{\"error\":")), "{text}");
        assert!(text.contains("moonshot/kimi-k3 was interrupted"), "{text}");
        let record = fixture.records.lock().unwrap().pop().unwrap();
        assert_eq!(record.failure_reason.unwrap().as_str(), "truncated");
        tokio::time::advance(Duration::from_secs(301)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn idle_stream_ends_with_an_error_event() {
    let fixture = Fixture::new(&json!({"timeouts": {"idleSeconds": 20}}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (3600, STOP)]));
    let started = tokio::time::Instant::now();
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert!(text.contains("failover.timeouts.idleSeconds"), "{text}");
    assert_eq!(started.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn chunk_at_the_moment_of_the_timeout_counts() {
    let fixture = Fixture::new(&json!({"timeouts": {"idleSeconds": 20}}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (20, WORD), (20, WORD), (19, STOP)]));
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    let kept = text.replace(": keep-alive\n\n", "");
    assert!(kept.starts_with(&format!("{WORD}{WORD}{WORD}{STOP}")), "{text}");
    fixture.script.then(Reply::Events(vec![(0, WORD), (20, WORD), (21, STOP)]));
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(text.matches("word ").count(), 2, "{text}");
    assert!(text.contains("failover.timeouts.idleSeconds"), "the timeout expires without a chunk: {text}");
}

#[tokio::test(start_paused = true)]
async fn waiting_client_gets_head_keep_alives_and_answer() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(Reply::Events(vec![(40, ROLE), (0, WORD), (0, STOP)]));
    let started = tokio::time::Instant::now();
    let answer = fixture.ask(true).await.ok().unwrap();
    assert_eq!(started.elapsed().as_secs(), 15);
    assert!(matches!(&answer, Answer::Stream { model: None, .. }));
    let (text, attempts) = read(answer).await;
    assert_eq!(attempts, "");
    assert!(text.starts_with(": keep-alive\n\n"), "{text}");
    assert!(text.contains(&format!("{ROLE}{WORD}{STOP}")), "{text}");
    let last = ": x-moonrelay-model: moonshot/kimi-k3\n: x-moonrelay-attempts: moonshot/kimi-k3=ok\n\n";
    assert!(text.ends_with(last), "{text}");
}

#[tokio::test(start_paused = true)]
async fn after_the_head_targets_fail_over_and_the_error_is_an_event() {
    let fixture = Fixture::new(&json!({"timeouts": {"headSeconds": 20}}));
    fixture.script.then(Reply::Silent).then(Reply::Silent);
    let (text, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(attempts, "");
    assert!(text.contains("data: {\"error\":"), "{text}");
    let last = ": x-moonrelay-attempts: moonshot/kimi-k3=timeout, openrouter/auto=timeout\n\n";
    assert!(text.ends_with(last), "{text}");
}

#[tokio::test(start_paused = true)]
async fn pauses_are_filled_with_keep_alives() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (50, STOP)]));
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(text.matches(": keep-alive\n\n").count(), 3, "{text}");
    assert!(text.ends_with(STOP), "{text}");
}

#[tokio::test(start_paused = true)]
async fn disconnected_client_is_recorded_and_cancels_the_request() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (3600, STOP)]));
    let Ok(Answer::Stream { mut body, .. }) = fixture.ask(true).await else { panic!("no stream") };
    assert_eq!(body.next().await.unwrap(), WORD);
    assert_eq!(fixture.engine.state().in_flight(), 1);
    drop(body);
    assert_eq!(fixture.engine.state().in_flight(), 0);
    assert!(fixture.records.lock().unwrap()[0].client_disconnected);
}

#[tokio::test(start_paused = true)]
async fn request_is_active_until_its_record_is_sent() {
    let mut fixture = Fixture::new(&json!({}));
    let (state, recorded) = (fixture.engine.state.clone(), Arc::<Mutex<Vec<usize>>>::default());
    let under_way = recorded.clone();
    fixture.engine.sink = Arc::new(move |_| under_way.lock().unwrap().push(state.in_flight()));
    fixture.script.then(Reply::Events(vec![(0, WORD), (0, STOP)]));
    read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(*recorded.lock().unwrap(), [1], "it is active or recorded at any time");
    assert_eq!(fixture.engine.state().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn comments_do_not_begin_a_response() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    let mut waiting = vec![(0, ": PROCESSING\n\n"); 100];
    waiting.push((0, "data: {\"error\":{\"code\":503,\"message\":\"no\"}}\n\n"));
    fixture.script.then(Reply::Events(waiting)).then(Reply::Events(vec![(0, HELLO)]));
    let (text, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert!(attempts.ends_with(", openrouter/auto=ok"), "{attempts}");
    assert_eq!(text, HELLO);
}

#[tokio::test(start_paused = true)]
async fn repeated_interruptions_extend_the_cooldown() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1, "midStream": "error"}));
    for rest in [30, 60, 300] {
        fixture.script.then(Reply::Cut(vec![(0, WORD)]));
        let (_, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
        assert_eq!(attempts, "moonshot/kimi-k3=ok");
        tokio::time::advance(Duration::from_secs(rest - 1)).await;
        fixture.script.then(Reply::Events(vec![(0, HELLO)]));
        let (_, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
        assert_eq!(attempts, "moonshot/kimi-k3=cooling_down, openrouter/auto=ok", "after {rest} s");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_causes_no_cooldown() {
    let fixture = Fixture::new(&json!({"timeouts": {"totalSeconds": 10}}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (60, STOP)])).then(Reply::Events(vec![(0, HELLO)]));
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert!(text.contains("failover.timeouts.totalSeconds"), "{text}");
    let (_, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(attempts, "moonshot/kimi-k3=ok");
}
