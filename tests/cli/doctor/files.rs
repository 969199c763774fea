//! Files with keys, the state directory, and retired models.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Machine, assert_finding, describe, link};
use crate::common::process::Serving;
use crate::common::{Provider, Upstream};

const CHAIN: &str =
    "agents: { defaults: { model: { primary: 'moonshot/kimi-k3', fallbacks: ['openrouter/auto'] } } }";
const KEYS: &str = "MOONSHOT_API_KEY=sk-0123456789ab\nOPENROUTER_API_KEY=sk-or-v1-0123456789\n";

#[tokio::test]
async fn plain_text_key_is_a_warning_and_a_readable_one_an_error() {
    let config = format!(
        "{{ {CHAIN}, models: {{ providers: {{ moonshot: {{ apiKey: 'sk-0123456789ab' }} }} }}, env: {{ OPENROUTER_API_KEY: 'sk-or-v1-0123456789' }} }}"
    );
    let machine = Machine::new(&config);
    let report = machine.doctor(&["--offline"]).await;
    let found: Vec<_> = report.of("literal-keys").into_iter().map(describe).collect();
    assert_finding(
        &found[0],
        "warning",
        &[
            "models.providers.moonshot.apiKey",
            "moonrelay config set 'models.providers.moonshot.apiKey' '${MOONSHOT_API_KEY}'",
            "moonrelay/env",
        ],
    );
    assert_finding(&found[1], "warning", &["env.OPENROUTER_API_KEY", "OPENROUTER_API_KEY=…"]);
    assert_eq!(found.len(), 2);
    // The command of the fix works.
    let set = crate::common::process::run(machine.command(&[
        "config",
        "set",
        "models.providers.moonshot.apiKey",
        "${MOONSHOT_API_KEY}",
    ]))
    .await;
    assert_eq!(set.code, Some(0), "{}", set.both());
    machine.write("config/moonrelay/env", KEYS, 0o600);
    assert_eq!(machine.doctor(&["--offline"]).await.of("literal-keys").len(), 1);
    fs::set_permissions(machine.path("config/moonrelay/config.json5"), fs::Permissions::from_mode(0o644))
        .unwrap();
    let report = machine.doctor(&["--offline"]).await;
    assert_finding(
        &describe(report.of("literal-keys")[0]),
        "error",
        &["other users can read", "mode is 644", "chmod 600"],
    );
    assert!(!report.ended.stdout.contains("0123456789"), "{}", report.ended.both());
}

#[tokio::test]
async fn file_with_keys_must_be_private() {
    let machine = Machine::new(&format!(
        "{{ {CHAIN}, models: {{ providers: {{ lab: {{ baseUrl: 'http://127.0.0.1:9/v1', apiKey: {{ source: 'file', id: '~/lab.key' }}, models: [{{ id: 'm' }}] }} }} }} }}"
    ));
    let secrets = machine.write("config/moonrelay/env", KEYS, 0o600);
    let lab = machine.write("lab.key", "lab-0123456789\n", 0o600);
    assert!(machine.doctor(&["--offline"]).await.of("secret-files").is_empty());
    for (path, mode, severity, kind) in [
        (&secrets, 0o604, "error", "secret_file_readable_by_all"),
        (&secrets, 0o640, "warning", "secret_file_readable_by_group"),
        (&secrets, 0o620, "error", "secret_file_writable_by_others"),
        (&lab, 0o644, "error", "secret_file_readable_by_all"),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let report = machine.doctor(&["--offline"]).await;
        let fix = format!("chmod 600 {}", path.display());
        assert_finding(&report.only("secret-files"), severity, &[&format!("mode is {mode:03o}"), &fix]);
        assert_eq!(report.kinds("secret-files"), [kind]);
        assert!(report.of("configuration").is_empty(), "it is reported once: {:#}", report.value);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::remove_file(&secrets).unwrap();
    fs::create_dir(&secrets).unwrap();
    assert_finding(
        &machine.doctor(&["--offline"]).await.only("secret-files"),
        "error",
        &["cannot be read", "directory"],
    );
    fs::remove_dir(&secrets).unwrap();
    link("nowhere", &secrets);
    assert_finding(
        &machine.doctor(&["--offline"]).await.only("secret-files"),
        "error",
        &["a link to a file that does not exist"],
    );
}

#[tokio::test]
async fn missing_key_is_reported_with_its_provider() {
    let machine = Machine::new(&format!(
        "{{ {CHAIN}, models: {{ providers: {{ lab: {{ baseUrl: 'http://127.0.0.1:9/v1', apiKey: '${{LAB_KEY}}', models: [{{ id: 'm' }}] }} }} }} }}"
    ));
    machine.write("config/moonrelay/env", "MOONSHOT_API_KEY=sk-0123456789ab\nLAB_KEY=  \n", 0o600);
    let report = machine.doctor(&["--offline"]).await;
    let found: Vec<_> = report.of("keys").into_iter().map(describe).collect();
    assert_eq!(found.len(), 2, "{:#}", report.value);
    let about = |word: &str| found.iter().find(|(_, words)| words.contains(word)).unwrap();
    assert_finding(
        about("LAB_KEY"),
        "warning",
        &["provider lab is disabled", "add the line LAB_KEY=…", "models.providers.lab.apiKey"],
    );
    assert_finding(
        about("OPENROUTER_API_KEY"),
        "warning",
        &["provider openrouter is disabled", "moonrelay onboard --auth-choice openrouter-api-key"],
    );
    assert_finding(
        &report.only("chain"),
        "warning",
        &["the chain has no fallback", "openrouter/auto", "openrouter-api-key"],
    );
    // Without any key the gateway does not start.
    let nothing = Machine::new("{}").doctor(&["--offline"]).await;
    assert_eq!(nothing.kinds("keys"), ["no_usable_provider"]);
    assert_finding(&nothing.only("keys"), "error", &["exit 78", "onboard"]);
}

#[tokio::test]
async fn file_in_the_nix_store_is_an_error() {
    let machine = Machine::new(&format!(
        "{{ {CHAIN}, models: {{ providers: {{ moonshot: {{ apiKey: {{ source: 'file', id: '~/key' }} }} }} }} }}"
    ));
    link("/nix/store/0123456789-kimi-key/key", &machine.path("key"));
    let report = machine.doctor(&["--offline"]).await;
    assert_finding(
        &report.only("store"),
        "error",
        &["in the Nix store", "services.moonrelay.credentials.", "change the key"],
    );
    assert!(report.of("secret-files").is_empty(), "it is reported once: {:#}", report.value);
    // A managed configuration that was deleted.
    link(
        "/nix/store/0123456789-home-manager-files/config.json5",
        &machine.path("config/moonrelay/config.json5"),
    );
    let report = machine.doctor(&["--offline"]).await;
    assert_finding(
        &report.only("configuration"),
        "error",
        &["is a link to /nix/store/", "services.moonrelay.settings"],
    );
}

#[tokio::test]
async fn configuration_writable_by_others_is_an_error() {
    let machine = Machine::new(&format!("{{ {CHAIN} }}"));
    machine.write("config/moonrelay/env", KEYS, 0o600);
    fs::set_permissions(machine.path("config/moonrelay/config.json5"), fs::Permissions::from_mode(0o666))
        .unwrap();
    assert_finding(
        &machine.doctor(&["--offline"]).await.only("configuration"),
        "error",
        &["other users can change", "chmod go-w"],
    );
}

#[tokio::test]
async fn state_directory_must_be_private_and_writable() {
    let machine = Machine::new(&format!("{{ {CHAIN} }}"));
    machine.write("config/moonrelay/env", KEYS, 0o600);
    assert!(machine.doctor(&["--offline"]).await.of("state").is_empty(), "it does not exist yet");
    let state = machine.path("state/moonrelay");
    fs::create_dir_all(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    assert_finding(
        &machine.doctor(&["--offline"]).await.only("state"),
        "warning",
        &["can read the state directory", "chmod 700"],
    );
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    let left: Vec<_> = fs::read_dir(&state).unwrap().collect();
    assert!(left.is_empty(), "the write test leaves no file: {left:?}");
    // The file is not a database.
    machine.write("state/moonrelay/ledger.sqlite", &"no database".repeat(500), 0o600);
    assert_finding(
        &machine.doctor(&["--offline"]).await.only("ledger"),
        "error",
        &["cannot be read", "ledger.sqlite", "ledger.old"],
    );
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "").unwrap();
    assert_finding(
        &machine.doctor(&["--offline"]).await.only("state"),
        "error",
        &["cannot be written", "not a directory"],
    );
}

#[tokio::test]
async fn retired_models_are_reported_with_their_successors() {
    let machine = Machine::new(
        "{ agents: { defaults: { model: { primary: 'moonshot/kimi-k2.5', fallbacks: ['openrouter/auto'] }, models: { 'moonshot/kimi-k2.7-code': { alias: 'code' } } } }, plugins: { entries: { moonshot: { config: { webSearch: { model: 'kimi-k3' } } } } } }",
    );
    machine.write("config/moonrelay/env", KEYS, 0o600);
    let report = machine.doctor(&["--offline"]).await;
    let found: Vec<_> = report.of("retired").into_iter().map(describe).collect();
    assert_finding(
        &found[0],
        "warning",
        &["moonshot/kimi-k2.5 was retired on 2026-08-31", "moonrelay models set moonshot/kimi-k3"],
    );
    assert!(found[1].1.contains("moonshot/kimi-k2.7-code will be retired on 2026-12-31"), "{}", found[1].1);
    assert_eq!(found.len(), 2);
    assert!(report.of("configuration").is_empty(), "it is reported once: {:#}", report.value);
    // The commands of the fix remove the finding.
    let fix = report.of("retired")[0]["fix"].as_str().unwrap().to_owned();
    for command in fix.split(" && ") {
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        let ended = crate::common::process::run(machine.command(&arguments)).await;
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.both());
    }
    let report = machine.doctor(&["--offline"]).await;
    assert!(
        !report.of("retired").into_iter().any(|found| describe(found).1.contains("was retired")),
        "{:#}",
        report.value
    );
}

/// Answers for a unit whose process is none of this machine's, and notes what it is asked to stop and to start.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
  "--user show-environment") printf 'HOME=%s\n' "$HOME" ;;
  "--user show "*socket) echo LoadState=not-found ;;
  "--user show "*) printf 'LoadState=loaded\nActiveState=active\nMainPID=0\n' ;;
  "--user stop "*|"--user start "*) echo "$*" >> "$HOME/asked" ;;
esac
"#;

#[tokio::test]
async fn state_directory_linked_to_the_configuration_is_found_and_its_fix_undoes_it() {
    let upstream = Upstream::start().await;
    let base = format!("{}{}", upstream.base(), Provider::Moonshot.path());
    let machine = Machine::new(&format!(
        "{{ agents: {{ defaults: {{ model: 'moonshot/kimi-k3' }} }}, models: {{ providers: {{ moonshot: {{ baseUrl: '{base}' }} }} }} }}"
    ));
    machine.write("config/moonrelay/env", KEYS, 0o600);
    machine.program("systemctl", SYSTEMCTL);
    assert!(machine.doctor(&["--offline"]).await.of("state-link").is_empty(), "it does not exist");
    // The link is relative, as systemd makes it.
    fs::create_dir_all(machine.path("state")).unwrap();
    std::os::unix::fs::symlink("../config/moonrelay", machine.path("state/moonrelay")).unwrap();
    let before = names(&machine, "config/moonrelay");
    // What this program stores, so that a new name is noticed here; then what older programs and home-manager store.
    let mut gateway =
        Serving::start(machine.command(&["gateway", "run", "--port", "0"]), "listening on").await;
    gateway.stop().await;
    let answered = crate::common::process::run(machine.command(&["agent", "--local", "-m", "hello"])).await;
    assert_eq!(answered.code, Some(0), "{}", answered.both());
    assert!(machine.path("config/moonrelay/sessions").is_dir(), "{:?}", names(&machine, "config/moonrelay"));
    for name in ["ledger.sqlite-wal", "ledger.1.sqlite", "chat_history", ".keep"] {
        machine.write(&format!("config/moonrelay/{name}"), "", 0o600);
    }
    machine.write("config/moonrelay/oauth/kimi.json", "{}", 0o600);

    let report = machine.doctor(&["--offline"]).await;
    let found = report.only("state-link");
    assert_finding(&found, "warning", &["symbolic link", "config/moonrelay", "state/moonrelay"]);
    let fix = report.of("state-link")[0]["fix"].as_str().unwrap().to_owned();
    let stored = names(&machine, "config/moonrelay");
    // A stop removes this file.
    fs::remove_file(machine.path("config/moonrelay/ledger.sqlite-wal")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut shell = tokio::process::Command::new("/bin/sh");
    shell.args(["-c", &fix]).env("PATH", format!("{}:{path}", machine.path("bin").display()));
    shell
        .env("HOME", machine.home.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let done = crate::common::process::run(shell).await;
    assert_eq!(done.code, Some(0), "{fix}: {}", done.both());

    let state = fs::symlink_metadata(machine.path("state/moonrelay")).unwrap();
    assert!(state.is_dir() && state.permissions().mode() & 0o777 == 0o700, "{state:?}");
    assert_eq!(names(&machine, "config/moonrelay"), before, "only the configuration is left");
    let moved = names(&machine, "state/moonrelay");
    let expected = stored.into_iter().filter(|name| !before.contains(name) && name != "ledger.sqlite-wal");
    assert_eq!(moved, expected.collect::<Vec<_>>());
    let asked = fs::read_to_string(machine.path("asked")).unwrap();
    assert_eq!(asked, "--user stop moonrelay.service\n--user start moonrelay.service\n");
    assert!(machine.doctor(&["--offline"]).await.of("state-link").is_empty());
}

#[tokio::test]
async fn state_directory_linked_elsewhere_is_not_a_finding() {
    let machine = Machine::new(&format!("{{ {CHAIN} }}"));
    machine.write("config/moonrelay/env", KEYS, 0o600);
    machine.write("disk/moonrelay/sessions/one.jsonl", "", 0o600);
    fs::create_dir_all(machine.path("state")).unwrap();
    std::os::unix::fs::symlink(machine.path("disk/moonrelay"), machine.path("state/moonrelay")).unwrap();
    assert!(machine.doctor(&["--offline"]).await.of("state-link").is_empty());
}

/// The names in a directory, sorted.
fn names(machine: &Machine, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(machine.path(directory)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
