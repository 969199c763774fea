//! What attempts use and cost.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::apis::{client_request, end, stream_start, whole};
use super::script::Reply;
use super::{Answer, ClientRequest, Fixture, read, request};
use crate::protocol::amount::Amount;
use crate::protocol::api::Api;
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptCost, CostSource, Record};

const EMPTY: &str = r#"{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#;

/// These providers, the first model first, without retries.
fn fixture(primary: &str, fallbacks: &[&str], providers: &Value) -> Fixture {
    let text = json!({
        "agents": {"defaults": {"model": {"primary": primary, "fallbacks": fallbacks}}},
        "models": {"providers": providers},
        "failover": {"attemptsPerTarget": 1, "midStream": "error"},
    });
    Fixture::with(&text.to_string(), &[])
}

fn moonshot() -> Value {
    json!({"moonshot": {"apiKey": "sk-moonshot-000000"}, "openrouter": {"apiKey": "sk-or-v1-000000"}})
}

/// Sends a request and reads to the end, or until nothing more arrives for a while.
async fn final_record(fixture: &Fixture, request: ClientRequest) -> Record {
    if let Ok(Ok(answer @ Answer::Stream { .. })) =
        tokio::time::timeout(Duration::from_hours(1), fixture.engine.answer(request)).await
    {
        read(answer).await;
    }
    fixture.records.lock().unwrap().pop().unwrap()
}

fn bill(text: &str, currency: &str, pricing: CostSource) -> Option<AttemptCost> {
    Some(AttemptCost { amount: Amount::parse(text).unwrap(), currency: currency.to_owned(), source: pricing })
}

/// 600 tokens of uncached input, 400 of cached input, 200 of output of which 150 are reasoning, in the fields
/// of an API.
fn with_figures(api: Api, text: &str) -> &'static str {
    let text = match api {
        Api::ChatCompletions => text.replace(
            r#""prompt_tokens":7,"completion_tokens":3,"total_tokens":10"#,
            r#""prompt_tokens":1000,"completion_tokens":200,"total_tokens":1200,"cached_tokens":400,"prompt_tokens_details":{"cached_tokens":400},"completion_tokens_details":{"reasoning_tokens":150}"#,
        ),
        Api::Responses => text.replace(
            r#""input_tokens":7,"output_tokens":3,"total_tokens":10"#,
            r#""input_tokens":1000,"input_tokens_details":{"cached_tokens":400},"output_tokens":200,"output_tokens_details":{"reasoning_tokens":150},"total_tokens":1200"#,
        ),
        Api::Messages => text
            .replace(r#""input_tokens":7,"#, r#""input_tokens":600,"cache_read_input_tokens":400,"#)
            .replace(r#""output_tokens":3"#, r#""output_tokens":200,"output_tokens_details":{"thinking_tokens":150}"#),
    };
    Box::leak(text.into_boxed_str())
}

/// K2.6's answer with these figures, streamed and whole, in each API.
async fn costs(provider: &str, providers: &Value) -> Vec<Option<AttemptCost>> {
    let mut bills = Vec::new();
    for api in Api::ALL {
        for is_streaming in [false, true] {
            let fixture = fixture(&format!("{provider}/kimi-k2.6"), &[], providers);
            fixture.script.then(if is_streaming {
                let both = [with_figures(api, stream_start(api)), with_figures(api, end(api))];
                Reply::Events(both.map(|text| (0, text)).to_vec())
            } else {
                Reply::Body(200, with_figures(api, whole(api)))
            });
            let record = final_record(&fixture, client_request(api, is_streaming)).await;
            let [attempt] = record.attempts.as_slice() else { panic!("{record:?}") };
            let (input, output, cache_read, reasoning) = (600, 200, 400, 150);
            let usage = TokenUsage { input, output, cache_read, reasoning, ..TokenUsage::default() };
            assert_eq!((attempt.usage, record.usage), (Some(usage), Some(usage)), "{api:?} {is_streaming}");
            bills.push(attempt.cost.clone());
        }
    }
    bills
}

#[tokio::test(start_paused = true)]
async fn each_token_is_billed_once_in_every_api() {
    let dollars = bill("0.001434", "USD", CostSource::PriceTable);
    assert_eq!(costs("moonshot", &moonshot()).await, vec![dollars; 6]);
    let yuan = bill("0.00974", "CNY", CostSource::PriceTable);
    for id in ["moonshot", "moonshot-cn", "mine"] {
        let china = json!({id: {"apiKey": "sk-0000000000", "baseUrl": "https://api.moonshot.cn/v1"}});
        let api = json!({"apiKey": "sk-0000000000"});
        let providers = if id == "moonshot-cn" { json!({id: api}) } else { china };
        assert_eq!(costs(id, &providers).await, vec![yuan.clone(); 6], "{id}");
    }
}

/// The bill of a whole chat answer with this usage.
async fn billed(model: &str, providers: &Value, usage: &str) -> Option<AttemptCost> {
    let fixture = fixture(model, &[], providers);
    let text = with_figures(Api::ChatCompletions, whole(Api::ChatCompletions))
        .replace("\"usage\":{", &format!("\"usage\":{{{usage}"));
    fixture.script.then(Reply::Body(200, Box::leak(text.into_boxed_str())));
    final_record(&fixture, client_request(Api::ChatCompletions, false)).await.attempts.pop().unwrap().cost
}

#[tokio::test(start_paused = true)]
async fn reported_cost_takes_precedence_over_the_price() {
    let key = json!({"apiKey": "sk-or-v1-000000"});
    let recorded = bill("0.000012345678", "USD", CostSource::Provider);
    let cost = r#""cost":1.2345678e-05,"#;
    for model in ["openrouter/auto", "openrouter/some/unknown-model"] {
        assert_eq!(billed(model, &json!({"openrouter": key}), cost).await, recorded, "{model}");
        assert_eq!(billed(model, &json!({"openrouter": key}), "").await, None, "{model}");
    }
    let priced = json!({"id": "auto", "cost": {"input": 1, "output": 2, "cacheRead": 0.5}});
    let priced = json!({"openrouter": {"apiKey": "sk-or-v1-000000", "models": [priced]}});
    assert_eq!(billed("openrouter/auto", &priced, cost).await, recorded);
    assert_eq!(billed("openrouter/auto", &priced, "").await, bill("0.0012", "USD", CostSource::PriceTable));
    let kimi = json!({"kimi": {"apiKey": "sk-kimi-000000"}});
    for model in ["kimi/kimi-for-coding", "kimi/k2p5", "kimi/some-new-model"] {
        assert_eq!(billed(model, &kimi, "").await, None, "a subscription: {model}");
    }
    let own = json!({"own": {"baseUrl": "https://llm.example/v1", "apiKey": "k", "models": [
        {"id": "a/b", "cost": {"input": 0.1, "output": 0.7, "cacheRead": 0.000_001}}, {"id": "c"}]}});
    assert_eq!(billed("own/a/b", &own, "").await, bill("0.0002000004", "USD", CostSource::PriceTable));
    assert_eq!(billed("own/c", &own, "").await, None);
}

fn chat(is_streaming: bool) -> ClientRequest {
    client_request(Api::ChatCompletions, is_streaming)
}

/// The first of two attempts, which did not answer.
async fn first(reply: Reply, request: ClientRequest) -> Attempt {
    let fixture = fixture("moonshot/kimi-k2.6", &["openrouter/auto"], &moonshot());
    let is_streaming =
        crate::protocol::request::RequestBody::parse(Api::ChatCompletions, request.body.clone())
            .unwrap()
            .wants_stream();
    fixture.script.then(reply).then(if is_streaming {
        Reply::Events(vec![(0, stream_start(Api::ChatCompletions)), (0, end(Api::ChatCompletions))])
    } else {
        Reply::Body(200, whole(Api::ChatCompletions))
    });
    let mut record = final_record(&fixture, request).await;
    assert_eq!(record.attempts.len(), 2, "{record:?}");
    record.attempts.remove(0)
}

#[tokio::test(start_paused = true)]
async fn rejected_attempt_is_free_and_started_attempt_costs_its_prompt() {
    const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
    const ERROR: &str = "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n";
    for (reply, is_streaming) in [
        (Reply::Refused, true),
        (Reply::Body(500, "{}"), true),
        (Reply::Stalled(429, "90"), false),
        (Reply::Body(200, "<html>no</html>"), false),
        (Reply::Body(200, r#"{"error":{"message":"no","type":"server_error"}}"#), false),
        (Reply::Body(200, r#"{"error":{"message":"no","type":"server_error"}}"#), true),
        (Reply::Events(vec![(0, ERROR)]), true),
    ] {
        let attempt = first(reply.clone(), chat(is_streaming)).await;
        assert_eq!((attempt.usage, attempt.cost), (None, None), "{reply:?}");
    }
    for (reply, is_streaming) in [
        (Reply::Silent, true),
        (Reply::Silent, false),
        (Reply::Body(200, r#"{"choices":[{"index":0,"mess"#), false),
        (Reply::Events(vec![(0, ROLE)]), true),
        (Reply::Cut(vec![(0, ROLE)]), true),
        (Reply::Cut(vec![]), true),
        (Reply::Events(vec![(0, ROLE), (100_000, ROLE)]), true),
        (Reply::Events(vec![(0, ROLE), (0, ERROR)]), true),
    ] {
        let attempt = first(reply.clone(), chat(is_streaming)).await;
        let used = attempt.usage.unwrap_or_else(|| panic!("{reply:?}"));
        // [{"content":"hi","role":"user"}], a token for four bytes, at $0.95.
        let prompt = TokenUsage { input: 8, is_estimated: true, ..TokenUsage::default() };
        assert_eq!(
            (used, attempt.cost),
            (prompt, bill("0.0000076", "USD", CostSource::PriceTable)),
            "{reply:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn empty_answer_costs_the_reported_usage() {
    let attempt = first(Reply::Body(200, EMPTY), chat(false)).await;
    assert_eq!(attempt.usage, Some(TokenUsage { input: 9, output: 1, ..TokenUsage::default() }));
    assert_eq!(attempt.cost, bill("0.00001255", "USD", CostSource::PriceTable));
    let attempt = first(Reply::Events(vec![(0, end(Api::ChatCompletions))]), chat(true)).await;
    assert_eq!(attempt.usage, Some(TokenUsage { input: 7, output: 3, ..TokenUsage::default() }));
}

#[tokio::test(start_paused = true)]
async fn disconnected_client_is_billed_for_the_received_part() {
    let fixture = fixture("moonshot/kimi-k2.6", &[], &moonshot());
    fixture
        .script
        .then(Reply::Events(vec![(0, stream_start(Api::ChatCompletions)), (9, end(Api::ChatCompletions))]));
    let answer = fixture.engine.answer(chat(true)).await;
    let Ok(Answer::Stream { mut body, .. }) = answer else { panic!("a stream was asked for") };
    while !String::from_utf8_lossy(&body.next().await.unwrap()).contains("hello") {}
    drop(body);
    let record = fixture.records.lock().unwrap().pop().unwrap();
    let used = TokenUsage { input: 8, output: 2, is_estimated: true, ..TokenUsage::default() };
    assert!(record.client_disconnected);
    assert_eq!((record.attempts[0].usage, record.usage), (Some(used), Some(used)));
    assert_eq!(record.attempts[0].cost, bill("0.0000156", "USD", CostSource::PriceTable));
}

#[tokio::test(start_paused = true)]
async fn estimate_counts_images_instead_of_their_bytes() {
    let picture = format!("data:image/png;base64,{}", "iVBORw0KGgo=".repeat(400_000));
    let body = json!({"model": "default", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": picture}}]}]});
    let used = first(Reply::Silent, request(&body)).await.usage.unwrap();
    assert!(used.is_estimated && (1_000..3_000).contains(&used.input), "{used:?}");
}

#[tokio::test(start_paused = true)]
async fn each_attempt_and_key_is_billed_separately() {
    let text = json!({
        "agents": {"defaults": {"model": "moonshot/kimi-k2.6"}},
        "models": {"providers": {"moonshot": {"apiKey": ["sk-first-000000", "sk-second-000000"]}}},
        "failover": {"attemptsPerTarget": 2},
    });
    let fixture = Fixture::with(&text.to_string(), &[]);
    fixture.script.then(Reply::Body(200, EMPTY)).then(Reply::Body(200, EMPTY));
    fixture.script.then(Reply::Body(429, "{}")).then(Reply::Body(200, whole(Api::ChatCompletions)));
    let record = final_record(&fixture, chat(false)).await;
    let costs: Vec<_> = record
        .attempts
        .iter()
        .map(|attempt| attempt.cost.as_ref().map(|bill| bill.amount.to_string()))
        .collect();
    let costs: Vec<_> = costs.iter().map(Option::as_deref).collect();
    assert_eq!(costs, [Some("0.00001255"), Some("0.00001255"), None, Some("0.00001865")], "{record:?}");
}

#[tokio::test(start_paused = true)]
async fn cache_writes_are_billed_by_their_lifetime() {
    // K3: $3 for five minutes and $6 for an hour, per million tokens.
    let answer = Reply::Body(
        200,
        r#"{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000000,"completion_tokens":0,"prompt_tokens_details":{"cache_write_tokens":1000000}}}"#,
    );
    for (ttl, price) in [("5m", "3"), ("1h", "6")] {
        let fixture = fixture("moonshot/kimi-k3", &[], &moonshot());
        fixture.script.then(answer.clone());
        let body = json!({"model": "default", "messages": [], "prompt_cache_options": {"ttl": ttl}});
        let record = final_record(&fixture, request(&body)).await;
        assert_eq!(record.attempts[0].cost, bill(price, "USD", CostSource::PriceTable), "{ttl}");
    }
    let providers = json!({"claudish": {"apiKey": "key-000000", "baseUrl": "https://messages.example/v1", "api": "anthropic-messages",
        "models": [{"id": "m", "name": "M", "cost": {"input": 1, "output": 1, "cacheRead": 1, "cacheWrite": 5, "cacheWrite1h": 8}}]}});
    let fixture = fixture("claudish/m", &[], &providers);
    fixture.script.then(Reply::Body(
        200,
        r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":0,"output_tokens":0,"cache_creation_input_tokens":1000000,"cache_creation":{"ephemeral_5m_input_tokens":400000,"ephemeral_1h_input_tokens":600000}}}"#,
    ));
    let record = final_record(&fixture, client_request(Api::Messages, false)).await;
    assert_eq!(record.attempts[0].cost, bill("6.8", "USD", CostSource::PriceTable));
    assert_eq!(record.usage.map(|usage| usage.cache_write_1h), Some(600_000));
}
