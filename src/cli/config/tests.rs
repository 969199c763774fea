use std::fs;
use std::process::ExitCode;

use serde_json::json;

use super::{ConfigCommand, execute, import};
use crate::cli::console::tests::{Desk, told};

fn same(code: ExitCode, expected: u8) -> bool {
    code == ExitCode::from(expected)
}

fn backup(desk: &Desk) -> std::path::PathBuf {
    desk.file().with_file_name("config.json5.bak")
}

fn get(desk: &mut Desk, path: &str) -> String {
    execute(ConfigCommand::Get { path: Some(path.to_owned()) }, &mut desk.console(false)).unwrap();
    desk.printed()
}

fn set(desk: &mut Desk, path: &str, value: &str) -> Result<ExitCode, crate::cli::exit::CommandError> {
    execute(
        ConfigCommand::Set { path: path.to_owned(), value: value.to_owned(), dry_run: false },
        &mut desk.console(false),
    )
}

#[test]
fn validate_tells_valid_files_with_their_warnings() {
    let mut desk = Desk::with("{ models: { providers: { moonshot: { apiKey: '${K}' } } } }");
    let code = execute(ConfigCommand::Validate { file: None }, &mut desk.console(true)).unwrap();
    assert!(same(code, 0));
    let message = "K is not set or empty: provider moonshot is off until it is";
    let expected = json!({
        "valid": true,
        "path": desk.file(),
        "warnings": [{ "path": "models.providers.moonshot.apiKey", "kind": "missing_key", "message": message }],
    });
    assert_eq!(desk.printed_json(), expected);
    execute(ConfigCommand::Validate { file: None }, &mut desk.console(false)).unwrap();
    let text =
        format!("{}: valid\nwarning: models.providers.moonshot.apiKey: {message}\n", desk.file().display());
    assert_eq!(desk.printed(), text);
}

#[test]
fn validate_tells_every_issue_with_its_place() {
    let mut desk = Desk::empty();
    let file = desk.home.path().join("other.json5");
    fs::write(&file, "{\n  modles: {},\n  gateway: { port: 'x' },\n}").unwrap();
    let code =
        execute(ConfigCommand::Validate { file: Some(file.clone()) }, &mut desk.console(true)).unwrap();
    assert!(same(code, 78));
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
    assert_eq!(desk.printed_json(), expected);
    let missing = desk.home.path().join("missing.json5");
    let code = execute(ConfigCommand::Validate { file: Some(missing) }, &mut desk.console(false)).unwrap();
    assert!(same(code, 78));
    assert!(desk.printed().contains("cannot be read"), "{}", desk.printed());
}

#[test]
fn validate_without_a_file_is_valid() {
    let mut desk = Desk::empty();
    assert!(same(execute(ConfigCommand::Validate { file: None }, &mut desk.console(true)).unwrap(), 0));
    assert_eq!(desk.printed_json(), json!({ "valid": true, "path": null, "warnings": [] }));
}

#[test]
fn get_hides_secrets() {
    let mut desk = Desk::with(
        "{ env: { A: 'sk-1', vars: { B: 'sk-2' } }, gateway: { port: 7, auth: { token: 'sk-3', tokens: { me: 'sk-4' } } },
          models: { providers: { moonshot: { baseUrl: 'https://api.moonshot.ai/v1', apiKey: ['sk-5', '${KEY}', { source: 'env', id: 'X' }],
            headers: { 'X-K': 'sk-6' }, models: [{ id: 'kimi-k3', headers: { 'X-K': 'sk-7' } }] } } },
          plugins: { entries: { moonshot: { config: { webSearch: { apiKey: 'sk-8' } } } } } }",
    );
    execute(ConfigCommand::Get { path: None }, &mut desk.console(true)).unwrap();
    assert!(!desk.printed().contains("sk-"), "{}", desk.printed());
    let keys = &desk.printed_json()["models"]["providers"]["moonshot"]["apiKey"];
    assert_eq!(*keys, json!(["***", "${KEY}", { "source": "env", "id": "X" }]));
    assert_eq!(get(&mut desk, "gateway.port"), "7\n");
    assert_eq!(get(&mut desk, "gateway.auth.token"), "***\n");
    assert_eq!(get(&mut desk, "env.vars.B"), "***\n");
    assert_eq!(get(&mut desk, "models.providers.moonshot.baseUrl"), "https://api.moonshot.ai/v1\n");
    assert_eq!(get(&mut desk, "models.providers.moonshot.apiKey[0]"), "***\n");
}

#[test]
fn get_of_nothing_fails_with_the_nearest_key() {
    let mut desk = Desk::with("{}");
    let told = told(execute(ConfigCommand::Get { path: Some("gatway".into()) }, &mut desk.console(false)));
    assert!(told.contains("code: 1") && told.contains("did you mean \\\"gateway\\\"?"), "{told}");
}

#[test]
fn set_takes_text_and_json5_and_keeps_comments() {
    let mut desk = Desk::with("{\n  // mine\n  logging: { level: 'info' },\n}\n");
    set(&mut desk, "logging.level", "debug").unwrap();
    assert_eq!(desk.text(), "{\n  // mine\n  logging: { level: \"debug\" },\n}\n");
    set(&mut desk, "models.providers.moonshot.apiKey", "12345").unwrap();
    set(&mut desk, "gateway", "{ port: 0x7b1 }").unwrap();
    set(&mut desk, "failover.hedgeAfterMs", "null").unwrap();
    assert!(
        desk.text().contains("\"apiKey\": \"12345\"") && desk.text().contains("\"port\": 1969"),
        "{}",
        desk.text()
    );
    let before = desk.text();
    set(&mut desk, "logging.level", "debug").unwrap();
    assert!(desk.printed().starts_with("No change: "));
    assert_eq!(desk.text(), before);
}

#[test]
fn set_refuses_what_would_be_wrong() {
    let mut desk = Desk::with("{}");
    for (path, value, why) in [
        ("gateway.prot", "1", "did you mean"),
        ("gateway.port", "high", "expected a whole number"),
        ("agents.defaults.model", "kimi/", "has no model"),
        ("gateway.port.x", "1", "unknown key"),
    ] {
        let told = told(set(&mut desk, path, value));
        assert!(told.contains("code: 1"), "{told}");
        assert!(told.contains(why) || why == "unknown key", "{told}");
        assert_eq!(desk.text(), "{}");
    }
    assert!(told(set(&mut desk, "a..b", "1")).contains("code: 2"));
    let mut broken = Desk::with("{ a: ");
    assert!(told(set(&mut broken, "gateway.port", "1")).contains("code: 78"));
}

#[test]
fn a_file_that_was_wrong_ends_with_78_until_a_change_mends_it() {
    let mut desk = Desk::with("{ logging: { level: 'lots' }, gatway: {} }");
    let before = desk.text();
    let refused = told(set(&mut desk, "gateway.port", "1"));
    assert!(refused.contains("code: 78") && refused.contains("wrong already"), "{refused}");
    assert!(refused.contains("gatway") && refused.contains("lots"), "{refused}");
    assert_eq!(desk.text(), before);
    set(&mut desk, "logging.level", "debug").unwrap();
    assert!(
        desk.printed().contains("\nstill wrong: ") && desk.printed().contains("gatway"),
        "{}",
        desk.printed()
    );
    execute(ConfigCommand::Unset { path: "gatway".into(), dry_run: false }, &mut desk.console(true)).unwrap();
    assert_eq!(
        desk.printed_json(),
        json!({ "ok": true, "changed": true, "path": desk.file(), "backup": backup(&desk) })
    );
}

#[test]
fn keys_are_not_printed_where_they_are_at_a_wrong_place() {
    let text =
        "{ models: { providers: { x: { apikey: 'sk-1', baseUrl: 'https://e.example/v1?key=sk-2' } } } }";
    let mut desk = Desk::with(text);
    let shown = get(&mut desk, "models");
    assert!(!shown.contains("sk-") && shown.contains("https://e.example/v1?***"), "{shown}");
    assert_eq!(get(&mut desk, "models.providers.x.apikey"), "***\n");
    assert_eq!(get(&mut desk, "models.providers.x.baseUrl"), "https://e.example/v1?***\n");
}

#[test]
fn unset_removes() {
    let mut desk = Desk::with("{ gateway: { port: 1, reload: false } }");
    execute(ConfigCommand::Unset { path: "gateway.port".into(), dry_run: false }, &mut desk.console(false))
        .unwrap();
    assert_eq!(desk.text(), "{ gateway: { reload: false } }");
    let told = told(execute(
        ConfigCommand::Unset { path: "gateway.port".into(), dry_run: false },
        &mut desk.console(false),
    ));
    assert!(told.contains("gateway.port is not set"), "{told}");
}

#[test]
fn managed_files_are_refused_with_the_nix_line() {
    let mut desk = Desk::with("{}").variable("MOONRELAY_NIX_MODE", "1");
    let refused = told(set(&mut desk, "gateway.port", "2000"));
    assert!(
        refused.contains("code: 1") && refused.contains("services.moonrelay.settings.gateway.port = 2000;"),
        "{refused}"
    );
    assert_eq!(desk.text(), "{}");
    for (path, name) in [("env.K", "K"), ("models.providers.kimi.apiKey", "KIMI_API_KEY")] {
        let refused = told(set(&mut desk, path, "sk-secret"));
        assert!(!refused.contains("sk-secret") && !refused.contains("***"), "{refused}");
        assert!(refused.contains(&format!("services.moonrelay.credentials.{name} = ")), "{refused}");
    }
    let old = desk.home.path().join("openclaw.json");
    fs::write(&old, "{ env: { K: 'sk-1' }, models: { providers: { kimi: { apiKey: 'sk-2' } } } }").unwrap();
    let verb = ConfigCommand::Import(import::Args::new(old, true, false));
    let refused = told(execute(verb, &mut desk.console(false)));
    assert!(!refused.contains("sk-") && !refused.contains("***"), "{refused}");
    let line = "services.moonrelay.settings = { models = { providers = { kimi = { apiKey = { source = \\\"credential\\\"; id = \\\"KIMI_API_KEY\\\"; }; }; }; }; };";
    assert!(refused.contains(line) && refused.contains("services.moonrelay.credentials.K = "), "{refused}");
}

#[test]
fn schema_and_path_are_printed() {
    let mut desk = Desk::empty();
    execute(ConfigCommand::Schema, &mut desk.console(false)).unwrap();
    let schema = desk.printed_json();
    assert_eq!(schema["properties"]["gateway"]["properties"]["port"]["maximum"], json!(65_535));
    assert_eq!(schema["additionalProperties"], json!(false));
    let file = desk.file();
    execute(ConfigCommand::Path, &mut desk.console(false)).unwrap();
    assert_eq!(desk.printed(), format!("{}\n", file.display()));
    execute(ConfigCommand::Path, &mut desk.console(true)).unwrap();
    assert_eq!(desk.printed_json(), json!({ "path": file, "exists": false }));
}

#[test]
fn import_writes_once_and_names_what_is_left_out() {
    let mut desk = Desk::empty();
    let old = desk.home.path().join("openclaw.json");
    fs::write(&old, "{ channels: {}, agents: { defaults: { model: 'moonshotai/kimi-k3' } } }").unwrap();
    let verb = |force, dry_run| ConfigCommand::Import(import::Args::new(old.clone(), force, dry_run));
    execute(verb(false, true), &mut desk.console(false)).unwrap();
    let expected = "// changed: agents.defaults.model: moonshotai/kimi-k3 is moonshot/kimi-k3 now\n\
                    // left out: channels: Moonrelay has no chat channels\n\
                    {\n  \"agents\": {\n    \"defaults\": {\n      \"model\": \"moonshot/kimi-k3\"\n    }\n  }\n}\n";
    assert_eq!(desk.printed(), expected);
    assert!(!desk.file().exists());
    execute(verb(false, false), &mut desk.console(true)).unwrap();
    let report = desk.printed_json();
    assert_eq!((&report["written"], &report["leftOut"][0]["path"]), (&json!(true), &json!("channels")));
    assert_eq!(get(&mut desk, "agents.defaults.model"), "moonshot/kimi-k3\n");
    let told = told(execute(verb(false, false), &mut desk.console(false)));
    assert!(told.contains("exists: --force replaces it"), "{told}");
    execute(verb(true, false), &mut desk.console(false)).unwrap();
}
