//! What requests used and cost, and what the providers tell of their accounts.

use serde_json::{Value, json};

use crate::common::{Gateway, Provider, Setup, Upstream};

/// `{id: [[name, used, left, currency], …] or error}` of an answer of `/usage/quota`, or of `usage --json`.
fn told(providers: &Value) -> Value {
    let row = |row: &Value| json!([row["name"], row["used"], row["left"], row["currency"]]);
    let rows = |rows: &Value| rows.as_array().unwrap().iter().map(row).collect::<Value>();
    let of = |each: &Value| match each.get("error") {
        Some(error) => error.clone(),
        None => rows(&each["allowances"]),
    };
    let providers = providers.as_array().unwrap().iter();
    providers
        .map(|each| (each["id"].as_str().unwrap().to_owned(), of(each)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What the simulator's accounts are.
fn simulated() -> Value {
    json!({
        "kimi": [["5 hours", 0.07, null, null], ["week", 0.47, null, null]],
        "moonshot": [["balance", null, "49.58894", "USD"]],
        "openrouter": [["key", 0.255, "74.5", "USD"]],
    })
}

async fn quota(gateway: &Gateway) -> Value {
    let answer = gateway.get("/usage/quota").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn the_gateway_asks_each_provider_for_its_quota_once() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &Provider::ALL).start().await;
    let first = quota(&gateway).await;
    assert_eq!(told(&first["providers"]), simulated());
    let week = &first["providers"][0]["allowances"][1];
    assert_eq!(week["resets"], 1_795_824_000_000_u64, "2026-11-28T00:00:00Z");
    assert_eq!(quota(&gateway).await, first, "from memory, with the time of the first answer");
    assert_eq!(gateway.status().await["providers"][0]["state"], "ready");
}

#[tokio::test]
async fn a_quota_that_cannot_be_had_is_told_in_words_and_rests_nobody() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &Provider::ALL)
        .set("models.providers.kimi.apiKey", json!("sk-wrong-secret-0000000000"))
        .set("models.providers.moonshot.baseUrl", json!("http://127.0.0.1:9/moonshot/anthropic"))
        .set("models.providers.moonshot.api", json!("anthropic-messages"))
        .set(
            "models.providers.openrouter.baseUrl",
            json!(format!("{}/openrouter/nowhere/v1", upstream.base())),
        );
    let gateway = setup.start().await;
    let answer = quota(&gateway).await;
    let told = told(&answer["providers"]);
    let begins = |id: &str, start: &str| {
        let why = told[id].as_str().unwrap_or_else(|| panic!("{told}"));
        assert!(why.starts_with(start) && !why.contains("secret"), "{id}: {why}");
    };
    begins("kimi", "auth: ");
    begins("moonshot", "network: ");
    begins("openrouter", "");
    let providers = gateway.status().await["providers"].clone();
    let rests = |each: &&Value| each["state"] == "cooling_down";
    assert_eq!(providers.as_array().unwrap().iter().filter(rests).count(), 0, "{providers}");
}

#[tokio::test]
async fn a_quota_is_for_whoever_has_the_token() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Kimi])
        .set("gateway.auth", json!({"mode": "token", "token": "a-token-of-ours-000"}));
    let gateway = setup.start().await;
    assert_eq!(gateway.get("/usage/quota").await.status, 401);
    let asked = gateway.request(reqwest::Method::GET, "/usage/quota").bearer_auth("a-token-of-ours-000");
    let answer: Value = serde_json::from_str(&asked.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(told(&answer["providers"]), simulated());
}
