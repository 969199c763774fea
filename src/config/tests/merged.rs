//! Providers: the file over the catalog.

use std::time::Duration;

use serde_json::json;

use super::{issues, provider, settings, settings_with, warnings};
use crate::catalog::{AdapterId, ThinkingControl};
use crate::config::settings::Auth;
use crate::protocol::api::Api;

/// `api=base` of every API.
fn apis(text: &str, id: &str) -> Vec<String> {
    let settings = settings(text);
    provider(&settings, id).apis.iter().map(|(api, base)| format!("{}={base}", api.as_str())).collect()
}

fn of_provider(id: &str, body: &str) -> String {
    format!("{{ models: {{ providers: {{ '{id}': {{ {body} }} }} }} }}")
}

#[test]
fn host_of_the_catalog_serves_every_documented_api() {
    let kimi = [
        "openai-completions=https://api.kimi.com/coding/v1",
        "openai-responses=https://api.kimi.com/coding/v1",
        "anthropic-messages=https://api.kimi.com/coding/v1",
    ];
    assert_eq!(apis("{}", "kimi"), kimi);
    for base in
        ["https://api.kimi.com/coding/v1", "https://api.kimi.com/coding/", "https://api.kimi.com/coding/v1/"]
    {
        assert_eq!(apis(&of_provider("mine", &format!("baseUrl: '{base}'")), "mine"), kimi, "{base}");
    }
    let global = apis(&of_provider("kimi", "baseUrl: 'https://api.kimi.ai/coding/v1'"), "kimi");
    assert_eq!(global[2], "anthropic-messages=https://api.kimi.ai/coding/v1");
    let china = apis(&of_provider("moonshot", "baseUrl: 'https://api.moonshot.cn/v1'"), "moonshot");
    assert_eq!(china[2], "anthropic-messages=https://api.moonshot.cn/anthropic/v1");
    let preferred = apis(&of_provider("moonshot", "api: 'anthropic-messages'"), "moonshot");
    assert_eq!(preferred[0], "anthropic-messages=https://api.moonshot.ai/anthropic/v1");
    assert_eq!(preferred.len(), 3);
}

#[test]
fn other_host_serves_only_the_named_api() {
    let chat = apis(&of_provider("lab", "baseUrl: 'http://127.0.0.1:8000/v1/'"), "lab");
    assert_eq!(chat, ["openai-completions=http://127.0.0.1:8000/v1"]);
    let messages =
        apis(&of_provider("lab", "baseUrl: 'https://lab.example/x', api: 'anthropic-messages'"), "lab");
    assert_eq!(messages, ["anthropic-messages=https://lab.example/x/v1"]);
    let odd = apis(&of_provider("mine", "baseUrl: 'https://api.moonshot.ai/beta'"), "mine");
    assert_eq!(odd, ["openai-completions=https://api.moonshot.ai/beta"]);
}

#[test]
fn mirror_of_a_catalog_provider_serves_its_apis() {
    let at = |id: &str, more: &str| apis(&of_provider(id, more), id);
    let mirror = "http://127.0.0.1:9/moonshot";
    let moonshot = [
        format!("openai-completions={mirror}/v1"),
        format!("openai-responses={mirror}/v1"),
        format!("anthropic-messages={mirror}/anthropic/v1"),
    ];
    assert_eq!(at("moonshot", &format!("baseUrl: '{mirror}/v1/'")), moonshot);
    assert_eq!(at("moonshot", &format!("baseUrl: '{mirror}/anthropic/v1'")), moonshot);
    let kimi = at("kimi", "baseUrl: 'https://mirror.example/coding/v1'");
    assert_eq!((kimi.len(), kimi[2].as_str()), (3, "anthropic-messages=https://mirror.example/coding/v1"));
    // A named API is taken as written. A URL with another layout is not taken for a mirror.
    let named = at("kimi", "baseUrl: 'http://127.0.0.1:9/coding/v1', api: 'anthropic-messages'");
    assert_eq!(named, ["anthropic-messages=http://127.0.0.1:9/coding/v1"]);
    assert_eq!(at("kimi", "baseUrl: 'http://127.0.0.1:9/v1'"), ["openai-completions=http://127.0.0.1:9/v1"]);
    assert_eq!(at("lab", &format!("baseUrl: '{mirror}/v1'")), [format!("openai-completions={mirror}/v1")]);
}

#[test]
fn key_is_sent_in_the_header_of_the_api() {
    let header = |id: &str, body: &str, api| {
        let settings = settings(&of_provider(id, &format!("apiKey: 'k1', {body}")));
        let provider = provider(&settings, id);
        let (name, value) = provider.auth_header(api, &provider.keys[0].secret).unwrap();
        assert!(value.is_sensitive());
        format!("{name}: {}", value.to_str().unwrap())
    };
    let own = "baseUrl: 'https://lab.example/v1'";
    for id in ["kimi", "moonshot", "openrouter", "lab"] {
        let body = if id == "lab" { own } else { "" };
        for api in [Api::ChatCompletions, Api::Responses] {
            assert_eq!(header(id, body, api), "authorization: Bearer k1", "{id}");
        }
        let takes_key = matches!(id, "kimi" | "lab");
        let expected = if takes_key { "x-api-key: k1" } else { "authorization: Bearer k1" };
        assert_eq!(header(id, body, Api::Messages), expected, "{id}");
        let bearer = format!("authHeader: true, {body}");
        assert_eq!(header(id, &bearer, Api::Messages), "authorization: Bearer k1", "{id}");
    }
    let settings = settings(&of_provider("lab", &format!("auth: 'none', {own}")));
    let lab = provider(&settings, "lab");
    assert!(lab.auth_header(Api::Messages, &lab.keys[0].secret).is_none());
}

#[test]
fn adapter_is_that_of_the_id_then_of_the_host_then_generic() {
    let adapter_of = |id: &str, body: &str| provider(&settings(&of_provider(id, body)), id).adapter;
    assert_eq!(adapter_of("kimi", "baseUrl: 'http://127.0.0.1:1/kimi/coding/v1'"), AdapterId::KimiCode);
    assert_eq!(adapter_of("mine", "baseUrl: 'https://api.kimi.ai/coding/v1'"), AdapterId::KimiCode);
    assert_eq!(adapter_of("mine", "baseUrl: 'https://api.moonshot.cn/v1'"), AdapterId::Moonshot);
    assert_eq!(adapter_of("mine", "baseUrl: 'https://openrouter.ai/api/v1'"), AdapterId::OpenRouter);
    assert_eq!(adapter_of("mine", "baseUrl: 'https://api.example/v1'"), AdapterId::Generic);
}

#[test]
fn missing_key_disables_its_provider_and_names_variable_and_setting() {
    let settings =
        settings_with(&of_provider("moonshot", "apiKey: '${MY_KEY}'"), &[("MOONSHOT_API_KEY", "sk")]);
    let warning =
        "models.providers.moonshot.apiKey: MY_KEY is not set or empty, so provider moonshot is disabled";
    assert_eq!(warnings(&settings), [warning]);
    assert_eq!(
        provider(&settings, "moonshot").disabled_reason.as_deref(),
        Some("MY_KEY is not set or empty")
    );
    let settings = settings_with(&of_provider("moonshot", "timeoutSeconds: 9"), &[]);
    let warning = "models.providers.moonshot.apiKey: MOONSHOT_API_KEY is not set or empty, so provider moonshot is disabled";
    assert_eq!(warnings(&settings), [warning]);
    assert_eq!(provider(&settings, "moonshot").first_token_timeout, Some(Duration::from_secs(9)));
}

#[test]
fn one_of_several_keys_may_be_missing() {
    let text = of_provider("moonshot", "apiKey: ['${A}', { source: 'env', id: 'B' }, 'literal']");
    let settings = settings_with(&text, &[("B", "sk-b")]);
    let keys: Vec<&str> =
        provider(&settings, "moonshot").keys.iter().map(|key| key.secret.expose()).collect();
    assert_eq!(keys, ["sk-b", "literal"]);
    assert_eq!(provider(&settings, "moonshot").disabled_reason, None);
    let warning =
        "models.providers.moonshot.apiKey[0]: A is not set or empty: provider moonshot uses its other keys";
    assert_eq!(warnings(&settings), [warning]);
}

#[test]
fn key_that_no_header_can_carry_is_not_used() {
    let settings = settings_with(&of_provider("moonshot", "apiKey: '${K}'"), &[("K", "sk-\u{1}x")]);
    assert!(provider(&settings, "moonshot").keys.is_empty());
    assert!(!warnings(&settings)[0].contains("sk-"));
}

#[test]
fn missing_variable_of_a_header_disables_the_provider() {
    let text = of_provider("moonshot", "apiKey: 'sk', headers: { 'X-Team': '${TEAM}' }");
    let settings = settings_with(&text, &[]);
    assert_eq!(provider(&settings, "moonshot").disabled_reason.as_deref(), Some("TEAM is not set or empty"));
    let text = of_provider(
        "moonshot",
        "apiKey: 'sk', models: [{ id: 'kimi-k3', headers: { 'X-Team': '${TEAM}' } }]",
    );
    let settings = settings_with(&text, &[]);
    assert_eq!(provider(&settings, "moonshot").disabled_reason.as_deref(), Some("TEAM is not set or empty"));
}

#[test]
fn provider_without_a_key_is_enabled() {
    let settings = settings_with(&of_provider("lab", "baseUrl: 'http://127.0.0.1:1/v1'"), &[]);
    let lab = provider(&settings, "lab");
    assert_eq!((lab.auth, lab.keys.len(), lab.disabled_reason.as_deref()), (Auth::None, 1, None));
    assert!(lab.keys[0].secret.expose().is_empty());
    let asked = settings_with(&of_provider("lab", "baseUrl: 'http://127.0.0.1:1/v1', auth: 'token'"), &[]);
    assert_eq!(provider(&asked, "lab").disabled_reason.as_deref(), Some("it has no apiKey"));
    let bearer = settings_with(
        &of_provider("lab", "baseUrl: 'http://127.0.0.1:1/v1', authHeader: true, apiKey: 'x'"),
        &[],
    );
    assert_eq!(provider(&bearer, "lab").auth, Auth::Bearer);
}

#[test]
fn moonshot_cn_is_enabled_only_if_configured() {
    let off = provider(&settings("{}"), "moonshot-cn").disabled_reason.clone();
    assert_eq!(off.as_deref(), Some("it is enabled only if models.providers.moonshot-cn is configured"));
    let on = settings(&of_provider("moonshot-cn", ""));
    assert_eq!(provider(&on, "moonshot-cn").disabled_reason, None);
    assert_eq!(provider(&on, "moonshot-cn").apis[0].1, "https://api.moonshot.cn/v1");
}

#[test]
fn other_ids_mean_kimi_unless_the_user_defines_them() {
    let alone = settings("{}");
    assert_eq!(alone.parse_reference("kimi-coding/k3").unwrap().to_string(), "kimi/k3");
    let own =
        settings(&of_provider("kimi-coding", "baseUrl: 'http://127.0.0.1:1/v1', models: [{ id: 'x' }]"));
    assert_eq!(own.parse_reference("kimi-coding/x").unwrap().to_string(), "kimi-coding/x");
    assert!(own.parse_reference("kimi-coding/k3").is_err());
    assert_eq!(own.parse_reference("kimicode/k3").unwrap().to_string(), "kimi/k3");
}

#[test]
fn model_settings_are_merged_over_the_catalog() {
    let text = of_provider(
        "moonshot",
        "contextWindow: 100000, models: [{ id: 'kimi-k2.6', reasoning: false, maxTokens: 1e3, cost: { input: 0.5 } },
          { id: 'new', reasoning: false, input: ['text'], compat: { maxTokensField: 'max_tokens' } }]",
    );
    let settings = settings(&text);
    let moonshot = provider(&settings, "moonshot");
    let known = &moonshot.models["kimi-k2.6"].model;
    assert_eq!((known.context_window, known.max_tokens), (Some(262_144), Some(1_000)));
    assert_eq!(known.prices.map(|cost| (cost.input, cost.output)), Some((500_000, 4_000_000)));
    assert_eq!((known.thinking_control, known.input_modalities.video), (ThinkingControl::Switch, true));
    let new = &moonshot.models["new"].model;
    assert_eq!(
        (new.thinking_control, new.input_modalities.image, new.context_window),
        (ThinkingControl::None, false, Some(100_000))
    );
    assert!(moonshot.models.contains_key("kimi-k3"));
    assert!(!moonshot.models["kimi-k3"].is_configured && moonshot.models["new"].is_configured);
}

#[test]
fn limits_of_a_provider_apply_to_models_without_their_own() {
    let text = of_provider(
        "openrouter",
        "contextWindow: 1000, maxTokens: 100, models: [{ id: 'a/b' }, { id: 'a/c', contextWindow: 5 }]",
    );
    let settings = settings(&text.replace(
        "} } }",
        "} } }, agents: { defaults: { models: { 'openrouter/a/d': { params: { x: 1 } } } } }",
    ));
    let openrouter = provider(&settings, "openrouter");
    let figures = |id: &str| {
        let facts = openrouter.find_model(id).unwrap().model.clone();
        (facts.context_window, facts.max_tokens)
    };
    assert_eq!(figures("a/b"), (Some(1_000), Some(100)), "a row");
    assert_eq!(figures("a/c"), (Some(5), Some(100)), "a row that says");
    assert_eq!(figures("a/d"), (Some(1_000), Some(100)), "an id that only has parameters");
    assert_eq!(figures("no/row"), (Some(1_000), Some(100)), "an id that is not listed");
    let kimi = settings_with(&of_provider("kimi", "apiKey: 'sk-k', maxTokens: 77"), &[]);
    let known = &provider(&kimi, "kimi").models["kimi-for-coding"].model;
    assert_eq!((known.context_window, known.max_tokens), (Some(1_048_576), Some(77)), "a row of the catalog");
}

#[test]
fn adapter_of_a_host_applies_at_any_port_but_apis_and_prices_do_not() {
    for base in ["https://api.moonshot.ai:8443/v1", "http://api.moonshot.ai/v1"] {
        let body =
            format!("baseUrl: '{base}', apiKey: 'sk', allowInsecure: true, models: [{{ id: 'kimi-k3' }}]");
        let settings = settings(&of_provider("mine", &body));
        let mine = provider(&settings, "mine");
        assert_eq!(mine.adapter, AdapterId::Moonshot, "{base}");
        let bases: Vec<&str> = mine.apis.iter().map(|(_, base)| base.as_str()).collect();
        assert_eq!((bases, mine.models["kimi-k3"].model.prices), (vec![base], None));
    }
}

#[test]
fn missing_variable_in_a_url_is_reported_with_its_effect() {
    let settings = settings_with(&of_provider("lab", "baseUrl: '${LAB_URL}/v1', models: [{ id: 'x' }]"), &[]);
    let warning = "models.providers.lab.baseUrl: LAB_URL is not set or empty, so provider lab is disabled";
    assert_eq!(warnings(&settings), [warning]);
    assert_eq!(
        provider(&settings, "lab").disabled_reason.as_deref(),
        Some("LAB_URL is not set or empty (its baseUrl)")
    );
    let text =
        "{ plugins: { entries: { moonshot: { config: { webSearch: { apiKey: 'sk', baseUrl: '${U}' } } } } },
      telemetry: { otlp: { endpoint: 'https://${U}' } } }";
    let settings = settings_with(text, &[]);
    let path = "plugins.entries.moonshot.config.webSearch.baseUrl";
    let expected = [
        format!("{path}: U is not set or empty, so web search is disabled"),
        "telemetry.otlp.endpoint: U is not set or empty, so no traces are exported".to_owned(),
    ];
    assert_eq!(warnings(&settings), expected);
    assert!(settings.web_search.keys.is_empty(), "the key is not for another host");
}

#[test]
fn provider_without_models_is_not_a_target() {
    let lab = of_provider("lab", "baseUrl: 'http://127.0.0.1:1/v1'");
    let settings = settings_with(&lab, &[]);
    assert!(!settings.has_target());
    assert_eq!(
        warnings(&settings),
        ["models.providers.lab: provider lab has no models, so it cannot be used: add models"]
    );
    assert!(settings_with(&lab, &[("KIMI_API_KEY", "sk")]).has_target());
    let with_model = of_provider("lab", "baseUrl: 'http://127.0.0.1:1/v1', models: [{ id: 'x' }]");
    assert!(settings_with(&with_model, &[]).has_target());
    assert!(!settings_with("{}", &[]).has_target());
}

#[test]
fn alias_that_hides_a_reference_or_default_is_reported() {
    let text = "{ agents: { defaults: { models: {
      'moonshot/kimi-k3': { alias: 'moonshot/kimi-k2.6' },
      'moonshot/kimi-k2.6': { alias: 'Default' },
      'kimi/k3': { alias: 'Kimi-Code/K3' } } } } }";
    let expected = [
        "agents.defaults.models[\"moonshot/kimi-k3\"].alias: alias \"moonshot/kimi-k2.6\" hides the reference \
         moonshot/kimi-k2.6, because aliases come first: choose another",
        "agents.defaults.models[\"moonshot/kimi-k2.6\"].alias: alias \"Default\" hides the chain of \
         agents.defaults.model, because aliases come first: choose another",
    ];
    assert_eq!(warnings(&settings(text)), expected);
}

#[test]
fn replace_leaves_only_what_stands_in_the_file() {
    let text = "{ models: { mode: 'replace', providers: { moonshot: { models: [{ id: 'kimi-k3' }] } } } }";
    let settings = settings(text);
    assert_eq!(settings.providers.len(), 1);
    let moonshot = provider(&settings, "moonshot");
    assert_eq!(moonshot.models.keys().collect::<Vec<_>>(), ["kimi-k3"]);
    assert_eq!(moonshot.models["kimi-k3"].model.context_window, Some(1_048_576));
    assert_eq!(moonshot.apis.len(), 3);
    let dangling = "{ models: { mode: 'replace', providers: { moonshot: { models: [{ id: 'kimi-k3' }] } } },
      agents: { defaults: { model: 'openrouter/auto' } } }";
    assert_eq!(issues(dangling), ["agents.defaults.model: there is no provider \"openrouter\""]);
}

#[test]
fn params_of_the_defaults_win_over_those_of_the_model() {
    let text = "{ models: { providers: { moonshot: { models: [{ id: 'kimi-k3', params: { a: 1, b: 1 } }] } } },
      agents: { defaults: { models: { 'moonshot/kimi-k3': { params: { b: 2 } }, 'openrouter/x/y': { params: { c: 3 } } } } } }";
    let settings = settings(text);
    assert_eq!(json!(provider(&settings, "moonshot").models["kimi-k3"].params), json!({ "a": 1, "b": 2 }));
    let open = provider(&settings, "openrouter").find_model("x/y").unwrap();
    assert_eq!(json!(open.params), json!({ "c": 3 }));
}

#[test]
fn upstream_id_is_the_providers_own() {
    let settings = settings("{}");
    let wire = |id: &str, model: &str| provider(&settings, id).upstream_model_id(model);
    assert_eq!(wire("openrouter", "auto"), "openrouter/auto");
    assert_eq!(wire("openrouter", "moonshotai/kimi-k3"), "moonshotai/kimi-k3");
    assert_eq!(wire("kimi", "kimi-code"), "kimi-for-coding");
    assert_eq!(wire("kimi", "k3"), "k3");
    assert_eq!(wire("moonshot", "kimi-k2.5"), "kimi-k2.5");
}

#[test]
fn the_example_with_every_key_is_valid() {
    let text = r#"{
  env: { MOONSHOT_API_KEY: "sk-m", vars: { OTHER: "x" } },
  agents: { defaults: {
    model: { primary: "kimi/kimi-for-coding", fallbacks: ["moonshot/kimi-k2.7-code", "openrouter/auto"] },
    models: { "kimi/kimi-for-coding": { alias: "kimi", params: { thinking: { type: "enabled", keep: "all" } } } },
    thinkingDefault: "low",
    workspace: "~/moonrelay",
  } },
  models: {
    mode: "merge",
    providers: { lab: {
      baseUrl: "http://10.1.1.1:8000/v1", apiKey: ["${OTHER}", { source: "env", id: "MOONSHOT_API_KEY" }], auth: "api-key",
      authHeader: true, api: "openai-completions", headers: { "X-Team": "a ${OTHER}" }, timeoutSeconds: 30,
      contextWindow: 1000, maxTokens: 100, sanitizeToolCallIds: true, allowInsecure: true,
      models: [{ id: "m", name: "M", reasoning: true, input: ["text"], cost: { input: 1, output: 2, cacheRead: 0.1, cacheWrite: 0 },
        contextWindow: 2000, maxTokens: 200, headers: { "X-Model": "m" }, params: { seed: 1 },
        compat: { supportsDeveloperRole: false, supportsUsageInStreaming: true, supportsReasoningEffort: false, supportsPrefill: true,
          maxTokensField: "max_tokens", requiresReasoningContentOnAssistantMessages: true } }],
    } },
    routes: { coding: { primary: "lab/m", fallbacks: ["kimi"] }, "claude-*": "coding", "*": "default" },
  },
  failover: { attemptsPerTarget: 2, backoff: { initialMs: 250, maxMs: 2000 }, cooldown: { stepsSeconds: [30, 60, 300], billingSeconds: 600 },
    timeouts: { connectSeconds: 10, headSeconds: 60, firstByteSeconds: 300, idleSeconds: 120, totalSeconds: null },
    returnToPrimary: "cooldown", hedgeAfterMs: null, midStream: "continue", keepAliveSeconds: 15 },
  gateway: { port: 1969, bind: "loopback", auth: { mode: "token", token: "t0", tokens: { editor: "${OTHER}" } },
    bodyLimitMiB: 64, reload: true, workerThreads: 1,
    metrics: { public: true } },
  usage: { store: "sqlite", retentionDays: 90 },
  telemetry: { otlp: { endpoint: "http://127.0.0.1:4318" } }, logging: { level: "info", content: false },
  plugins: { entries: { moonshot: { config: { webSearch: { apiKey: "sk-w", baseUrl: "https://api.moonshot.ai/v1", model: "kimi-k2.6" } } } } },
  tools: { web: { search: { provider: "kimi" } } },
}"#;
    let settings = settings(text);
    assert_eq!(settings.failover, crate::config::settings::FailoverSettings::default());
    let tokens: Vec<&str> = settings.gateway.tokens.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(tokens, ["default", "editor"]);
    let lab = provider(&settings, "lab");
    assert_eq!((lab.keys.len(), lab.headers[0].value.expose()), (2, "a x"));
    assert_eq!(lab.first_token_timeout, Some(Duration::from_secs(30)));
    assert_eq!(lab.models["m"].model.compat.requires_reasoning_content, Some(true));
    let unsupported = settings.warnings.iter().filter(|warning| warning.kind.as_str() != "traces_not_built");
    assert_eq!(unsupported.count(), 0, "{:?}", warnings(&settings));
}

#[test]
fn other_sections_are_resolved() {
    let text = "{ failover: { hedgeAfterMs: 1500, returnToPrimary: 'session', midStream: 'error' },
      usage: { store: 'none', retentionDays: 7 }, telemetry: { otlp: { endpoint: 'http://127.0.0.1:4318' } },
      logging: { level: 'debug', content: true }, agents: { defaults: { workspace: '~/moonrelay' } },
      gateway: { port: 0, bodyLimitMiB: 1, reload: false, workerThreads: 3, metrics: { public: false } } }";
    let settings = settings_with(text, &[("HOME", "/home/u")]);
    assert_eq!(settings.failover.hedge_after, Some(Duration::from_millis(1_500)));
    assert!(settings.failover.keeps_fallback_for_session && !settings.failover.continues_interrupted_streams);
    assert_eq!((settings.usage.is_enabled, settings.usage.retention_days), (false, 7));
    assert_eq!(settings.otlp_endpoint.as_deref(), Some("http://127.0.0.1:4318/"));
    assert_eq!((settings.logging.level.as_str(), settings.logging.logs_content), ("debug", true));
    assert_eq!(settings.workspace, Some("/home/u/moonrelay".into()));
    let gateway = &settings.gateway;
    assert_eq!((gateway.port, gateway.body_limit, gateway.worker_threads), (0, 1 << 20, 3));
    assert!(!gateway.is_reload_enabled && !gateway.has_public_metrics);
}
