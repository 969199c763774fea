//! Streams: what is held back, how they end.

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
async fn what_was_held_back_of_a_failed_target_is_never_seen() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    fixture.script.then(Reply::Cut(vec![(0, ROLE)])).then(Reply::Events(vec![(0, HELLO)]));
    let (text, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(attempts, "moonshot/kimi-k3=truncated, openrouter/auto=ok");
    assert_eq!(text, HELLO);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_after_content_ends_with_an_error_event() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1, "midStream": "error"}));
    for reply in [Reply::Cut(vec![(0, ROLE), (0, WORD)]), Reply::Events(vec![(0, ROLE), (0, WORD)])] {
        fixture.script.then(reply);
        let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
        assert!(text.starts_with(&format!("{ROLE}{WORD}data: {{\"error\":")), "{text}");
        assert!(text.contains("moonshot/kimi-k3 broke off"), "{text}");
        let record = fixture.records.lock().unwrap().pop().unwrap();
        assert_eq!(record.failure_reason.unwrap().as_str(), "truncated");
        tokio::time::advance(Duration::from_secs(301)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_ends_with_an_error_event() {
    let fixture = Fixture::new(&json!({"timeouts": {"idleSeconds": 20}}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (3600, STOP)]));
    let began = tokio::time::Instant::now();
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert!(text.contains("failover.timeouts.idleSeconds"), "{text}");
    assert_eq!(began.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_the_moment_in_which_a_clock_runs_out_counts() {
    let fixture = Fixture::new(&json!({"timeouts": {"idleSeconds": 20}}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (20, WORD), (20, WORD), (19, STOP)]));
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    let kept = text.replace(": keep-alive\n\n", "");
    assert!(kept.starts_with(&format!("{WORD}{WORD}{WORD}{STOP}")), "{text}");
    fixture.script.then(Reply::Events(vec![(0, WORD), (20, WORD), (21, STOP)]));
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(text.matches("word ").count(), 2, "{text}");
    assert!(text.contains("failover.timeouts.idleSeconds"), "and it runs out when nothing comes: {text}");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_client_gets_its_head_and_comments_and_then_the_answer() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(Reply::Events(vec![(40, ROLE), (0, WORD), (0, STOP)]));
    let began = tokio::time::Instant::now();
    let answer = fixture.ask(true).await.ok().unwrap();
    assert_eq!(began.elapsed().as_secs(), 15);
    assert!(matches!(&answer, Answer::Stream { model: None, .. }));
    let (text, attempts) = read(answer).await;
    assert_eq!(attempts, "");
    assert!(text.starts_with(": keep-alive\n\n"), "{text}");
    assert!(text.contains(&format!("{ROLE}{WORD}{STOP}")), "{text}");
    let last = ": x-moonrelay-model: moonshot/kimi-k3\n: x-moonrelay-attempts: moonshot/kimi-k3=ok\n\n";
    assert!(text.ends_with(last), "{text}");
}

#[tokio::test(start_paused = true)]
async fn after_the_head_a_failure_still_moves_on_and_a_refusal_is_an_event() {
    let fixture = Fixture::new(&json!({"timeouts": {"headSeconds": 20}}));
    fixture.script.then(Reply::Silent).then(Reply::Silent);
    let (text, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(attempts, "");
    assert!(text.contains("data: {\"error\":"), "{text}");
    let last = ": x-moonrelay-attempts: moonshot/kimi-k3=timeout, openrouter/auto=timeout\n\n";
    assert!(text.ends_with(last), "{text}");
}

#[tokio::test(start_paused = true)]
async fn comments_fill_the_pauses_of_a_thinking_model() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (50, STOP)]));
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(text.matches(": keep-alive\n\n").count(), 3, "{text}");
    assert!(text.ends_with(STOP), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_is_recorded_and_nothing_runs_on() {
    let fixture = Fixture::new(&json!({}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (3600, STOP)]));
    let Ok(Answer::Stream { mut body, .. }) = fixture.ask(true).await else { panic!("no stream") };
    assert_eq!(body.next().await.unwrap(), WORD);
    assert_eq!(fixture.relay.state().in_flight(), 1);
    drop(body);
    assert_eq!(fixture.relay.state().in_flight(), 0);
    assert!(fixture.records.lock().unwrap()[0].client_disconnected);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_under_way_until_its_record_is_told() {
    let mut fixture = Fixture::new(&json!({}));
    let (state, told) = (fixture.relay.state.clone(), Arc::<Mutex<Vec<usize>>>::default());
    let under_way = told.clone();
    fixture.relay.sink = Arc::new(move |_| under_way.lock().unwrap().push(state.in_flight()));
    fixture.script.then(Reply::Events(vec![(0, WORD), (0, STOP)]));
    read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(*told.lock().unwrap(), [1], "whoever looks finds it in one place or the other");
    assert_eq!(fixture.relay.state().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn any_number_of_comments_is_no_beginning() {
    let fixture = Fixture::new(&json!({"attemptsPerTarget": 1}));
    let mut waiting = vec![(0, ": PROCESSING\n\n"); 100];
    waiting.push((0, "data: {\"error\":{\"code\":503,\"message\":\"no\"}}\n\n"));
    fixture.script.then(Reply::Events(waiting)).then(Reply::Events(vec![(0, HELLO)]));
    let (text, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert!(attempts.ends_with(", openrouter/auto=ok"), "{attempts}");
    assert_eq!(text, HELLO);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_always_breaks_rests_longer_each_time() {
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
async fn the_limit_of_the_whole_request_is_no_targets_fault() {
    let fixture = Fixture::new(&json!({"timeouts": {"totalSeconds": 10}}));
    fixture.script.then(Reply::Events(vec![(0, WORD), (60, STOP)])).then(Reply::Events(vec![(0, HELLO)]));
    let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert!(text.contains("failover.timeouts.totalSeconds"), "{text}");
    let (_, attempts) = read(fixture.ask(true).await.ok().unwrap()).await;
    assert_eq!(attempts, "moonshot/kimi-k3=ok");
}
