//! Hedging: while a target is silent the next one is called too. The first to answer wins; the other is
//! cancelled at once.

use serde_json::{Value, json};

use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

/// The documented limit for a client that disconnects applies here too.
const WITHIN_MILLIS: u64 = 1000;

async fn gateway(upstream: &Upstream, chain: &[Provider]) -> Gateway {
    Setup::chain(upstream, chain).set("failover.hedgeAfterMs", json!(50)).start().await
}

fn of(asked: &[Value], provider: Provider) -> Vec<&Value> {
    asked.iter().filter(|request| request["provider"] == provider.id()).collect()
}

#[tokio::test]
async fn silent_target_is_cancelled_and_remains_first() {
    for (fault, stream) in
        [("no_head", true), ("role_then_stall", true), ("no_head", false), ("no_first_byte", false)]
    {
        let upstream = Upstream::start().await;
        upstream.fault(json!({ "provider": "moonshot", "kind": fault })).await;
        let gateway = gateway(&upstream, &[Provider::Moonshot, Provider::OpenRouter]).await;
        for round in 1..=2 {
            let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", stream)).await;
            let expected = "moonshot/kimi-k3=cancelled, openrouter/auto=ok";
            assert_eq!(
                (answer.attempts(), answer.model()),
                (expected, "openrouter/auto"),
                "{}",
                answer.text()
            );
            let said = answer.said();
            assert!(said.content.contains("via openrouter") && said.errors.is_empty(), "{}", answer.text());
            assert_eq!((said.finishes.len(), said.usages.len()), (1, 1), "{}", answer.text());
            upstream.cancelled(round, WITHIN_MILLIS).await;
        }
        upstream.idle().await;
        let asked = upstream.requests().await;
        for (provider, cancelled) in [(Provider::Moonshot, true), (Provider::OpenRouter, false)] {
            let of = of(&asked, provider);
            assert_eq!(of.len(), 2, "{asked:?}");
            assert!(of.iter().all(|request| request["cancelled"] == json!(cancelled)), "{asked:?}");
        }
    }
}

#[tokio::test]
async fn losing_attempt_is_cancelled_before_the_answer_ends() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "no_first_byte" })).await;
    upstream.fault(json!({ "provider": "openrouter", "kind": "stall", "value": 8 })).await;
    let gateway = gateway(&upstream, &[Provider::Moonshot, Provider::OpenRouter]).await;
    let asked = prompt("moonshot/kimi-k3", "Say hello", true).to_string();
    let response = gateway.chat_request(asked).send().await.unwrap();
    assert_eq!(response.headers()["x-moonrelay-attempts"], "moonshot/kimi-k3=cancelled, openrouter/auto=ok");
    upstream.cancelled(1, WITHIN_MILLIS).await;
    let asked = upstream.requests().await;
    assert_eq!(of(&asked, Provider::Moonshot)[0]["cancelled"], json!(true), "{asked:?}");
    assert_eq!(gateway.status().await["inFlight"], json!(1), "the winner goes on");
    drop(response);
}

#[tokio::test]
async fn failed_hedge_fails_over_to_the_next_target() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "no_head" })).await;
    upstream.fault(json!({ "provider": "openrouter", "kind": "server_error" })).await;
    let gateway = gateway(&upstream, &[Provider::Moonshot, Provider::OpenRouter, Provider::Kimi]).await;
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", true)).await;
    let expected = "openrouter/auto=server, moonshot/kimi-k3=cancelled, kimi/kimi-for-coding=ok";
    assert_eq!(answer.attempts(), expected, "{}", answer.text());
    assert!(!gateway.serving.output().contains("no effect"), "{}", gateway.serving.output());
}

#[tokio::test]
async fn client_disconnect_cancels_both_attempts() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "*", "kind": "no_head" })).await;
    let gateway = gateway(&upstream, &[Provider::Moonshot, Provider::OpenRouter]).await;
    let asked = prompt("moonshot/kimi-k3", "Say hello", false).to_string();
    let request = gateway.chat_request(asked);
    let client = tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await });
    upstream.total(2).await;
    client.abort();
    upstream.cancelled(2, WITHIN_MILLIS).await;
    upstream.idle().await;
    assert_eq!(gateway.status().await["inFlight"], json!(0));
}
