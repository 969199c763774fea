use serde_json::json;

use super::{ImportResult, import};
use crate::config::{Environment, from_text};

fn imported(text: &str) -> ImportResult {
    import(text, None, &Environment::default()).unwrap()
}

fn lines(notes: &[super::ImportNote]) -> Vec<String> {
    notes.iter().map(|note| format!("{}: {}", note.path, note.reason)).collect()
}

const OPENCLAW: &str = r#"{
  // a real one, shortened
  meta: { lastTouchedVersion: "2026.6.11" },
  env: { MOONSHOT_API_KEY: "sk-m", vars: { KIMICODE_API_KEY: "sk-k", N: 5 }, shellEnv: { enabled: true } },
  channels: { telegram: { enabled: true } },
  gateway: { mode: "local", port: 18789 },
  auth: { profiles: {} },
  agents: {
    list: [{ id: "main" }],
    defaults: {
      model: { primary: "anthropic/claude-opus-4-8", fallbacks: ["kimi-code/kimi-for-coding", "moonshotai/kimi-k2.6", "openrouter/auto"] },
      models: {
        "kimi-code/kimi-for-coding": { alias: "kimi", params: { thinking: { type: "enabled", keep: "all" } }, streaming: true },
        "moonshot/kimi-k9": { alias: "nine" },
        "openrouter/*": {},
        "anthropic/claude-opus-4-8": { alias: "opus" },
      },
      thinkingDefault: "low",
      workspace: "~/clawd",
      timeoutSeconds: 600,
      heartbeat: { every: "1h" },
    },
  },
  models: {
    mode: "merge",
    bedrockDiscovery: { enabled: true },
    providers: {
      "kimi-code": {
        baseUrl: "https://api.kimi.com/coding/v1", apiKey: { source: "env", provider: "default", id: "KIMICODE_API_KEY" },
        api: "openai-completions", request: { proxy: {} },
        models: [{
          id: "kimi-for-coding", name: "Kimi For Coding", reasoning: true, input: ["text"], contextWindow: 262144, maxTokens: 32768,
          headers: { "User-Agent": "KimiCLI/0.77" }, cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, tieredPricing: [] },
          compat: { supportsDeveloperRole: false, thinkingFormat: "openai" },
        }],
      },
      lab: { baseUrl: "http://10.0.0.5:8000/v1", apiKey: { source: "exec", id: "pass show lab" }, models: [{ id: "m", name: "M" }] },
      google: { api: "google-generative-ai", baseUrl: "https://g.example", models: [] },
      bedrock: { auth: "aws-sdk", baseUrl: "https://b.example", models: [] },
    },
  },
  plugins: { entries: { moonshot: { enabled: true, config: { webSearch: { apiKey: "sk-s", baseUrl: "https://api.moonshot.cn/v1", model: "kimi-k2.6", timeout: 5 } } }, telegram: {} } },
  tools: { exec: { host: "local" }, web: { search: { provider: "kimi", enabled: true }, fetch: {} } },
}"#;

#[test]
fn common_settings_are_imported() {
    let expected = json!({
        "env": { "MOONSHOT_API_KEY": "sk-m", "vars": { "KIMICODE_API_KEY": "sk-k" } },
        "agents": { "defaults": {
            "model": { "primary": "kimi-code/kimi-for-coding", "fallbacks": ["moonshot/kimi-k2.6", "openrouter/auto"] },
            "models": { "kimi-code/kimi-for-coding": {
                "alias": "kimi", "params": { "thinking": { "type": "enabled", "keep": "all" } },
            } },
            "thinkingDefault": "low",
            "workspace": "~/clawd",
        } },
        "models": { "mode": "merge", "providers": {
            "kimi-code": {
                "baseUrl": "https://api.kimi.com/coding/v1",
                "api": "openai-completions",
                "apiKey": { "source": "env", "id": "KIMICODE_API_KEY" },
                "models": [{
                    "id": "kimi-for-coding", "name": "Kimi For Coding", "reasoning": true, "input": ["text"],
                    "contextWindow": 262_144, "maxTokens": 32_768,
                    "headers": { "User-Agent": "KimiCLI/0.77" },
                    "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 },
                    "compat": { "supportsDeveloperRole": false },
                }],
            },
            "lab": {
                "baseUrl": "http://10.0.0.5:8000/v1", "auth": "api-key", "allowInsecure": true, "models": [{ "id": "m", "name": "M" }],
            },
        } },
        "plugins": { "entries": { "moonshot": { "config": { "webSearch": {
            "apiKey": "sk-s", "baseUrl": "https://api.moonshot.cn/v1", "model": "kimi-k2.6",
        } } } } },
        "tools": { "web": { "search": { "provider": "kimi" } } },
    });
    assert_eq!(imported(OPENCLAW).config, expected);
}

#[test]
fn every_skipped_key_and_reference_is_reported() {
    let left_out: Vec<String> = imported(OPENCLAW).skipped.into_iter().map(|note| note.path).collect();
    let expected = [
        "meta",
        "env.shellEnv",
        "channels",
        "gateway",
        "auth",
        "agents.list",
        "agents.defaults.models[\"kimi-code/kimi-for-coding\"].streaming",
        "agents.defaults.models[\"openrouter/*\"]",
        "agents.defaults.timeoutSeconds",
        "agents.defaults.heartbeat",
        "models.bedrockDiscovery",
        "models.providers.kimi-code.request",
        "models.providers.kimi-code.models[0].cost.tieredPricing",
        "models.providers.kimi-code.models[0].compat.thinkingFormat",
        "models.providers.lab.apiKey",
        "models.providers.google",
        "models.providers.bedrock",
        "plugins.entries.moonshot.enabled",
        "plugins.entries.moonshot.config.webSearch.timeout",
        "plugins.entries.telegram",
        "tools.exec",
        "tools.web.search.enabled",
        "tools.web.fetch",
        "env.vars.N",
        "agents.defaults.models[\"moonshot/kimi-k9\"]",
        "agents.defaults.models[\"anthropic/claude-opus-4-8\"]",
        "agents.defaults.model.primary",
    ];
    assert_eq!(left_out, expected);
}

#[test]
fn every_changed_value_is_reported() {
    let expected = [
        "models.providers.lab: auth: \"api-key\" was added, because its key was left out: it is disabled until it has one",
        "models.providers.lab.baseUrl: allowInsecure: true was added, because the URL is plain http",
        "agents.defaults.model.fallbacks[1]: moonshotai/kimi-k2.6 is moonshot/kimi-k2.6 now",
        "agents.defaults.model.primary: kimi-code/kimi-for-coding, the first valid fallback, is the primary now",
    ];
    assert_eq!(lines(&imported(OPENCLAW).changed), expected);
}

#[test]
fn result_is_always_valid() {
    for text in [
        OPENCLAW,
        "{}",
        r#"{ models: { mode: "both", providers: { x: { baseUrl: "nonsense", models: [{ name: "no id" }] } } } }"#,
        r#"{ agents: { defaults: { model: { fallbacks: [] }, models: { "moonshot/kimi-k3": { alias: "a" }, "kimi/k3": { alias: "A" } } } } }"#,
        r#"{ agents: { defaults: { model: "unknown/x", thinkingDefault: "ultra" } }, env: [] }"#,
        r#"{ agents: { defaults: { model: { primary: "bogus", fallbacks: ["moonshot/kimi-k3", 5] } } } }"#,
        r#"{ models: { mode: "replace" }, agents: { defaults: { model: "openrouter/auto" } } }"#,
        r#"{ plugins: { entries: { moonshot: { config: { webSearch: { baseUrl: "http://10.0.0.1/v1" } } } } } }"#,
    ] {
        let imported = imported(text);
        let result = from_text(&imported.config.to_string(), None, &Environment::default());
        assert!(result.is_ok(), "{text}: {}", result.err().map(|e| e.to_string()).unwrap_or_default());
    }
}

#[test]
fn first_of_two_names_of_a_provider_is_kept() {
    let imported = imported(
        r#"{ models: { providers: {
            "Moonshot-AI": { apiKey: "${A}" }, moonshot: { apiKey: "${B}" }, moonshotai: { apiKey: "${C}" },
            Lab: { baseUrl: "https://one.example/v1" }, lab: { baseUrl: "https://two.example/v1" },
        } }, agents: { defaults: { models: {
            "moonshot/kimi-k3": { alias: "one" }, "Moonshot-AI/kimi-k3": { alias: "two" },
            "openrouter/a/X": { alias: "three" }, "openrouter/a/x": { alias: "four" },
        } } } }"#,
    );
    let providers = json!({
        "moonshot": { "apiKey": "${A}" }, "Lab": { "baseUrl": "https://one.example/v1" },
    });
    assert_eq!(imported.config["models"]["providers"], providers);
    let models = json!({
        "moonshot/kimi-k3": { "alias": "one" },
        "openrouter/a/X": { "alias": "three" }, "openrouter/a/x": { "alias": "four" },
    });
    assert_eq!(imported.config["agents"]["defaults"]["models"], models);
    let expected = [
        "models.providers.moonshot: it is the same provider as Moonshot-AI, which comes first",
        "models.providers.moonshotai: it is the same provider as Moonshot-AI, which comes first",
        "models.providers.lab: it is the same provider as Lab, which comes first",
        "agents.defaults.models[\"Moonshot-AI/kimi-k3\"]: it is the same model as moonshot/kimi-k3, which comes first",
    ];
    assert_eq!(lines(&imported.skipped), expected);
    assert_eq!(lines(&imported.changed), ["models.providers.Moonshot-AI: Moonshot-AI is moonshot now"]);
}

#[test]
fn first_valid_fallback_replaces_an_unknown_primary() {
    let chain = |model: &str| {
        let imported = imported(&format!("{{ agents: {{ defaults: {{ model: {model} }} }} }}"));
        let left_out: Vec<String> = imported.skipped.iter().map(|note| note.path.clone()).collect();
        let model = imported.config["agents"]["defaults"]["model"].clone();
        (model, left_out.join(" "), lines(&imported.changed).join("\n"))
    };
    let place = |end: &str| format!("agents.defaults.model.{end}");
    let promoted = |reference: &str| {
        format!("agents.defaults.model.primary: {reference}, the first valid fallback, is the primary now")
    };
    let (model, left_out, changed) =
        chain(r#"{ primary: "moonshot/kimi-k9", fallbacks: ["openrouter/auto", "kimi/k3"] }"#);
    assert_eq!(model, json!({ "primary": "openrouter/auto", "fallbacks": ["kimi/k3"] }));
    assert_eq!((left_out, changed), (place("primary"), promoted("openrouter/auto")));
    // Every kind of invalid reference, each with its path in the old file.
    let (model, left_out, changed) = chain(
        r#"{ primary: "anthropic/x", fallbacks: ["google/y", "moonshot/kimi-k9", 5, "bogus", "kimi/k3", "moonshot/kimi-k8"] }"#,
    );
    assert_eq!(model, json!({ "primary": "kimi/k3", "fallbacks": [] }));
    let ends = ["primary", "fallbacks[0]", "fallbacks[1]", "fallbacks[2]", "fallbacks[3]", "fallbacks[5]"];
    assert_eq!(left_out, ends.map(place).join(" "));
    assert_eq!(changed, promoted("kimi/k3"));
    let (model, left_out, changed) =
        chain(r#"{ primary: "moonshot/kimi-k9", fallbacks: ["moonshot/kimi-k8"] }"#);
    assert_eq!((model, left_out), (json!(null), [place("primary"), place("fallbacks[0]")].join(" ")));
    assert_eq!(changed, "");
}

#[test]
fn values_of_a_wrong_type_are_reported_without_the_value() {
    let reason = "expected an object, found";
    for (text, expected) in [
        (r#"{ env: "sk-1" }"#, format!("env: {reason} a string")),
        ("{ env: { vars: [] } }", format!("env.vars: {reason} a list")),
        ("{ agents: [1] }", format!("agents: {reason} a list")),
        ("{ agents: { defaults: true } }", format!("agents.defaults: {reason} a boolean")),
        (
            "{ agents: { defaults: { model: 5 } } }",
            "agents.defaults.model: expected a string or an object, found 5".to_owned(),
        ),
        (
            "{ agents: { defaults: { model: { fallbacks: 'kimi/k3' } } } }",
            "agents.defaults.model.fallbacks: expected a list, found a string".to_owned(),
        ),
        (
            "{ agents: { defaults: { models: { 'kimi/k3': 'k' } } } }",
            format!("agents.defaults.models[\"kimi/k3\"]: {reason} a string"),
        ),
        ("{ models: null }", format!("models: {reason} null")),
        ("{ models: { providers: { x: 'sk-1' } } }", format!("models.providers.x: {reason} a string")),
        (
            "{ models: { providers: { kimi: { headers: 'sk-1' } } } }",
            format!("models.providers.kimi.headers: {reason} a string"),
        ),
        (
            "{ models: { providers: { kimi: { models: {} } } } }",
            "models.providers.kimi.models: expected a list, found an object".to_owned(),
        ),
        (
            "{ models: { providers: { kimi: { models: ['k3'] } } } }",
            format!("models.providers.kimi.models[0]: {reason} a string"),
        ),
        (
            "{ models: { providers: { kimi: { models: [{ id: 'k3', cost: 5 }] } } } }",
            format!("models.providers.kimi.models[0].cost: {reason} a number"),
        ),
        (
            "{ models: { providers: { kimi: { models: [{ id: 'k3', compat: 'x' }] } } } }",
            format!("models.providers.kimi.models[0].compat: {reason} a string"),
        ),
        ("{ plugins: 5 }", format!("plugins: {reason} a number")),
        ("{ plugins: { entries: { moonshot: [] } } }", format!("plugins.entries.moonshot: {reason} a list")),
        ("{ tools: null }", format!("tools: {reason} null")),
        ("{ tools: { web: { search: 'kimi' } } }", format!("tools.web.search: {reason} a string")),
    ] {
        assert_eq!(lines(&imported(text).skipped), [expected], "{text}");
    }
}

#[test]
fn provider_whose_key_is_left_out_is_disabled() {
    for (provider, is_off) in [
        (r#"apiKey: { source: "exec", id: "pass show lab" }"#, true),
        (r#"apiKey: [{ source: "exec", id: "pass show lab" }]"#, true),
        ("apiKey: 12345", true),
        (r#"apiKey: { source: "env", id: "" }"#, true),
        (r#"headers: { Authorization: { source: "exec", id: "x" } }"#, true),
        (r#"request: { auth: { mode: "authorization-bearer", token: "sk-1" } }"#, true),
        (r#"auth: "token", apiKey: null"#, true),
        (r#"apiKey: "sk-1", headers: { Authorization: { source: "exec", id: "x" } }"#, false),
        (r#"headers: { "X-Team": { source: "exec", id: "x" } }"#, false),
        ("timeoutSeconds: 5", false),
    ] {
        let text = format!(
            r#"{{ models: {{ providers: {{ lab: {{ baseUrl: "https://lab.example/v1", {provider} }} }} }} }}"#
        );
        let config = imported(&text).config.to_string();
        let settings = from_text(&config, None, &Environment::default()).unwrap();
        assert_eq!(settings.providers["lab"].disabled_reason.is_some(), is_off, "{config}");
        assert_eq!(
            settings.warnings.iter().any(|w| w.message.contains("it is disabled")),
            is_off,
            "{config}"
        );
    }
}

#[test]
fn notes_contain_no_key_of_a_url() {
    let imported =
        imported(r#"{ models: { providers: { x: { baseUrl: "https://e.example/v1?key=sk-1" } } } }"#);
    let notes = lines(&imported.skipped).concat();
    assert!(notes.contains("https://e.example/v1?***") && !notes.contains("sk-1"), "{notes}");
}

#[test]
fn every_seed_is_imported_completely() {
    for text in [
        include_str!("../../../tests/fixtures/seeds/blog-kimi-code.json5"),
        include_str!("../../../tests/fixtures/seeds/cn-kimi-code.json5"),
        include_str!("../../../tests/fixtures/seeds/cn-moonshot.json5"),
        include_str!("../../../tests/fixtures/seeds/nix-kimi.json5"),
        include_str!("../../../tests/fixtures/seeds/openclaw-moonshot.json5"),
        include_str!("../../../tests/fixtures/seeds/openclaw-web-search.json5"),
        include_str!("../../../tests/fixtures/seeds/openclaw-sanitize.json5"),
        include_str!("../../../tests/fixtures/seeds/skill-both.json5"),
    ] {
        let imported = imported(text);
        assert_eq!(lines(&imported.skipped), Vec::<String>::new(), "{text}");
        let original = crate::config::file::Tree::parse(text).unwrap().root.value.to_json();
        assert_eq!(imported.config, original);
    }
}

#[test]
fn file_that_does_not_parse_is_rejected() {
    assert!(import("{ a: ", None, &Environment::default()).is_err());
    assert!(import("[]", None, &Environment::default()).is_err());
}
