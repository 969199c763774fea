//! `moonrelay web-search`, with a gateway and without one.

use serde_json::{Value, json};

use super::{SETTING, setup};
use crate::common::process::{Ended, command, run};
use crate::common::{Gateway, Provider, Setup, Upstream};

/// Runs it with this configuration in its own home directory, without a gateway.
async fn alone(setup: &Setup, arguments: &[&str]) -> Ended {
    // Nothing listens on the discard port.
    let (_, home) = setup.clone().set("gateway.port", json!(9)).command();
    let mut asked = command(home.path(), [&["web-search"], arguments].concat());
    asked.arg("--config").arg(home.path().join("config.json5"));
    run(asked).await
}

/// Runs it beside a gateway, which it finds by the configured port.
async fn beside(gateway: &Gateway, setup: Setup, arguments: &[&str]) -> Ended {
    let port: u16 = gateway.serving.authority().rsplit(':').next().unwrap().parse().unwrap();
    let file = gateway.home().join("asked.json5");
    std::fs::write(&file, setup.set("gateway.port", json!(port)).text()).unwrap();
    let mut asked = command(gateway.home(), [&["web-search"], arguments].concat());
    asked.arg("--config").arg(file);
    run(asked).await
}

#[tokio::test]
async fn without_a_gateway_it_searches_by_itself() {
    let upstream = Upstream::start().await;
    let ended = alone(&setup(&upstream), &["who", "landed on the moon?"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.both());
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].contains("the web says of \"who landed on the moon?\""), "{}", ended.stdout);
    let sources = lines.iter().position(|line| *line == "Sources:").expect("there are some");
    assert!(lines[sources + 1].starts_with("  1. https://news.example/"), "{}", ended.stdout);
    assert!(
        lines.last().unwrap().starts_with("kimi-k2.6 · ") && lines.last().unwrap().ends_with(" USD"),
        "{}",
        ended.stdout
    );

    let found = alone(&setup(&upstream), &["moon", "--json"]).await.json();
    assert_eq!(
        (&found["ok"], &found["query"], &found["cached"]),
        (&json!(true), &json!("moon"), &json!(false))
    );
    assert_eq!(found["citations"].as_array().unwrap().len(), 2);
    assert!(found["tookMs"].is_u64() && found["usage"]["cost"]["total"].is_f64(), "{found}");
}

#[tokio::test]
async fn failures_have_a_type_and_an_exit_code() {
    let upstream = Upstream::start().await;
    let failed = |ended: &Ended| -> (Option<i32>, Value) {
        let reported = ended.json();
        assert_eq!(reported["ok"], false, "{reported}");
        (ended.code, reported["error"]["type"].clone())
    };
    let good = setup(&upstream);
    for (query, kind) in [("from memory", "ungrounded"), ("without end", "no_answer"), (" ", "invalid_query")]
    {
        assert_eq!(failed(&alone(&good, &[query, "--json"]).await), (Some(1), json!(kind)));
    }
    let keyless = good.clone().set("models.providers.moonshot.apiKey", json!("${NOWHERE_SET}"));
    assert_eq!(failed(&alone(&keyless, &["moon", "--json"]).await), (Some(1), json!("missing_key")));
    let wrong = good.clone().set(&format!("{SETTING}.apiKey"), json!("sk-kimi-0000000001"));
    let ended = alone(&wrong, &["moon", "--json"]).await;
    assert_eq!(failed(&ended), (Some(1), json!("auth")));
    assert!(
        ended.stdout.contains("it is a key of Kimi Code") && !ended.stdout.contains("0000001"),
        "{}",
        ended.stdout
    );
    upstream.fault(json!({ "provider": "moonshot", "kind": "no_head" })).await;
    let slow = good.set(&format!("{SETTING}.timeoutSeconds"), json!(1));
    assert_eq!(failed(&alone(&slow, &["moon", "--json"]).await), (Some(1), json!("timeout")));
    let ended = alone(&slow, &["moon"]).await;
    assert!(
        ended.code == Some(1) && ended.stderr.starts_with("moonrelay: ") && ended.stdout.is_empty(),
        "{}",
        ended.both()
    );
    assert_eq!(
        alone(&slow, &["moon", "--count", "3"]).await.code,
        Some(2),
        "what would not count is no option"
    );
}

#[tokio::test]
async fn beside_a_gateway_its_memory_its_key_and_its_words_count() {
    let upstream = Upstream::start().await;
    let token = json!({ "mode": "token", "token": "a-token-of-ours-000" });
    let gateway = setup(&upstream).set("gateway.auth", token.clone()).start().await;
    // The shell has no key for it.
    let shell = Setup::of(json!({ "gateway": { "auth": token } }));
    let first = beside(&gateway, shell.clone(), &["moon", "--json"]).await;
    assert_eq!((first.code, &first.json()["cached"]), (Some(0), &json!(false)), "{}", first.both());
    let again = beside(&gateway, shell.clone(), &["moon"]).await;
    assert!(again.stdout.trim_end().ends_with("kimi-k2.6 · cached"), "{}", again.both());
    assert_eq!(upstream.requests().await.len(), 2);
    let local = beside(&gateway, shell.clone(), &["moon", "--local", "--json"]).await;
    assert_eq!(local.json()["error"]["type"], "missing_key", "{}", local.both());
    let memory = beside(&gateway, shell, &["from memory", "--json"]).await;
    assert_eq!((memory.code, &memory.json()["error"]["type"]), (Some(1), &json!("ungrounded")));
    let stranger = beside(&gateway, Setup::of(json!({})), &["moon", "--json"]).await;
    assert_eq!(stranger.json()["error"]["type"], "gateway_auth", "{}", stranger.both());
}

#[tokio::test]
async fn a_gateway_without_a_key_leaves_the_search_to_the_shell() {
    let upstream = Upstream::start().await;
    let url = format!("{}{}", upstream.base(), Provider::OpenRouter.path());
    let openrouter = json!({ "baseUrl": url, "apiKey": Provider::OpenRouter.key() });
    let keyless = Setup::of(json!({ "models": { "providers": { "openrouter": openrouter } } }));
    let gateway = keyless.start().await;
    let ended = beside(&gateway, setup(&upstream), &["moon", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
}
