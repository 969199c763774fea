//! Stream continuation combined with hedging, affinity, cooldowns and the deadline of the whole request.

use serde_json::json;
use tokio::time::Instant;

use super::script::Reply;
use super::streams::{HELLO, ROLE, WORD};
use super::{Fixture, read, request};
use crate::record::render_attempts_header;

#[tokio::test(start_paused = true)]
async fn hedge_winner_continues_and_keeps_the_conversation() {
    let text = json!({
        "agents": {"defaults": {"model": {"primary": "openrouter/auto", "fallbacks": ["moonshot/kimi-k3"]}}},
        "models": {"providers": {
            "moonshot": {"apiKey": "sk-moonshot-000000"},
            "openrouter": {"apiKey": "sk-or-v1-000000"},
        }},
        "failover": {"attemptsPerTarget": 1, "hedgeAfterMs": 5000, "returnToPrimary": "session"},
    });
    let fixture = Fixture::with(&text.to_string(), &[]);
    let mut body =
        json!({"model": "default", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    body["prompt_cache_key"] = json!("conversation");
    fixture.script.then(Reply::Silent).then(Reply::Cut(vec![(0, ROLE), (0, WORD)]));
    fixture.script.then(Reply::Events(vec![(0, HELLO)]));
    let (text, _) = read(fixture.engine.answer(request(&body)).await.ok().unwrap()).await;
    assert!(text.starts_with(&format!("{ROLE}{WORD}")) && text.contains("hello"), "{text}");
    assert_eq!((text.matches("\"id\":\"2\"").count(), text.matches("\"role\"").count()), (0, 1), "{text}");
    let record = fixture.records.lock().unwrap().pop().unwrap();
    let attempts = "openrouter/auto=cancelled, moonshot/kimi-k3=truncated, moonshot/kimi-k3=ok";
    assert_eq!(render_attempts_header(&record.attempts), attempts);
    let used: Vec<_> =
        record.attempts.iter().map(|attempt| attempt.usage.map(|usage| usage.output)).collect();
    assert_eq!(used, [Some(0), Some(2), Some(2)], "each has its own: {record:?}");
    assert!(
        fixture.engine.snapshot().chain_entries.iter().all(|link| link.status.unavailable_reason().is_none()),
        "it answered after all"
    );
    fixture.script.then(Reply::Events(vec![(0, HELLO)]));
    read(fixture.engine.answer(request(&body)).await.ok().unwrap()).await;
    assert_eq!(fixture.script.hosts().last().unwrap(), "api.moonshot.ai", "its prompt cache is warm");
}

#[tokio::test(start_paused = true)]
async fn deadline_also_ends_a_continuation() {
    let first = HELLO.split_inclusive("\n\n").next().unwrap();
    for reply in
        [Reply::Silent, Reply::Events(vec![(60, HELLO)]), Reply::Events(vec![(0, first), (60, HELLO)])]
    {
        let fixture = Fixture::new(&json!({"attemptsPerTarget": 1, "timeouts": {"totalSeconds": 10}}));
        fixture.script.then(Reply::Cut(vec![(0, ROLE), (0, WORD)])).then(reply);
        let started = Instant::now();
        let (text, _) = read(fixture.ask(true).await.ok().unwrap()).await;
        assert_eq!(started.elapsed().as_secs(), 10, "{text}");
        assert_eq!(
            (text.matches("was interrupted").count(), text.matches("[DONE]").count()),
            (1, 1),
            "{text}"
        );
        assert!(!text.contains("\"finish_reason\":\"stop\""), "{text}");
        let record = fixture.records.lock().unwrap().pop().unwrap();
        assert_eq!(
            render_attempts_header(&record.attempts),
            "moonshot/kimi-k3=truncated, moonshot/kimi-k3=timeout",
            "no other target is called"
        );
    }
}
