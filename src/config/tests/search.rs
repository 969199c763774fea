//! Web search: its endpoint, its keys, and the messages for a setting that cannot work.

use super::{issues, settings_with, warnings};
use crate::config::settings::WebSearchSettings;

const SETTING: &str = "plugins.entries.moonshot.config.webSearch";

/// With this as its settings, and these providers.
fn text(search: &str, providers: &str) -> String {
    format!(
        "{{ plugins: {{ entries: {{ moonshot: {{ config: {{ webSearch: {search} }} }} }} }}, models: {{ providers: {{ {providers} }} }} }}"
    )
}

fn search(search: &str, providers: &str, variables: &[(&str, &str)]) -> WebSearchSettings {
    settings_with(&text(search, providers), variables).web_search
}

fn keys(search: &WebSearchSettings) -> Vec<&str> {
    search.keys.iter().map(|key| key.secret.expose()).collect()
}

const KEY: &[(&str, &str)] = &[("MOONSHOT_API_KEY", "sk-moon-1")];

#[test]
fn default_region_is_that_of_the_account() {
    let base = |providers: &str| {
        let found = search("{}", providers, KEY);
        (found.base_url, found.provider)
    };
    let place = |base: &str, id: &str| (base.to_owned(), id.to_owned());
    let international = place("https://api.moonshot.ai/v1", "moonshot");
    assert_eq!(base(""), international);
    let china = "baseUrl: 'https://api.moonshot.cn/v1'";
    assert_eq!(base(&format!("moonshot: {{ {china} }}")), place("https://api.moonshot.cn/v1", "moonshot"));
    let preferred = format!("moonshot: {{ {china}, api: 'anthropic-messages' }}");
    assert_eq!(base(&preferred), place("https://api.moonshot.cn/v1", "moonshot"), "the search speaks chat");
    assert_eq!(base("'moonshot-cn': {}"), place("https://api.moonshot.cn/v1", "moonshot-cn"));
    assert_eq!(base("moonshot: {}, 'moonshot-cn': {}"), international);
    let proxy = "moonshot: { baseUrl: 'https://proxy.example/v1', apiKey: 'sk-proxy' }";
    assert_eq!(base(proxy), place("https://proxy.example/v1", "moonshot"));
    let explicit = search("{ baseUrl: 'https://api.moonshot.cn/v1/' }", "", KEY);
    assert_eq!(
        (explicit.base_url.as_str(), explicit.provider.as_str()),
        ("https://api.moonshot.cn/v1", "moonshot-cn")
    );
}

#[test]
fn keys_are_tried_in_order_at_their_own_host() {
    let both = [("KIMI_API_KEY", "sk-a"), ("MOONSHOT_API_KEY", "sk-b")];
    assert_eq!(keys(&search("{}", "", &both)), ["sk-a", "sk-b"]);
    assert_eq!(
        keys(&search("{}", "moonshot: { apiKey: ['sk-b', 'sk-c'] }", &both)),
        ["sk-a", "sk-b", "sk-c"]
    );
    assert_eq!(keys(&search("{ apiKey: 'sk-own' }", "moonshot: { apiKey: 'sk-c' }", &both)), ["sk-own"]);
    let kimi = [("KIMI_API_KEY", "sk-kimi-1"), ("MOONSHOT_API_KEY", "sk-b")];
    assert_eq!(keys(&search("{}", "", &kimi)), ["sk-b"]);
    let off = search("{}", "", &kimi[..1]);
    assert!(keys(&off).is_empty() && off.disabled_reason.is_some_and(|why| why.contains("env KIMI_API_KEY")));
    let lost = search("{ apiKey: '${LOST}' }", "", &both);
    assert!(keys(&lost).is_empty(), "the one that is meant, and no other");
    let other = "moonshot: { baseUrl: 'http://127.0.0.1:9/moonshot/v1', apiKey: 'sk-m' }, \
                 openrouter: { baseUrl: 'http://127.0.0.1:9/openrouter/api/v1', apiKey: 'sk-or' }";
    assert_eq!(keys(&search("{ baseUrl: 'http://127.0.0.1:9/moonshot/v1' }", other, &[])), ["sk-m"]);
}

#[test]
fn provider_key_stays_at_the_base_url_of_its_provider() {
    let from_name = "moonshot: { baseUrl: 'https://proxy.example/v1' }";
    let written = "moonshot: { baseUrl: 'https://proxy.example/v1', apiKey: '${MOONSHOT_API_KEY}' }";
    for provider in [from_name, written] {
        let at_the_provider = search("{}", provider, KEY);
        assert_eq!(at_the_provider.base_url, "https://proxy.example/v1");
        assert_eq!(keys(&at_the_provider), ["sk-moon-1"]);
        let elsewhere = search("{ baseUrl: 'https://api.moonshot.ai/v1' }", provider, KEY);
        assert_eq!(elsewhere.base_url, "https://api.moonshot.ai/v1");
        assert!(keys(&elsewhere).is_empty());
        let own = search("{ apiKey: 'sk-own' }", provider, KEY);
        assert_eq!((own.base_url.as_str(), keys(&own)), ("https://api.moonshot.ai/v1", vec!["sk-own"]));
    }
    let both = [("KIMI_API_KEY", "sk-a"), ("MOONSHOT_API_KEY", "sk-moon-1")];
    assert_eq!(keys(&search("{}", from_name, &both)), ["sk-moon-1"], "KIMI_API_KEY is not the proxy's");
    let elsewhere = search("{ baseUrl: 'https://api.moonshot.ai/v1' }", from_name, &both);
    assert_eq!(keys(&elsewhere), ["sk-a"]);
    let of_kimi = "kimi: { baseUrl: 'https://proxy.example/coding/v1', apiKey: '${KIMI_API_KEY}' }";
    assert_eq!(keys(&search("{}", of_kimi, &both)), ["sk-moon-1"], "KIMI_API_KEY belongs to provider kimi");
    let region = search("{ baseUrl: 'https://api.moonshot.cn/v1' }", "moonshot: { apiKey: 'sk-m' }", &[]);
    assert!(keys(&region).is_empty(), "keys are per region");
}

#[test]
fn withheld_key_is_a_warning_that_names_both_settings_and_the_fix() {
    let provider = "moonshot: { baseUrl: 'https://proxy.example/v1', apiKey: 'sk-moon-000000001' }";
    let settings = settings_with(&text("{ baseUrl: 'https://api.moonshot.ai/v1' }", provider), &[]);
    let found = warnings(&settings);
    let warning = found.iter().find(|warning| warning.starts_with(&format!("{SETTING}.baseUrl: "))).unwrap();
    for part in
        ["models.providers.moonshot.baseUrl", &format!("Set {SETTING}.apiKey"), "remove", "proxy.example"]
    {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    assert!(!warning.contains("0001"), "{warning}");
    assert!(settings.web_search.disabled_reason.is_some_and(|off| warning.ends_with(&off)));
    assert!(warnings(&settings_with(&text("{}", provider), &[])).is_empty());
}

#[test]
fn provider_without_chat_completions_does_not_lend_its_key() {
    let provider =
        "moonshot: { baseUrl: 'https://proxy.example/messages', api: 'anthropic-messages', apiKey: 'sk-m' }";
    let found = search("{}", provider, &[]);
    assert!(keys(&found).is_empty());
    let off = found.disabled_reason.unwrap();
    for part in ["models.providers.moonshot.baseUrl", "webSearch.baseUrl", "webSearch.apiKey"] {
        assert!(off.contains(part), "{part}: {off}");
    }
}

#[test]
fn unusable_settings_are_warnings() {
    let settings = settings_with(
        &text("{ apiKey: 'sk-kimi-000000001', model: 'kimi-k2.5', timeoutSeconds: 5 }", ""),
        &[],
    );
    let found_warnings = warnings(&settings);
    let of = |setting: &str| {
        let found =
            found_warnings.iter().find(|warning| warning.starts_with(&format!("{SETTING}.{setting}: ")));
        found.unwrap_or_else(|| panic!("{setting}: {found_warnings:?}"))
    };
    assert!(of("apiKey").contains("Kimi Code") && !of("apiKey").contains("0001"));
    assert!(of("model").contains("its successor is moonshot/kimi-k2.6"));
    assert_eq!(settings.web_search.timeout.as_secs(), 5);
    assert!(settings.web_search.is_model_configured);
    let clear = issues(&text("{ baseUrl: 'http://10.0.0.5/v1' }", ""));
    assert!(
        clear[0].starts_with(&format!("{SETTING}.baseUrl: ")) && clear[0].contains("clear text"),
        "{clear:?}"
    );
}
