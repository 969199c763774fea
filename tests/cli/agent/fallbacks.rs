//! `fallbackUsed`: whether a target other than the primary of the requested model answered.

use serde_json::{Value, json};

use super::desk::Desk;
use crate::common::{Provider, Setup, Upstream};

/// Names of the same model: its reference, an alias, a route, a glob, an old id, the provider's other name, the bare id,
/// and the default.
const NAMES: [&str; 8] = [
    "kimi/kimi-for-coding",
    "k",
    "coding",
    "claude-x",
    "kimi/k2p5",
    "kimi-code/kimi-for-coding",
    "kimi-for-coding",
    "default",
];

fn setup(upstream: &Upstream) -> Setup {
    let chain = [Provider::Kimi, Provider::OpenRouter];
    Setup::chain(upstream, &chain)
        .set("agents.defaults.models", json!({ "kimi/kimi-for-coding": { "alias": "k" } }))
        .set("models.routes", json!({ "coding": "k", "claude-*": "coding" }))
}

fn outcome(reported: &Value) -> Value {
    let results = reported["attempts"].as_array().unwrap().iter().map(|tried| &tried["result"]);
    json!([reported["provider"], reported["fallbackUsed"], results.collect::<Vec<_>>()])
}

#[tokio::test]
async fn every_name_of_the_primary_is_the_primary() {
    let upstream = Upstream::start().await;
    let (desk, _gateway) = Desk::beside(setup(&upstream)).await;
    for name in NAMES {
        for place in [&["--local"][..], &[]] {
            let reported = desk.reported(&[place, &["-m", "hi", "--model", name]].concat()).await;
            assert_eq!(outcome(&reported), json!(["kimi", false, ["ok"]]), "{name} {reported}");
        }
    }
}

#[tokio::test]
async fn a_primary_that_cooldowns_was_not_the_one_that_answered() {
    let upstream = Upstream::start().await;
    let (desk, _gateway) = Desk::beside(setup(&upstream)).await;
    upstream.fault(json!({ "provider": "kimi", "kind": "status", "value": 500 })).await;
    let reported = desk.reported(&["-m", "hi"]).await;
    assert_eq!(outcome(&reported), json!(["openrouter", true, ["server", "ok"]]), "{reported}");
    upstream.no_faults().await;
    for name in NAMES {
        let reported = desk.reported(&["-m", "hi", "--model", name]).await;
        assert_eq!(
            outcome(&reported),
            json!(["openrouter", true, ["cooling_down", "ok"]]),
            "{name} {reported}"
        );
    }
}
