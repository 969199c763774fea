use std::fs;

use serde_json::json;

use super::{ConfigCommand, execute, import};
use crate::cli::command::CommandError;
use crate::cli::command::tests::{TestHome, error_text};

fn backup(home: &TestHome) -> std::path::PathBuf {
    home.file().with_file_name("config.json5.bak")
}

fn get(home: &mut TestHome, path: &str) -> String {
    execute(ConfigCommand::Get { path: Some(path.to_owned()) }, &mut home.context(false)).unwrap();
    home.printed()
}

fn set(home: &mut TestHome, path: &str, value: &str) -> Result<(), CommandError> {
    execute(
        ConfigCommand::Set { path: path.to_owned(), value: value.to_owned(), dry_run: false },
        &mut home.context(false),
    )
}

#[test]
fn validate_reports_a_valid_file_with_its_warnings() {
    let mut home = TestHome::with("{ models: { providers: { moonshot: { apiKey: '${K}' } } } }");
    execute(ConfigCommand::Validate { file: None }, &mut home.context(true)).unwrap();
    let message = "K is not set or empty, so provider moonshot is disabled";
    let expected = json!({
        "valid": true,
        "path": home.file(),
        "warnings": [{ "path": "models.providers.moonshot.apiKey", "kind": "missing_key", "message": message }],
    });
    assert_eq!(home.printed_json(), expected);
    execute(ConfigCommand::Validate { file: None }, &mut home.context(false)).unwrap();
    let text =
        format!("{}: valid\nwarning: models.providers.moonshot.apiKey: {message}\n", home.file().display());
    assert_eq!(home.printed(), text);
}

#[test]
fn validate_reports_every_issue_with_its_position() {
    let mut home = TestHome::empty();
    let file = home.home.path().join("other.json5");
    fs::write(&file, "{\n  modles: {},\n  gateway: { port: 'x' },\n}").unwrap();
    let invalid = execute(ConfigCommand::Validate { file: Some(file.clone()) }, &mut home.context(true));
    assert!(error_text(invalid).contains("code: 78"));
    let expected = json!({
        "valid": false,
        "path": file,
        "issues": [
            { "path": "modles", "message": "unknown key (did you mean \"models\"?)", "line": 2, "column": 3 },
            {
                "path": "gateway.port",
                "message": "expected a whole number from 0 to 65535, found \"x\" (without the quotes?)",
                "line": 3,
                "column": 20,
            },
        ],
    });
    assert_eq!(home.printed_json(), expected);
    let missing = home.home.path().join("missing.json5");
    let invalid = execute(ConfigCommand::Validate { file: Some(missing) }, &mut home.context(false));
    assert!(error_text(invalid).contains("code: 78"));
    assert!(home.printed().contains("cannot be read"), "{}", home.printed());
}

#[test]
fn validate_without_a_file_is_valid() {
    let mut home = TestHome::empty();
    execute(ConfigCommand::Validate { file: None }, &mut home.context(true)).unwrap();
    assert_eq!(home.printed_json(), json!({ "valid": true, "path": null, "warnings": [] }));
}

#[test]
fn get_hides_secrets() {
    let mut home = TestHome::with(
        "{ env: { A: 'sk-1', vars: { B: 'sk-2' } }, gateway: { port: 7, auth: { token: 'sk-3', tokens: { me: 'sk-4' } } },
          models: { providers: { moonshot: { baseUrl: 'https://api.moonshot.ai/v1', apiKey: ['sk-5', '${KEY}', { source: 'env', id: 'X' }],
            headers: { 'X-K': 'sk-6' }, models: [{ id: 'kimi-k3', headers: { 'X-K': 'sk-7' } }] } } },
          plugins: { entries: { moonshot: { config: { webSearch: { apiKey: 'sk-8' } } } } } }",
    );
    execute(ConfigCommand::Get { path: None }, &mut home.context(true)).unwrap();
    assert!(!home.printed().contains("sk-"), "{}", home.printed());
    let keys = &home.printed_json()["models"]["providers"]["moonshot"]["apiKey"];
    assert_eq!(*keys, json!(["***", "${KEY}", { "source": "env", "id": "X" }]));
    assert_eq!(get(&mut home, "gateway.port"), "7\n");
    assert_eq!(get(&mut home, "gateway.auth.token"), "***\n");
    assert_eq!(get(&mut home, "env.vars.B"), "***\n");
    assert_eq!(get(&mut home, "models.providers.moonshot.baseUrl"), "https://api.moonshot.ai/v1\n");
    assert_eq!(get(&mut home, "models.providers.moonshot.apiKey[0]"), "***\n");
}

#[test]
fn get_suggests_the_nearest_key() {
    let mut home = TestHome::with("{}");
    let error =
        error_text(execute(ConfigCommand::Get { path: Some("gatway".into()) }, &mut home.context(false)));
    assert!(error.contains("code: 1") && error.contains("did you mean \\\"gateway\\\"?"), "{error}");
}

#[test]
fn set_accepts_text_and_json5_and_keeps_comments() {
    let mut home = TestHome::with("{\n  // mine\n  logging: { level: 'info' },\n}\n");
    set(&mut home, "logging.level", "debug").unwrap();
    assert_eq!(home.text(), "{\n  // mine\n  logging: { level: \"debug\" },\n}\n");
    set(&mut home, "models.providers.moonshot.apiKey", "12345").unwrap();
    set(&mut home, "gateway", "{ port: 0x7b1 }").unwrap();
    set(&mut home, "failover.hedgeAfterMs", "null").unwrap();
    assert!(
        home.text().contains("\"apiKey\": \"12345\"") && home.text().contains("\"port\": 1969"),
        "{}",
        home.text()
    );
    let before = home.text();
    set(&mut home, "logging.level", "debug").unwrap();
    assert!(home.printed().starts_with("No change: "));
    assert_eq!(home.text(), before);
}

#[test]
fn set_rejects_an_invalid_result() {
    let mut home = TestHome::with("{}");
    for (path, value, why) in [
        ("gateway.prot", "1", "did you mean"),
        ("gateway.port", "high", "expected a whole number"),
        ("agents.defaults.model", "kimi/", "has no model"),
        ("gateway.port.x", "1", "unknown key"),
    ] {
        let error = error_text(set(&mut home, path, value));
        assert!(error.contains("code: 1"), "{error}");
        assert!(error.contains(why) || why == "unknown key", "{error}");
        assert_eq!(home.text(), "{}");
    }
    assert!(error_text(set(&mut home, "a..b", "1")).contains("code: 2"));
    let mut broken = TestHome::with("{ a: ");
    assert!(error_text(set(&mut broken, "gateway.port", "1")).contains("code: 78"));
}

#[test]
fn invalid_file_exits_with_78_until_a_change_fixes_it() {
    let mut home = TestHome::with("{ logging: { level: 'lots' }, gatway: {} }");
    let before = home.text();
    let refused = error_text(set(&mut home, "gateway.port", "1"));
    assert!(refused.contains("code: 78") && refused.contains("already invalid"), "{refused}");
    assert!(refused.contains("gatway") && refused.contains("lots"), "{refused}");
    assert_eq!(home.text(), before);
    set(&mut home, "logging.level", "debug").unwrap();
    assert!(
        home.printed().contains("\nstill invalid: ") && home.printed().contains("gatway"),
        "{}",
        home.printed()
    );
    execute(ConfigCommand::Unset { path: "gatway".into(), dry_run: false }, &mut home.context(true)).unwrap();
    assert_eq!(
        home.printed_json(),
        json!({ "ok": true, "changed": true, "path": home.file(), "backup": backup(&home) })
    );
}

#[test]
fn misplaced_keys_are_redacted() {
    let text =
        "{ models: { providers: { x: { apikey: 'sk-1', baseUrl: 'https://e.example/v1?key=sk-2' } } } }";
    let mut home = TestHome::with(text);
    let shown = get(&mut home, "models");
    assert!(!shown.contains("sk-") && shown.contains("https://e.example/v1?***"), "{shown}");
    assert_eq!(get(&mut home, "models.providers.x.apikey"), "***\n");
    assert_eq!(get(&mut home, "models.providers.x.baseUrl"), "https://e.example/v1?***\n");
}

#[test]
fn unset_removes_a_value() {
    let mut home = TestHome::with("{ gateway: { port: 1, reload: false } }");
    execute(ConfigCommand::Unset { path: "gateway.port".into(), dry_run: false }, &mut home.context(false))
        .unwrap();
    assert_eq!(home.text(), "{ gateway: { reload: false } }");
    let error = error_text(execute(
        ConfigCommand::Unset { path: "gateway.port".into(), dry_run: false },
        &mut home.context(false),
    ));
    assert!(error.contains("gateway.port is not set"), "{error}");
}

#[test]
fn managed_configuration_is_rejected_with_nix_lines() {
    let mut home = TestHome::with("{}").variable("MOONRELAY_NIX_MODE", "1");
    let refused = error_text(set(&mut home, "gateway.port", "2000"));
    assert!(
        refused.contains("code: 1") && refused.contains("services.moonrelay.settings.gateway.port = 2000;"),
        "{refused}"
    );
    assert_eq!(home.text(), "{}");
    for (path, name) in [("env.K", "K"), ("models.providers.kimi.apiKey", "KIMI_API_KEY")] {
        let refused = error_text(set(&mut home, path, "sk-secret"));
        assert!(!refused.contains("sk-secret") && !refused.contains("***"), "{refused}");
        assert!(refused.contains(&format!("services.moonrelay.credentials.{name} = ")), "{refused}");
    }
    let old = home.home.path().join("openclaw.json");
    fs::write(&old, "{ env: { K: 'sk-1' }, models: { providers: { kimi: { apiKey: 'sk-2' } } } }").unwrap();
    let command = ConfigCommand::Import(import::Args { file: old, force: true, dry_run: false });
    let refused = error_text(execute(command, &mut home.context(false)));
    assert!(!refused.contains("sk-") && !refused.contains("***"), "{refused}");
    let line = "services.moonrelay.settings = { models = { providers = { kimi = { apiKey = { source = \\\"credential\\\"; id = \\\"KIMI_API_KEY\\\"; }; }; }; }; };";
    assert!(refused.contains(line) && refused.contains("services.moonrelay.credentials.K = "), "{refused}");
}

#[test]
fn schema_and_path_are_printed() {
    let mut home = TestHome::empty();
    execute(ConfigCommand::Schema, &mut home.context(false)).unwrap();
    let schema = home.printed_json();
    assert_eq!(schema["properties"]["gateway"]["properties"]["port"]["maximum"], json!(65_535));
    assert_eq!(schema["additionalProperties"], json!(false));
    let file = home.file();
    execute(ConfigCommand::Path, &mut home.context(false)).unwrap();
    assert_eq!(home.printed(), format!("{}\n", file.display()));
    execute(ConfigCommand::Path, &mut home.context(true)).unwrap();
    assert_eq!(home.printed_json(), json!({ "path": file, "exists": false }));
}

#[test]
fn import_writes_once_and_lists_what_is_left_out() {
    let mut home = TestHome::empty();
    let old = home.home.path().join("openclaw.json");
    fs::write(&old, "{ channels: {}, agents: { defaults: { model: 'moonshotai/kimi-k3' } } }").unwrap();
    let command = |force, dry_run| ConfigCommand::Import(import::Args { file: old.clone(), force, dry_run });
    execute(command(false, true), &mut home.context(false)).unwrap();
    let expected = "// changed: agents.defaults.model: moonshotai/kimi-k3 is moonshot/kimi-k3 now\n\
                    // left out: channels: Moonrelay has no chat channels\n\
                    {\n  \"agents\": {\n    \"defaults\": {\n      \"model\": \"moonshot/kimi-k3\"\n    }\n  }\n}\n";
    assert_eq!(home.printed(), expected);
    assert!(!home.file().exists());
    execute(command(false, false), &mut home.context(true)).unwrap();
    let report = home.printed_json();
    assert_eq!((&report["written"], &report["leftOut"][0]["path"]), (&json!(true), &json!("channels")));
    assert_eq!(get(&mut home, "agents.defaults.model"), "moonshot/kimi-k3\n");
    let error = error_text(execute(command(false, false), &mut home.context(false)));
    assert!(error.contains("exists. Replace it with --force"), "{error}");
    execute(command(true, false), &mut home.context(false)).unwrap();
}
