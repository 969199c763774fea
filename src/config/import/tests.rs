use serde_json::json;

use super::{Imported, import};
use crate::config::{Environment, from_text};

fn imported(text: &str) -> Imported {
    import(text, None, &Environment::default()).unwrap()
}

fn lines(notes: &[super::Note]) -> Vec<String> {
    notes.iter().map(|note| format!("{}: {}", note.path, note.why)).collect()
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
fn what_means_the_same_is_carried_over() {
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
                "baseUrl": "http://10.0.0.5:8000/v1", "allowInsecure": true, "models": [{ "id": "m", "name": "M" }],
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
fn every_key_and_reference_that_is_left_out_is_named() {
    let left_out: Vec<String> = imported(OPENCLAW).left_out.into_iter().map(|note| note.path).collect();
    let expected = [
        "meta",
        "channels",
        "gateway",
        "auth",
        "env.vars.N",
        "env.shellEnv",
        "models.bedrockDiscovery",
        "models.providers.kimi-code.models[0].cost.tieredPricing",
        "models.providers.kimi-code.models[0].compat.thinkingFormat",
        "models.providers.kimi-code.request",
        "models.providers.lab.apiKey",
        "models.providers.google",
        "models.providers.bedrock",
        "agents.list",
        "agents.defaults.timeoutSeconds",
        "agents.defaults.heartbeat",
        "agents.defaults.model.primary",
        "agents.defaults.models[\"kimi-code/kimi-for-coding\"].streaming",
        "agents.defaults.models[\"openrouter/*\"]",
        "agents.defaults.models[\"anthropic/claude-opus-4-8\"]",
        "plugins.entries.telegram",
        "plugins.entries.moonshot.enabled",
        "plugins.entries.moonshot.config.webSearch.timeout",
        "tools.exec",
        "tools.web.fetch",
        "tools.web.search.enabled",
        "agents.defaults.models[\"moonshot/kimi-k9\"]",
    ];
    assert_eq!(left_out, expected);
}

#[test]
fn what_is_carried_over_in_another_form_is_named() {
    let expected = [
        "models.providers.lab.baseUrl: allowInsecure: true was added, as the address is plain http",
        "agents.defaults.model.fallbacks[1]: moonshotai/kimi-k2.6 is moonshot/kimi-k2.6 now",
        "agents.defaults.model.primary: kimi-code/kimi-for-coding, the first fallback, is the primary now",
    ];
    assert_eq!(lines(&imported(OPENCLAW).changed), expected);
}

#[test]
fn the_result_is_always_valid() {
    for text in [
        OPENCLAW,
        "{}",
        r#"{ models: { mode: "both", providers: { x: { baseUrl: "nonsense", models: [{ name: "no id" }] } } } }"#,
        r#"{ agents: { defaults: { model: { fallbacks: [] }, models: { "moonshot/kimi-k3": { alias: "a" }, "kimi/k3": { alias: "A" } } } } }"#,
        r#"{ agents: { defaults: { model: "nobody/x", thinkingDefault: "ultra" } }, env: [] }"#,
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
fn every_seed_is_carried_over_whole() {
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
        assert_eq!(lines(&imported.left_out), Vec::<String>::new(), "{text}");
        let original = crate::config::file::Tree::parse(text).unwrap().root.value.to_json();
        assert_eq!(imported.config, original);
    }
}

#[test]
fn a_file_that_does_not_parse_is_refused() {
    assert!(import("{ a: ", None, &Environment::default()).is_err());
    assert!(import("[]", None, &Environment::default()).is_err());
}
