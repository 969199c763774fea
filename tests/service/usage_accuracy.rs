//! Tokens and cost in the usage database equal the simulator's, exactly.
//!
//! The two share no code: the simulator counts what it sent, the database is read with SQL, and the expected
//! cost is computed here from prices that are defined here.

mod books;
mod client;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use self::books::{Books, Database, Line, Target, Used, expected_cost};
use self::client::{CLIENTS, Seen, ask};
use crate::common::process::signal;
use crate::common::{Gateway, Provider, Setup, Upstream};

/// Concurrent clients.
const AT_ONCE: usize = 16;
/// After so many requests more faults are ordered.
const ROUND: usize = 100;

/// The number of requests: from the variable (CI uses 10,000), else few enough for an ordinary run.
fn requests() -> usize {
    std::env::var("MOONRELAY_TEST_REQUESTS").map_or(1_000, |count| count.parse().expect("a number"))
}

/// The faults. Left out are those after which the two counts differ by design: usage that the simulator sends
/// after data that ends the gateway's reading (invalid JSON, an error as the first event, leaked markup over Responses), and answers in
/// another format, which strict clients reject.
const FAULTS: [(&str, Option<u64>); 22] = [
    ("rate_limit", None),
    ("status", Some(500)),
    ("reset_before", None),
    ("truncate", Some(2)),
    ("empty", None),
    ("status", Some(503)),
    ("reset_after", Some(100)),
    ("error_chunk_after", Some(1)),
    ("refuse", None),
    ("truncate_no_done", None),
    ("content_filter", None),
    ("end_after", Some(250)),
    ("error_in_200", None),
    ("split", Some(7)),
    ("truncate", Some(0)),
    ("gzip_error", None),
    ("reset_after", Some(300)),
    ("html_200", None),
    ("end_after", Some(50)),
    ("drip", Some(1)),
    ("invalid_gzip", None),
    ("truncate", Some(3)),
];

/// A fault causes a cooldown of a second, so each fault of a round affects a few requests.
async fn order_faults(upstream: &Upstream, round: usize) {
    for provider in 0..3 {
        for next in 0..3 {
            let (kind, value) = FAULTS[(round * 3 + provider * 7 + next) % FAULTS.len()];
            let provider = Provider::ALL[provider].id();
            let fault = json!({ "provider": provider, "kind": kind, "value": value, "times": 2 });
            upstream.fault(fault).await;
        }
    }
}

fn setup(upstream: &Upstream) -> Setup {
    let own = json!({
        "baseUrl": format!("{}{}", upstream.base(), Provider::Moonshot.path()),
        "apiKey": Provider::Moonshot.key(),
        "models": [{ "id": "kimi-k2.7-code", "cost": { "input": 1.25, "output": 7.5, "cacheRead": 0.111_111 } }],
    });
    let tokens: serde_json::Map<_, _> =
        CLIENTS.iter().map(|name| ((*name).to_owned(), json!(client::token(name)))).collect();
    Setup::chain(upstream, &[Provider::Kimi, Provider::Moonshot, Provider::OpenRouter])
        .set("models.providers.own", own)
        .set("gateway.auth", json!({ "mode": "token", "tokens": tokens }))
        .set("failover.cooldown.stepsSeconds", json!([1]))
        .set("logging.level", json!("error"))
}

/// Sends requests until all are answered.
async fn drive(gateway: &Arc<Gateway>, upstream: &Arc<Upstream>, count: usize) -> Vec<Seen> {
    let next = Arc::new(AtomicUsize::new(0));
    let client = || {
        let (gateway, upstream, next) = (gateway.clone(), upstream.clone(), next.clone());
        tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return seen;
                }
                if number.is_multiple_of(ROUND) {
                    order_faults(&upstream, number / ROUND).await;
                }
                seen.push(ask(&gateway, number).await);
            }
        })
    };
    let clients: Vec<_> = (0..AT_ONCE).map(|_| client()).collect();
    let mut all = Vec::with_capacity(count);
    for client in clients {
        all.extend(client.await.unwrap());
    }
    all
}

/// Ends the gateway, which writes its entries, and opens the usage database.
async fn closed(mut gateway: Gateway) -> Database {
    signal("-TERM", gateway.serving.pid()).await;
    assert_eq!(gateway.serving.ended().await.code(), Some(0), "{}", gateway.serving.output());
    Database::read(&gateway.home().join("state/moonrelay")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_database_matches_the_simulator_exactly() {
    let upstream = Arc::new(Upstream::start().await);
    let gateway = Arc::new(setup(&upstream).start().await);
    let count = requests();
    let seen = drive(&gateway, &upstream, count).await;
    upstream.idle().await;
    let books = Books::of(&upstream.get("/_tally").await);
    let database = closed(Arc::into_inner(gateway).expect("no client is left")).await;

    same_outcomes(&seen, &database);
    let reported: BTreeMap<Target, Used> = database.used(|line| !line.estimated);
    let sent: BTreeMap<Target, Used> = books.used();
    assert_eq!(reported, sent, "what providers reported, by target");
    assert!(sent.len() >= 9 && sent.values().all(|used| used.answers > 0), "{sent:?}");
    // Exactly the attempts that were cut before their usage are estimated.
    let estimated: BTreeMap<Target, i128> = database
        .used(|line| line.estimated)
        .into_iter()
        .map(|(target, used)| (target, used.answers))
        .collect();
    assert_eq!(estimated, books.untold(), "answers whose usage never came, by target");
    assert!(estimated.values().sum::<i128>() * 50 > i128::try_from(count).unwrap(), "{estimated:?}");

    for (target, used) in &sent {
        let cost = database.cost(target, |line| !line.estimated);
        assert_eq!(cost, expected_cost(target, used), "{target:?}");
    }
    for line in database.lines.iter().filter(|line| line.estimated && line.target.0 != "openrouter") {
        let used = Used::of(line);
        assert_eq!(line.amount, expected_cost(&line.target, &used), "{line:?}");
    }
    database.adds_up();
}

/// Each request is in the database once, with its client's name and the outcome that the client saw.
fn same_outcomes(seen: &[Seen], database: &Database) {
    let saw: BTreeMap<&str, (&str, bool)> =
        seen.iter().map(|seen| (seen.id.as_str(), (seen.client, seen.is_answered))).collect();
    assert_eq!(saw.len(), seen.len(), "each answer has an id of its own");
    let has: BTreeMap<&str, (&str, bool)> = database
        .requests
        .iter()
        .map(|row| (row.id.as_str(), (row.client.as_str(), row.outcome == "ok")))
        .collect();
    assert_eq!(has.len(), database.requests.len(), "each request once");
    assert_eq!(has, saw);
    let failed = seen.iter().filter(|seen| !seen.is_answered).count();
    assert!(failed > 0 && failed * 2 < seen.len(), "{failed} failed");
}

/// Paid attempts without an answer: a losing hedge, a disconnected client.
#[tokio::test]
async fn cancelled_attempts_are_estimated_and_shown_separately() {
    const EACH: usize = 12;
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "kimi", "kind": "no_head" })).await;
    upstream
        .fault(json!({ "provider": "moonshot", "model": "kimi-k2.6", "kind": "stall", "value": 3 }))
        .await;
    let gateway = setup(&upstream).set("failover.hedgeAfterMs", json!(30)).start().await;
    for number in 0..EACH {
        let answer = client::hedged(&gateway, number).await;
        assert_eq!(
            answer.attempts(),
            "kimi/kimi-for-coding=cancelled, moonshot/kimi-k3=ok",
            "{}",
            answer.text()
        );
        client::leaves(&gateway, "moonshot/kimi-k2.6").await;
        upstream.idle().await;
    }
    let books = Books::of(&upstream.get("/_tally").await);
    let database = closed(gateway).await;
    assert_eq!(database.used(|line| !line.estimated), books.used(), "what was reported");
    let k3 = ("moonshot".to_owned(), "kimi-k3".to_owned());
    assert_eq!(database.cost(&k3, |_| true), expected_cost(&k3, &books.used()[&k3]));
    let each = i128::try_from(EACH).unwrap();
    let lost = database.used(|line| line.estimated);
    let of = |provider: &str, model: &str| lost[&(provider.to_owned(), model.to_owned())];
    let (hedge, left) = (of("kimi", "kimi-for-coding"), of("moonshot", "kimi-k2.6"));
    assert_eq!((lost.len(), hedge.answers, hedge.completion), (2, each, 0), "{lost:?}");
    assert!(hedge.prompt >= each && left.answers == each && left.completion >= each, "{lost:?}");
    let outcomes = |outcome: &str| database.requests.iter().filter(|row| row.outcome == outcome).count();
    assert_eq!((outcomes("ok"), outcomes("abandoned")), (EACH, EACH));
    let apart = database.sum(&("kimi".to_owned(), "kimi-for-coding".to_owned()));
    assert_eq!((apart.answered.attempts, apart.lost.attempts, apart.lost.unpriced), (0, 12, 12), "{apart:?}");
}

/// The figures of the issue, over the real binary.
#[tokio::test]
async fn k2_6_cost_matches_its_price() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream).start().await;
    let answer = client::sized(&gateway, "moonshot/kimi-k2.6").await;
    let usage: &Value = &answer.json()["usage"];
    let (prompt, cached) = (&usage["prompt_tokens"], &usage["cached_tokens"]);
    let output = usage["completion_tokens"].as_i64().unwrap();
    let (prompt, cached) = (prompt.as_i64().unwrap(), cached.as_i64().unwrap());
    assert!(cached >= 256 && prompt > cached && output > 0, "{usage}");
    let database = closed(gateway).await;
    let [line] = database.lines.as_slice() else { panic!("{:?}", database.lines) };
    // $0.16, $0.95 and $4 for a million tokens.
    let picos = i128::from(cached * 160_000 + (prompt - cached) * 950_000 + output * 4_000_000);
    let Line { amount, currency, pricing, .. } = line;
    assert_eq!((*amount, currency.as_deref(), pricing.as_deref()), (Some(picos), Some("USD"), Some("price")));
}
