//! `--section web-search`.

use serde_json::json;

use super::{Desk, KEY};
use crate::common::Provider;

const PLACE: &str = "plugins.entries.moonshot.config.webSearch";

#[tokio::test]
async fn region_model_and_a_key_of_its_own_are_written() {
    let desk = Desk::new().await;
    let base = desk.base(Provider::Moonshot);
    let arguments =
        ["--section", "web-search", "--region", "cn", "--base-url", &base, "--model", "kimi-k3", "--json"];
    let ended = desk.onboard(KEY, &arguments).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    assert_eq!(ended.json()["secrets"]["name"], json!("MOONSHOT_SEARCH_API_KEY"));
    let written = desk.json(&["config", "get", PLACE, "--json"]).await;
    let expected = json!({ "apiKey": "${MOONSHOT_SEARCH_API_KEY}", "baseUrl": base, "model": "kimi-k3" });
    assert_eq!(written, expected);
    assert_eq!(desk.json(&["config", "get", "tools.web.search.provider", "--json"]).await, json!("kimi"));
    let before = desk.everything();
    assert_eq!(desk.onboard(KEY, &arguments).await.code, Some(0));
    assert!(before == desk.everything(), "a second time changes nothing");
}

#[tokio::test]
async fn without_a_key_of_its_own_the_platforms_is_found_and_kimi_codes_is_not_taken_for_one() {
    let desk = Desk::new().await;
    desk.set_up("kimi-code-api-key", Provider::Kimi, Provider::Kimi.key()).await;
    let base = desk.base(Provider::Moonshot);
    let arguments = ["--section", "web-search", "--region", "ai", "--base-url", &base, "--json"];
    let alone = desk.run(None, &arguments, &[]).await;
    assert_eq!(alone.code, Some(0), "{}", alone.both());
    let warning = alone.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.contains("no key for Moonshot's platform"), "{warning}");
    desk.set_up("moonshot-api-key", Provider::Moonshot, KEY).await;
    let both = desk.run(None, &arguments, &[]).await;
    assert_eq!(both.code, Some(0), "{}", both.both());
    assert_eq!(both.json()["check"]["result"], json!("ok"), "{}", both.both());
    assert_eq!(both.json()["warnings"], json!([]));
    let written = desk.json(&["config", "get", PLACE, "--json"]).await;
    assert_eq!(written, json!({ "baseUrl": base }), "no model is pinned that was not chosen");
    let found = desk.json(&["web-search", "What is the moon made of?", "--json"]).await;
    assert_eq!(found["ok"], json!(true), "{found}");
}

#[tokio::test]
async fn a_key_of_the_other_site_is_named() {
    let desk = Desk::with(&["--key", "sk-of-ai"]).await;
    let other = crate::common::Upstream::with(&["--key", "sk-of-cn"]).await;
    let there = format!("{}{}", other.base(), Provider::Moonshot.path());
    let base = desk.base(Provider::Moonshot);
    let arguments = [
        "--section",
        "web-search",
        "--region",
        "ai",
        "--base-url",
        &base,
        "--other-base-url",
        &there,
        "--json",
    ];
    let ended = desk.onboard("sk-of-cn", &arguments).await;
    assert_eq!(ended.code, Some(1), "{}", ended.both());
    let error = ended.json()["error"].clone();
    assert_eq!(error["type"], json!("wrong_region"), "{error}");
    assert!(error["message"].as_str().unwrap().contains("--region cn"), "{error}");
    assert!(desk.everything().is_empty());
}
