//! Every error is reported at once, with its position and the fix.

use super::{invalid, issues, settings_with, warnings};

/// The only issue of a text.
fn issue(text: &str) -> String {
    let found = issues(text);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

#[test]
fn all_errors_are_reported_at_once_with_their_positions() {
    let text = r#"// a broken file
{
  modles: {},
  models: {
    mode: "merg",
    providers: {
      moonshot: { baseURL: "https://api.moonshot.ai/v1", timeoutSeconds: "60" },
      lab: { baseUrl: "http://10.0.0.5:8000/v1", models: [{ id: "a", contextWindow: 0 }, { id: "a" }] },
    },
  },
  agents: { defaults: { model: { primary: "moonshot/kimi-k9", fallbacks: ["openruter/auto"] } } },
}
"#;
    let found: Vec<String> = invalid(text).issues.iter().map(ToString::to_string).collect();
    let expected = [
        "3:3: modles: unknown key (did you mean \"models\"?)",
        "5:11: models.mode: \"merg\" is not one of merge, replace (did you mean \"merge\"?)",
        "7:19: models.providers.moonshot.baseURL: unknown key (did you mean \"baseUrl\"?)",
        "7:74: models.providers.moonshot.timeoutSeconds: expected a whole number from 1 to 604800, found \"60\" (without the quotes?)",
        "8:23: models.providers.lab.baseUrl: \"http://10.0.0.5:8000/v1\" sends the key in clear text to another machine: use https://, or set allowInsecure: true",
        "8:85: models.providers.lab.models[0].contextWindow: 0 is not a whole number from 1 to 1000000000",
        "8:96: models.providers.lab.models[1].id: duplicate model \"a\" of provider lab: remove one",
        "11:43: agents.defaults.model.primary: provider moonshot has no model \"kimi-k9\" (did you mean \"kimi-k3\"?)",
        "11:75: agents.defaults.model.fallbacks[0]: there is no provider \"openruter\" (did you mean \"openrouter\"?)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn report_names_the_file_and_the_number_of_errors() {
    let path = std::path::Path::new("/etc/x.json5");
    let error = super::from_text("{ a: 1, b: 2 }", Some(path), &super::environment(&[])).err().unwrap();
    let text = error.to_string();
    assert!(
        text.starts_with("/etc/x.json5: 2 errors\n  1:3: a: unknown key; known here: $schema, env, "),
        "{text}"
    );
}

#[test]
fn syntax_error_has_a_position() {
    for (text, message, line, column) in [
        ("{\n  a: 1\n  b: 2\n}", "it is not JSON5: expected comma", 2, 7),
        ("{ a: ", "it is not JSON5: expected value after colon in object property", 1, 6),
        ("{ a: b }", "it is not JSON5: unexpected word", 1, 6),
        ("  \n", "the file is empty: write {} for a configuration without settings", 1, 1),
        ("{} {}", "it is not JSON5: text cannot contain more than one JSON value", 1, 4),
    ] {
        let found = invalid(text).issues;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "<root>");
        assert_eq!(
            (found[0].message.as_str(), found[0].line, found[0].column),
            (message, line, column),
            "{text}"
        );
    }
}

#[test]
fn root_that_is_not_an_object_is_rejected() {
    assert_eq!(issue("[]"), "<root>: expected an object, found a list");
}

#[test]
fn duplicate_key_is_reported_in_every_spelling() {
    let text = "{ logging: { level: 'info', \"le\\u0076el\": 'warn' } }";
    assert_eq!(issue(text), "logging.level: duplicate key: remove one");
    let text =
        "{ agents: { defaults: { models: { 'moonshot/kimi-k3': { params: { a: { b: 1, b: 2 } } } } } } }";
    assert!(issue(text).ends_with(".params.a.b: duplicate key: remove one"));
}

#[test]
fn keys_of_openclaw_point_to_the_import() {
    let found = issue("{ channels: {} }");
    assert_eq!(
        found,
        "channels: unknown key: it belongs to OpenClaw. Import an openclaw.json with `moonrelay config import`."
    );
}

#[test]
fn secrets_are_never_shown() {
    for text in [
        "{ models: { providers: { moonshot: { apiKey: ['sk-secret', 5] } } } }",
        "{ models: { providers: { moonshot: { apiKey: { sauce: 'env', id: 'sk-secret' } } } } }",
        "{ models: { providers: { x: { baseUrl: 'https://user:sk-secret@h/v1' } } } }",
        "{ models: { providers: { x: { headers: { 'a b': 'sk-secret' } } } } }",
        "{ models: { providers: { moonshot: { headers: { a: 'sk-secret\\n' } } } } }",
        "{ env: { A: ['sk-secret'] } }",
        "{ gateway: { auth: { tokens: { a: 'sk-secret', b: 'sk-secret' } } } }",
    ] {
        let text = invalid(text).to_string();
        assert!(!text.contains("sk-secret"), "{text}");
    }
}

#[test]
fn url_with_a_variable_is_shown_as_written() {
    let text = "{ models: { providers: { x: { baseUrl: 'ftp://${HOST}/v1' } } } }";
    let environment = super::environment(&[("HOST", "sk-secret.example")]);
    let error = super::from_text(text, None, &environment).err().unwrap().to_string();
    assert!(error.contains("\"ftp://${HOST}/v1\" has the scheme ftp: use https://"), "{error}");
}

#[test]
fn urls_are_checked() {
    let at = |url: &str| issue(&format!("{{ models: {{ providers: {{ x: {{ baseUrl: '{url}' }} }} }} }}"));
    assert!(at("api.example.com/v1").ends_with("is not a URL: it must start with https://"));
    assert!(at("https://").contains("is not a URL: "));
    assert!(at("https://a/v1?key=1").contains("has a query or a fragment"));
    for fine in
        ["http://127.0.0.1:1/v1", "http://[::1]:1/v1", "http://localhost:1/v1", "http://a.localhost/v1"]
    {
        settings_with(&format!("{{ models: {{ providers: {{ x: {{ baseUrl: '{fine}' }} }} }} }}"), &[]);
    }
    assert!(at("localhost:8000/v1").ends_with("is not a URL: it must start with https://"));
    let allowed = "{ models: { providers: { x: { baseUrl: 'http://10.0.0.5/v1', allowInsecure: true } } } }";
    settings_with(allowed, &[]);
}

#[test]
fn allow_insecure_is_suggested_only_for_providers() {
    let otlp = issue("{ telemetry: { otlp: { endpoint: 'http://10.0.0.5:4318' } } }");
    assert!(otlp.ends_with("sends traces in clear text to another machine: use https://"), "{otlp}");
    let search = "{ plugins: { entries: { moonshot: { config: { webSearch: { baseUrl: 'http://10.0.0.5/v1' } } } } } }";
    let search = issue(search);
    assert!(search.ends_with("sends the key in clear text to another machine: use https://"), "{search}");
}

#[test]
fn url_in_a_message_has_no_query_and_no_user() {
    for url in [
        "https://a/v1?key=sk-secret",
        "https://a/v1#sk-secret",
        "user:sk-secret@a/v1",
        "//user:sk-secret@a/v1",
        "https:/user:sk-secret@a:port/v1",
        "https://user:sk-secret@a:port/v1",
        "https://user:sk-secret@/v1?sk-secret",
        "ftp://sk-secret@a/v1",
        "http://10.0.0.5/v1?sk-secret",
    ] {
        for text in [
            format!("{{ models: {{ providers: {{ x: {{ baseUrl: '{url}' }} }} }} }}"),
            format!("{{ telemetry: {{ otlp: {{ endpoint: '{url}' }} }} }}"),
        ] {
            let message = issue(&text);
            assert!(!message.contains("sk-secret") && !message.contains("user"), "{url}: {message}");
        }
    }
    let query = issue("{ models: { providers: { x: { baseUrl: 'https://a/v1?k=1' } } } }");
    assert!(query.contains("\"https://a/v1?***\" has a query or a fragment"), "{query}");
}

#[test]
fn alias_of_two_models_is_rejected() {
    let text = "{ agents: { defaults: { models: {
      'moonshot/kimi-k3': { alias: 'Kimi' }, 'moonshot/kimi-k2.6': { alias: 'kimi' } } } } }";
    let expected = "agents.defaults.models[\"moonshot/kimi-k2.6\"].alias: alias \"kimi\" already means \
                    moonshot/kimi-k3 (case does not count): choose another";
    assert_eq!(issue(text), expected);
}

#[test]
fn bare_model_id_is_rejected_with_its_reference() {
    let text = "{ agents: { defaults: { model: 'kimi-k2.7-code' } } }";
    let expected = "agents.defaults.model: \"kimi-k2.7-code\" is neither an alias nor a reference such as \
                    provider/model (did you mean \"moonshot/kimi-k2.7-code\"?)";
    assert_eq!(issue(text), expected);
}

#[test]
fn pattern_instead_of_a_reference_is_rejected() {
    let text = "{ agents: { defaults: { models: { 'openrouter/*': {} } } } }";
    let expected = "agents.defaults.models[\"openrouter/*\"]: \"openrouter/*\" is a pattern, not a reference: \
                    patterns belong in models.routes";
    assert_eq!(issue(text), expected);
}

#[test]
fn cyclic_routes_are_rejected_once_each() {
    let text = "{ models: { routes: { a: 'b', b: 'c', c: 'a', d: 'a', e: 'e' } } }";
    let expected = [
        "models.routes.c: the route leads back to itself: a -> b -> c -> a",
        "models.routes.a: the route leads back to itself: b -> c -> a -> b",
        "models.routes.b: the route leads back to itself: c -> a -> b -> c",
        "models.routes.e: the route leads back to itself: e -> e",
    ];
    let mut found = issues(text);
    found.sort();
    let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn cycle_and_default_are_found_in_any_case() {
    let mut found = issues("{ models: { routes: { a: 'B', b: 'A' } } }");
    found.sort();
    let expected = [
        "models.routes.a: the route leads back to itself: b -> a -> b",
        "models.routes.b: the route leads back to itself: a -> b -> a",
    ];
    assert_eq!(found, expected);
    let taken = issue("{ models: { routes: { DEFAULT: 'moonshot/kimi-k3' } } }");
    assert!(taken.contains("is the chain of agents.defaults.model: set it there"), "{taken}");
}

#[test]
fn dangling_route_is_rejected() {
    let text =
        "{ models: { routes: { coding: { primary: 'moonshot/kimi-k3', fallbacks: ['missing/x'] } } } }";
    assert_eq!(issue(text), "models.routes.coding.fallbacks[0]: there is no provider \"missing\"");
    assert_eq!(
        issue("{ models: { routes: { x: { fallbacks: [] } } } }"),
        "models.routes.x: `primary` is missing"
    );
}

#[test]
fn public_bind_without_a_token_is_rejected() {
    let expected = "gateway.bind: \"all\" can be reached from other machines, and no token is required: \
                    set gateway.auth.token";
    assert_eq!(issue("{ gateway: { bind: 'all' } }"), expected);
    assert!(
        issue("{ gateway: { bind: '192.168.1.2', auth: { mode: 'none', token: 'x' } } }")
            .contains("192.168.1.2")
    );
    assert!(issue("{ gateway: { auth: { mode: 'token' } } }").contains("set gateway.auth.token"));
    let wrong = issue("{ gateway: { bind: 'lan' } }");
    assert_eq!(wrong, "gateway.bind: \"lan\" is not one of loopback, all, an IP address, unix:PATH");
    for fine in ["loopback", "::1", "127.0.0.2", "unix:/run/x.sock"] {
        settings_with(&format!("{{ gateway: {{ bind: '{fine}' }} }}"), &[]);
    }
    settings_with("{ gateway: { bind: 'all', auth: { token: 'secret' } } }", &[]);
}

#[test]
fn missing_token_prevents_the_start_only() {
    let text = "{ gateway: { bind: 'all', auth: { token: '${GATE}' } } }";
    let settings = settings_with(text, &[]);
    assert_eq!(
        warnings(&settings),
        ["gateway.auth.token: GATE is not set or empty, so the gateway does not start"]
    );
    let refusal = settings.gateway.check_bind(&settings.gateway.bind).unwrap_err();
    assert_eq!(refusal, "gateway.auth.token: GATE is not set or empty");
    assert_eq!(settings_with(text, &[("GATE", "x")]).gateway.check_bind(&settings.gateway.bind), Ok(()));
}

#[test]
fn token_that_no_client_can_send_is_rejected_and_not_shown() {
    for token in ["schl\u{fc}ssel", "two\nlines", " one", "one "] {
        let text = "{ gateway: { auth: { tokens: { codex: '${GATE}' } } } }";
        let error =
            super::from_text(text, None, &super::environment(&[("GATE", token)])).err().unwrap().to_string();
        assert!(error.contains("gateway.auth.tokens.codex: no client can send this token"), "{error}");
        assert!(!error.contains(token), "{error}");
    }
    settings_with("{ gateway: { auth: { token: '${GATE}' } } }", &[("GATE", "a phrase: of words~")]);
}

#[test]
fn inconsistent_failover_values_are_rejected() {
    assert!(
        issue("{ failover: { backoff: { initialMs: 500, maxMs: 100 } } }")
            .contains("(500 ms) is longer than")
    );
    assert!(
        issue("{ failover: { cooldown: { stepsSeconds: [] } } }")
            .ends_with("the list is empty: add an element, or leave the key out")
    );
    assert!(issue("{ failover: { attemptsPerTarget: 0 } }").contains("0 is not a whole number from 1 to 10"));
    settings_with("{ failover: { hedgeAfterMs: null, timeouts: { totalSeconds: null } } }", &[]);
}

#[test]
fn provider_id_with_a_slash_or_a_duplicate_is_rejected() {
    assert!(issue("{ models: { providers: { 'a/b': {} } } }").contains("is not a provider id"));
    assert!(issue("{ models: { providers: { Lab: { baseUrl: 'https://a/v1' }, lab: { baseUrl: 'https://a/v1' } } } }")
        .contains("duplicate provider lab"));
}

#[test]
fn reserved_and_duplicate_headers_are_rejected() {
    let text = "{ models: { providers: { moonshot: { headers: { Host: 'x' } } } } }";
    assert!(issue(text).contains("host is set for each request"));
    let text = "{ models: { providers: { moonshot: { headers: { 'X-A': '1', 'x-a': '2' } } } } }";
    assert!(issue(text).contains("duplicate header x-a"));
}

#[test]
fn params_with_nan_are_rejected() {
    let text =
        "{ models: { providers: { moonshot: { models: [{ id: 'kimi-k3', params: { top_p: NaN } }] } } } }";
    assert!(issue(text).contains("NaN is not a number that JSON can represent"));
}

#[test]
fn misplaced_key_is_not_shown() {
    for text in [
        r#"{ env: "K=sk-verysecret1" }"#,
        r#"{ models: { providers: "sk-verysecret1" } }"#,
        r#"{ models: { providers: { moonshot: "sk-verysecret1" } } }"#,
        r#"{ models: { providers: { moonshot: { headers: "Bearer sk-verysecret1" } } } }"#,
        r#"{ models: { providers: { moonshot: { auth: "sk-verysecret1" } } } }"#,
        r#"{ models: { providers: { moonshot: { authHeader: "Bearer sk-verysecret1" } } } }"#,
        r#"{ gateway: { auth: "sk-verysecret1" } }"#,
        r#"{ gateway: { auth: { mode: "sk-verysecret1" } } }"#,
        r#"{ gateway: { auth: { tokens: "sk-verysecret1" } } }"#,
    ] {
        let message = issues(text).concat();
        assert!(!message.is_empty() && !message.contains("verysecret"), "{text}: {message}");
    }
}

#[test]
fn price_beyond_a_million_is_rejected() {
    let text = "{ models: { providers: { own: { baseUrl: 'https://llm.example/v1', apiKey: 'k', models: [
        { id: 'm', cost: { input: 1000001, output: 1000000, cacheRead: -1 } }] } } } }";
    let found = issues(text);
    let at = "models.providers.own.models[0].cost";
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|issue| issue.starts_with(&format!("{at}.cacheRead: "))), "{found:?}");
    let too_much = "more than 1000000 is not a price per million tokens";
    assert!(found.contains(&format!("{at}.input: {too_much}")), "{found:?}");
}
