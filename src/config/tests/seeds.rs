//! Every configuration block of the documents that the project started from loads unchanged and means what its
//! document says. The fixtures are verbatim copies.

use serde_json::json;

use super::{environment, provider, settings_with, warnings, written};
use crate::catalog::{AdapterId, ThinkingLevel};
use crate::config::from_text;
use crate::config::settings::{Lookup, MatchKind, ProviderModel, Settings};
use crate::protocol::api::Api;

macro_rules! seed {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/seeds/", $name, ".json5"))
    };
}

/// Every fixture by name.
const SEEDS: [(&str, &str); 15] = [
    ("blog-kimi-code", seed!("blog-kimi-code")),
    ("cn-kimi-code", seed!("cn-kimi-code")),
    ("cn-moonshot", seed!("cn-moonshot")),
    ("nix-kimi", seed!("nix-kimi")),
    ("openclaw-default-model", seed!("openclaw-default-model")),
    ("openclaw-kimi-default", seed!("openclaw-kimi-default")),
    ("openclaw-kimi", seed!("openclaw-kimi")),
    ("openclaw-moonshot", seed!("openclaw-moonshot")),
    ("openclaw-sanitize", seed!("openclaw-sanitize")),
    ("openclaw-thinking-keep", seed!("openclaw-thinking-keep")),
    ("openclaw-thinking-off", seed!("openclaw-thinking-off")),
    ("openclaw-web-search", seed!("openclaw-web-search")),
    ("skill-both", seed!("skill-both")),
    ("skill-kimi-code", seed!("skill-kimi-code")),
    ("skill-moonshot", seed!("skill-moonshot")),
];

/// What a target's request is made of.
#[derive(Debug, PartialEq)]
struct Call {
    base: String,
    key: String,
    model: String,
    user_agent: Option<String>,
}

fn model<'s>(settings: &'s Settings, id: &str, model: &str) -> &'s ProviderModel {
    &settings.providers[id].models[model]
}

/// The first call for a requested name.
fn call(settings: &Settings, name: &str) -> Call {
    let Lookup::Resolved { chain, .. } = settings.lookup(name) else { panic!("{name} is not found") };
    let first = &chain.references[0];
    let provider = provider(settings, &first.provider);
    assert_eq!(provider.disabled_reason, None, "{name}");
    let model = provider.find_model(&first.model).expect("the model exists");
    let of = |headers: &[crate::config::settings::Header]| {
        let header = headers.iter().find(|header| header.name == "user-agent")?;
        Some(header.value.expose().to_owned())
    };
    assert_eq!(provider.apis[0].0, Api::ChatCompletions);
    Call {
        base: provider.apis[0].1.clone(),
        key: provider.keys[0].secret.expose().to_owned(),
        model: provider.upstream_model_id(&first.model),
        user_agent: of(&model.headers).or_else(|| of(&provider.headers)),
    }
}

fn expected(base: &str, key: &str, model: &str) -> Call {
    Call { base: base.to_owned(), key: key.to_owned(), model: model.to_owned(), user_agent: None }
}

#[test]
fn every_seed_loads_without_any_key_in_the_environment() {
    for (name, text) in SEEDS {
        let loaded = from_text(text, None, &environment(&[]));
        assert!(loaded.is_ok(), "{name}: {}", loaded.err().map(|e| e.to_string()).unwrap_or_default());
    }
}

#[test]
fn skill_moonshot_calls_the_china_site() {
    let settings = settings_with(seed!("skill-moonshot"), &[("MOONSHOT_API_KEY", "sk-cn")]);
    assert_eq!(written(&settings.default_chain), ["moonshot/kimi-k2.5"]);
    let moonshot = "https://api.moonshot.cn/v1";
    assert_eq!(call(&settings, "default"), expected(moonshot, "sk-cn", "kimi-k2.5"));
    assert_eq!(call(&settings, "moonshot/moonlight-v1-32k"), expected(moonshot, "sk-cn", "moonlight-v1-32k"));
    assert_eq!(call(&settings, "moonshot-v1-128k"), expected(moonshot, "sk-cn", "moonshot-v1-128k"));
    let site = provider(&settings, "moonshot");
    assert_eq!((site.adapter, site.currency.as_str()), (AdapterId::Moonshot, "CNY"));
    assert_eq!(model(&settings, "moonshot", "moonlight-v1-32k").model.context_window, Some(32_768));
    assert_eq!(model(&settings, "moonshot", "kimi-k2.5").model.context_window, Some(200_000));
    // merged with the catalog, at the prices of that site
    let merged = model(&settings, "moonshot", "kimi-k2.6").model.prices.expect("the catalog has a price");
    assert_eq!(merged.input, 6_500_000);
    let retired = "moonshot/kimi-k2.5 was retired on 2026-08-31; its successor is moonshot/kimi-k2.6.";
    assert!(warnings(&settings).iter().any(|warning| warning.contains(retired)), "{:?}", warnings(&settings));
}

#[test]
fn skill_kimi_code_calls_kimi_code_under_its_own_id() {
    let settings = settings_with(seed!("skill-kimi-code"), &[("KIMICODE_API_KEY", "sk-kimi")]);
    assert_eq!(written(&settings.default_chain), ["kimicode/kimi-for-coding"]);
    let kimi = expected("https://api.kimi.com/coding/v1", "sk-kimi", "kimi-for-coding");
    assert_eq!(call(&settings, "kimi"), kimi);
    assert_eq!(call(&settings, "kimicode/kimi-for-coding"), kimi);
    assert_eq!(provider(&settings, "kimicode").adapter, AdapterId::KimiCode);
    let facts = &model(&settings, "kimicode", "kimi-for-coding").model;
    assert_eq!((facts.context_window, facts.max_tokens), (Some(200_000), Some(8_192)));
    assert_eq!(provider(&settings, "kimicode").keys[0].origin.to_string(), "env KIMICODE_API_KEY");
}

#[test]
fn skill_both_switches_by_alias() {
    let settings =
        settings_with(seed!("skill-both"), &[("MOONSHOT_API_KEY", "sk-m"), ("KIMICODE_API_KEY", "sk-k")]);
    let moonshot = expected("https://api.moonshot.cn/v1", "sk-m", "kimi-k2.5");
    let kimi = expected("https://api.kimi.com/coding/v1", "sk-k", "kimi-for-coding");
    assert_eq!(call(&settings, "k25"), moonshot);
    assert_eq!(call(&settings, "default"), moonshot);
    assert_eq!(call(&settings, "kimi"), kimi);
}

#[test]
fn cn_moonshot_takes_its_key_from_the_env_block() {
    let settings = settings_with(seed!("cn-moonshot"), &[]);
    assert_eq!(written(&settings.default_chain), ["moonshot/kimi-k2-0905-preview"]);
    let base = "https://api.moonshot.cn/v1";
    assert_eq!(call(&settings, "default"), expected(base, "sk-...", "kimi-k2-0905-preview"));
    assert_eq!(call(&settings, "kimi k2 thinking turbo"), expected(base, "sk-...", "kimi-k2-thinking-turbo"));
    assert_eq!(settings.aliases.len(), 4);
    let facts = &model(&settings, "moonshot", "kimi-k2-thinking").model;
    assert_eq!((facts.context_window, facts.max_tokens), (Some(256_000), Some(8_192)));
    assert!(!facts.input_modalities.image);
    assert_eq!(facts.prices.expect("the user gives one").output, 0);
    assert_eq!(provider(&settings, "moonshot").keys[0].origin.to_string(), "env block MOONSHOT_API_KEY");
}

#[test]
fn cn_kimi_code_sends_the_configured_identity() {
    let settings = settings_with(seed!("cn-kimi-code"), &[]);
    let call = call(&settings, "Kimi Code");
    assert_eq!(call.user_agent.as_deref(), Some("KimiCLI/0.77"));
    assert_eq!(call.base, "https://api.kimi.com/coding/v1");
    assert_eq!(call.key, "sk-...");
    let compat = &model(&settings, "kimi-code", "kimi-for-coding").model.compat;
    assert_eq!(compat.supports_developer_role, Some(false));
}

#[test]
fn blog_kimi_code_has_its_identity_alias_and_thinking() {
    let settings = settings_with(seed!("blog-kimi-code"), &[]);
    let call = call(&settings, "kimi-code/kimi-for-coding");
    assert_eq!(call.user_agent.as_deref(), Some("KimiCLI/0.77"));
    assert_eq!((call.key.as_str(), call.model.as_str()), ("sk-kimi-YOUR_API_KEY_HERE", "kimi-for-coding"));
    assert_eq!(settings.default_thinking, Some(ThinkingLevel::Low));
    assert!(settings.aliases.contains_key("kimi k2.5 (kimi code)"));
    let facts = &model(&settings, "kimi-code", "kimi-for-coding").model;
    assert_eq!((facts.context_window, facts.max_tokens), (Some(262_144), Some(32_768)));
    assert_eq!(provider(&settings, "kimi-code").keys[0].origin.to_string(), "the configuration");
}

#[test]
fn blog_variables_feed_other_providers_too() {
    let text = seed!("blog-kimi-code")
        .replace("\"apiKey\": \"sk-kimi-YOUR_API_KEY_HERE\"", "\"apiKey\": \"${KIMICODE_API_KEY}\"");
    let settings = settings_with(&text, &[]);
    assert_eq!(provider(&settings, "kimi-code").keys[0].secret.expose(), "sk-kimi-YOUR_API_KEY_HERE");
    assert_eq!(provider(&settings, "kimi").keys[0].origin.to_string(), "env block KIMICODE_API_KEY");
}

#[test]
fn nix_kimi_sends_the_old_id_as_the_stable_one() {
    let settings =
        settings_with(seed!("nix-kimi"), &[("KIMI_API_KEY", "sk-k"), ("OPENROUTER_API_KEY", "sk-o")]);
    assert_eq!(written(&settings.default_chain), ["kimi/kimi-k2p5", "openrouter/auto"]);
    assert_eq!(
        call(&settings, "default"),
        expected("https://api.kimi.com/coding/v1", "sk-k", "kimi-for-coding")
    );
    let facts = &model(&settings, "kimi", "kimi-k2p5").model;
    assert_eq!((facts.context_window, facts.max_tokens), (Some(262_144), Some(8_192)));
    assert!(facts.input_modalities.image && !facts.input_modalities.video);
    let fallback = call(&settings, "openrouter/auto");
    assert_eq!(fallback, expected("https://openrouter.ai/api/v1", "sk-o", "openrouter/auto"));
    assert_eq!(warnings(&settings), Vec::<String>::new());
}

#[test]
fn nix_kimi_without_the_key_of_its_fallback_is_usable() {
    let settings = settings_with(seed!("nix-kimi"), &[("KIMI_API_KEY", "sk-k")]);
    let off = "agents.defaults.model.fallbacks[0]: provider openrouter is disabled: OPENROUTER_API_KEY is not set or empty";
    assert_eq!(warnings(&settings), [off]);
    assert_eq!(provider(&settings, "kimi").disabled_reason, None);
}

#[test]
fn openclaw_moonshot_has_its_prices_and_aliases() {
    let settings = settings_with(seed!("openclaw-moonshot"), &[]);
    let base = "https://api.moonshot.ai/v1";
    assert_eq!(call(&settings, "default"), expected(base, "sk-...", "kimi-k2.6"));
    assert_eq!(call(&settings, "Kimi K2.7 Code"), expected(base, "sk-...", "kimi-k2.7-code"));
    assert_eq!(settings.aliases.len(), 6);
    let cost = model(&settings, "moonshot", "kimi-k2.7-code").model.prices.expect("it has a price");
    assert_eq!(
        (cost.input, cost.output, cost.cache_read, cost.cache_write),
        (950_000, 4_000_000, 190_000, 0)
    );
    assert_eq!(model(&settings, "moonshot", "kimi-k2-turbo").model.max_tokens, Some(16_384));
    assert_eq!(provider(&settings, "moonshot").currency, "USD");
}

#[test]
fn openclaw_default_models_need_no_provider_block() {
    let settings = settings_with(seed!("openclaw-default-model"), &[("MOONSHOT_API_KEY", "sk-m")]);
    assert_eq!(call(&settings, "default"), expected("https://api.moonshot.ai/v1", "sk-m", "kimi-k2.6"));
    for (seed, pairs) in
        [(seed!("openclaw-kimi-default"), &[("KIMI_API_KEY", "sk-...")][..]), (seed!("openclaw-kimi"), &[])]
    {
        let settings = settings_with(seed, pairs);
        let kimi = expected("https://api.kimi.com/coding/v1", "sk-...", "kimi-for-coding");
        assert_eq!(call(&settings, "default"), kimi);
        let Lookup::Resolved { matched_by: by, .. } = settings.lookup("kimi/kimi-code") else {
            panic!("old references work")
        };
        assert_eq!(by, MatchKind::Reference);
        assert_eq!(call(&settings, "kimi/k2p5"), kimi);
    }
}

#[test]
fn openclaw_thinking_params_reach_the_model() {
    let off = settings_with(seed!("openclaw-thinking-off"), &[]);
    assert_eq!(
        json!(model(&off, "moonshot", "kimi-k2.6").params),
        json!({ "thinking": { "type": "disabled" } })
    );
    let keep = settings_with(seed!("openclaw-thinking-keep"), &[]);
    let params = json!({ "thinking": { "type": "enabled", "keep": "all" } });
    assert_eq!(json!(model(&keep, "moonshot", "kimi-k2.6").params), params);
}

#[test]
fn openclaw_sanitize_is_kept_and_its_provider_is_disabled() {
    let settings = settings_with(seed!("openclaw-sanitize"), &[]);
    let proxy = provider(&settings, "my-kimi-proxy");
    assert!(proxy.sanitize_tool_call_ids);
    assert_eq!(proxy.adapter, AdapterId::Generic);
    assert!(proxy.disabled_reason.is_some());
    let warning = "models.providers.my-kimi-proxy: provider my-kimi-proxy has no baseUrl";
    assert!(warnings(&settings).iter().any(|found| found.starts_with(warning)), "{:?}", warnings(&settings));
}

#[test]
fn openclaw_web_search_is_kept() {
    let search = settings_with(seed!("openclaw-web-search"), &[]).web_search;
    assert_eq!(search.keys[0].secret.expose(), "sk-...");
    assert_eq!(
        (search.base_url.as_str(), search.model.as_str()),
        ("https://api.moonshot.ai/v1", "kimi-k2.6")
    );
}
