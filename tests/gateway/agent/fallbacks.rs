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

fn outcome(told: &Value) -> Value {
    let results = told["attempts"].as_array().unwrap().iter().map(|tried| &tried["result"]);
    json!([told["provider"], told["fallbackUsed"], results.collect::<Vec<_>>()])
}

#[tokio::test]
async fn every_name_of_the_primary_is_the_primary() {
    let upstream = Upstream::start().await;
    let (desk, _gateway) = Desk::beside(setup(&upstream)).await;
    for name in NAMES {
        for place in [&["--local"][..], &[]] {
            let told = desk.told(&[place, &["-m", "hi", "--model", name]].concat()).await;
            assert_eq!(outcome(&told), json!(["kimi", false, ["ok"]]), "{name} {told}");
        }
    }
}

#[tokio::test]
async fn a_primary_that_rests_was_not_the_one_that_answered() {
    let upstream = Upstream::start().await;
    let (desk, _gateway) = Desk::beside(setup(&upstream)).await;
    upstream.fault(json!({ "provider": "kimi", "kind": "status", "value": 500 })).await;
    let told = desk.told(&["-m", "hi"]).await;
    assert_eq!(outcome(&told), json!(["openrouter", true, ["server", "ok"]]), "{told}");
    upstream.no_faults().await;
    for name in NAMES {
        let told = desk.told(&["-m", "hi", "--model", name]).await;
        assert_eq!(outcome(&told), json!(["openrouter", true, ["cooling_down", "ok"]]), "{name} {told}");
    }
}
