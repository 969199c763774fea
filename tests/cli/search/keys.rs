//! Which key the search uses, and the error for a rejected one.

use serde_json::{Value, json};

use super::{SETTING, refused, search, setup};
use crate::common::{Provider, Setup, Upstream};

/// Without a provider that could lend its key.
fn alone(upstream: &Upstream) -> Setup {
    let base = |provider: Provider| json!(format!("{}{}", upstream.base(), provider.path()));
    let openrouter = json!({ "baseUrl": base(Provider::OpenRouter), "apiKey": Provider::OpenRouter.key() });
    Setup::of(json!({ "models": { "providers": { "openrouter": openrouter } } }))
        .set(&format!("{SETTING}.baseUrl"), base(Provider::Moonshot))
}

/// The keys that Moonshot was shown.
async fn shown(upstream: &Upstream) -> Vec<String> {
    let key = |request: &Value| {
        let headers = request["headers"].to_string();
        ["KIMI", "PLATFORM", "SETTING"].into_iter().filter(|name| headers.contains(name)).collect::<String>()
    };
    upstream.requests().await.iter().map(key).collect()
}

#[tokio::test]
async fn a_key_of_the_other_product_is_left_out() {
    let upstream = Upstream::start().await;
    let gateway = alone(&upstream)
        .environment("KIMI_API_KEY", "sk-kimi-KIMI0000000001")
        .environment("MOONSHOT_API_KEY", Provider::Moonshot.key())
        .start()
        .await;
    assert_eq!(search(&gateway, "moon").await.status, 200);

    upstream.forget().await;
    let gateway = alone(&upstream).environment("KIMI_API_KEY", "sk-kimi-KIMI0000000001").start().await;
    let (status, code, message) = refused(&search(&gateway, "moon").await);
    assert_eq!((status, code.as_str()), (503, "missing_key"), "{message}");
    for part in ["env KIMI_API_KEY", "sk-kimi-", "Kimi Code", "MOONSHOT_API_KEY"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!message.contains("KIMI0000"), "{message}");
    assert!(upstream.requests().await.is_empty(), "no upstream received a key, not even OpenRouter's");
}

#[tokio::test]
async fn a_refusal_names_the_key_the_region_and_the_setting() {
    let upstream = Upstream::with(&["--key", "sk-the-only-good-one-00"]).await;
    let mut gateway = alone(&upstream)
        .environment("KIMI_API_KEY", "sk-KIMI-0000000001")
        .environment("MOONSHOT_API_KEY", "sk-PLATFORM-0000000002")
        .start()
        .await;
    let answer = search(&gateway, "moon").await;
    let (status, code, message) = refused(&answer);
    assert_eq!((status, code.as_str()), (401, "auth"), "{message}");
    assert_eq!(answer.header("x-should-retry"), "false");
    for part in [
        "sk-…01 (env KIMI_API_KEY)",
        "sk-…02 (env MOONSHOT_API_KEY)",
        "often is a key of Kimi Code",
        "plugins.entries.moonshot.config.webSearch.baseUrl",
        "https://api.moonshot.cn/v1",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(shown(&upstream).await, ["KIMI", "PLATFORM"], "in this order, each once");
    let reported = gateway.serving.stop().await;
    assert!(reported.contains(answer.header("x-moonrelay-request-id")), "{reported}");
    for reported in [answer.text(), reported] {
        assert!(!reported.contains("0000000001") && !reported.contains("0000000002"), "{reported}");
    }
}

#[tokio::test]
async fn the_setting_comes_before_the_names_and_a_refused_name_gives_way() {
    let upstream = Upstream::with(&["--key", "sk-PLATFORM-0000000002"]).await;
    let named = || {
        alone(&upstream)
            .environment("KIMI_API_KEY", "sk-KIMI-0000000001")
            .environment("MOONSHOT_API_KEY", "sk-PLATFORM-0000000002")
    };
    let gateway = named().start().await;
    assert_eq!(search(&gateway, "moon").await.status, 200);
    assert_eq!(shown(&upstream).await, ["KIMI", "PLATFORM", "PLATFORM"]);

    upstream.forget().await;
    let gateway = named().set(&format!("{SETTING}.apiKey"), json!("sk-SETTING-0000000003")).start().await;
    let (status, _, message) = refused(&search(&gateway, "moon").await);
    assert_eq!(status, 401);
    assert!(message.contains("the configuration") && !message.contains("KIMI_API_KEY"), "{message}");
    assert_eq!(shown(&upstream).await, ["SETTING"], "the one that the user means, and no other");
}

#[tokio::test]
async fn a_default_model_that_is_gone_has_a_successor_and_a_chosen_one_has_not() {
    let upstream = Upstream::start().await;
    let gone = json!({ "provider": "moonshot", "kind": "model_not_found", "model": "kimi-k2.6" });
    upstream.fault(gone).await;
    let gateway = setup(&upstream).start().await;
    let answer = search(&gateway, "moon").await;
    assert_eq!((answer.status, answer.model()), (200, "moonshot/kimi-k3.1-pro"), "{}", answer.text());
    let gateway = setup(&upstream).set(&format!("{SETTING}.model"), json!("kimi-k2.6")).start().await;
    let (status, code, message) = refused(&search(&gateway, "moon").await);
    assert_eq!((status, code.as_str()), (404, "model_not_found"));
    assert!(message.contains("webSearch.model"), "{message}");
}

#[tokio::test]
async fn provider_key_stays_at_its_host_and_search_uses_that_host() {
    let (provider, elsewhere) = (Upstream::start().await, Upstream::start().await);
    let base = |upstream: &Upstream| json!(format!("{}{}", upstream.base(), Provider::Moonshot.path()));
    let moonshot = json!({ "baseUrl": base(&provider), "apiKey": "${MOONSHOT_API_KEY}" });
    let with = |search: Value| {
        Setup::of(json!({ "models": { "providers": { "moonshot": moonshot } } }))
            .set(SETTING, search)
            .environment("MOONSHOT_API_KEY", Provider::Moonshot.key())
    };
    let gateway = with(json!({})).start().await;
    assert_eq!(search(&gateway, "moon").await.status, 200);
    assert!(!provider.requests().await.is_empty(), "the provider's base URL");

    provider.forget().await;
    let gateway = with(json!({ "baseUrl": base(&elsewhere) })).start().await;
    let (status, code, message) = refused(&search(&gateway, "moon").await);
    assert_eq!((status, code.as_str()), (503, "missing_key"), "{message}");
    for part in
        ["models.providers.moonshot.baseUrl", &format!("{SETTING}.baseUrl"), &format!("{SETTING}.apiKey")]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(elsewhere.requests().await.is_empty() && provider.requests().await.is_empty());

    let own = json!({ "baseUrl": base(&elsewhere), "apiKey": Provider::Moonshot.key() });
    let gateway = with(own).start().await;
    assert_eq!(search(&gateway, "moon").await.status, 200);
    assert!(!elsewhere.requests().await.is_empty() && provider.requests().await.is_empty());
}
