//! Files: keys in the wrong place, wrong permissions, missing files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Patient, link, reported, says};
use crate::common::process::Serving;
use crate::common::{Provider, Upstream};

const CHAIN: &str =
    "agents: { defaults: { model: { primary: 'moonshot/kimi-k3', fallbacks: ['openrouter/auto'] } } }";
const KEYS: &str = "MOONSHOT_API_KEY=sk-0123456789ab\nOPENROUTER_API_KEY=sk-or-v1-0123456789\n";

#[tokio::test]
async fn a_key_in_the_configuration_is_a_warning_and_one_that_others_read_an_error() {
    let config = format!(
        "{{ {CHAIN}, models: {{ providers: {{ moonshot: {{ apiKey: 'sk-0123456789ab' }} }} }}, env: {{ OPENROUTER_API_KEY: 'sk-or-v1-0123456789' }} }}"
    );
    let patient = Patient::new(&config);
    let examined = patient.examined(&["--offline"]).await;
    let found: Vec<_> = examined.of("literal-keys").into_iter().map(reported).collect();
    says(
        &found[0],
        "warning",
        &[
            "models.providers.moonshot.apiKey",
            "moonrelay config set 'models.providers.moonshot.apiKey' '${MOONSHOT_API_KEY}'",
            "moonrelay/env",
        ],
    );
    says(&found[1], "warning", &["env.OPENROUTER_API_KEY", "OPENROUTER_API_KEY=…"]);
    assert_eq!(found.len(), 2);
    // The printed command is run.
    let set = crate::common::process::run(patient.command(&[
        "config",
        "set",
        "models.providers.moonshot.apiKey",
        "${MOONSHOT_API_KEY}",
    ]))
    .await;
    assert_eq!(set.code, Some(0), "{}", set.both());
    patient.write("config/moonrelay/env", KEYS, 0o600);
    assert_eq!(patient.examined(&["--offline"]).await.of("literal-keys").len(), 1);
    fs::set_permissions(patient.path("config/moonrelay/config.json5"), fs::Permissions::from_mode(0o644))
        .unwrap();
    let examined = patient.examined(&["--offline"]).await;
    says(
        &reported(examined.of("literal-keys")[0]),
        "error",
        &["others can read", "mode is 644", "chmod 600"],
    );
    assert!(!examined.ended.stdout.contains("0123456789"), "{}", examined.ended.both());
}

#[tokio::test]
async fn a_file_with_keys_is_its_owners_alone() {
    let patient = Patient::new(&format!(
        "{{ {CHAIN}, models: {{ providers: {{ lab: {{ baseUrl: 'http://127.0.0.1:9/v1', apiKey: {{ source: 'file', id: '~/lab.key' }}, models: [{{ id: 'm' }}] }} }} }} }}"
    ));
    let secrets = patient.write("config/moonrelay/env", KEYS, 0o600);
    let lab = patient.write("lab.key", "lab-0123456789\n", 0o600);
    assert!(patient.examined(&["--offline"]).await.of("secret-files").is_empty());
    for (path, mode, severity, kind) in [
        (&secrets, 0o604, "error", "secret_file_readable_by_all"),
        (&secrets, 0o640, "warning", "secret_file_readable_by_group"),
        (&secrets, 0o620, "error", "secret_file_writable_by_others"),
        (&lab, 0o644, "error", "secret_file_readable_by_all"),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let examined = patient.examined(&["--offline"]).await;
        let fix = format!("chmod 600 {}", path.display());
        says(&examined.only("secret-files"), severity, &[&format!("mode is {mode:03o}"), &fix]);
        assert_eq!(examined.kinds("secret-files"), [kind]);
        assert!(examined.of("configuration").is_empty(), "it is told once: {:#}", examined.value);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::remove_file(&secrets).unwrap();
    fs::create_dir(&secrets).unwrap();
    says(
        &patient.examined(&["--offline"]).await.only("secret-files"),
        "error",
        &["cannot be read", "directory"],
    );
    fs::remove_dir(&secrets).unwrap();
    link("nowhere", &secrets);
    says(
        &patient.examined(&["--offline"]).await.only("secret-files"),
        "error",
        &["a link that leads nowhere"],
    );
}

#[tokio::test]
async fn what_is_missing_is_named_with_the_provider_that_it_turns_off() {
    let patient = Patient::new(&format!(
        "{{ {CHAIN}, models: {{ providers: {{ lab: {{ baseUrl: 'http://127.0.0.1:9/v1', apiKey: '${{LAB_KEY}}', models: [{{ id: 'm' }}] }} }} }} }}"
    ));
    patient.write("config/moonrelay/env", "MOONSHOT_API_KEY=sk-0123456789ab\nLAB_KEY=  \n", 0o600);
    let examined = patient.examined(&["--offline"]).await;
    let found: Vec<_> = examined.of("keys").into_iter().map(reported).collect();
    assert_eq!(found.len(), 2, "{:#}", examined.value);
    let about = |word: &str| found.iter().find(|(_, words)| words.contains(word)).unwrap();
    says(
        about("LAB_KEY"),
        "warning",
        &["provider lab is off", "add the line LAB_KEY=…", "models.providers.lab.apiKey"],
    );
    says(
        about("OPENROUTER_API_KEY"),
        "warning",
        &["provider openrouter is off", "moonrelay onboard --auth-choice openrouter-api-key"],
    );
    says(
        &examined.only("chain"),
        "warning",
        &["no fallback is left", "openrouter/auto", "openrouter-api-key"],
    );
    // Without any key the gateway does not start.
    let nothing = Patient::new("{}").examined(&["--offline"]).await;
    assert_eq!(nothing.kinds("keys"), ["no_usable_provider"]);
    says(&nothing.only("keys"), "error", &["exit 78", "onboard"]);
}

#[tokio::test]
async fn what_leads_into_the_nix_store_is_open_to_everybody() {
    let patient = Patient::new(&format!(
        "{{ {CHAIN}, models: {{ providers: {{ moonshot: {{ apiKey: {{ source: 'file', id: '~/key' }} }} }} }} }}"
    ));
    link("/nix/store/0123456789-kimi-key/key", &patient.path("key"));
    let examined = patient.examined(&["--offline"]).await;
    says(
        &examined.only("store"),
        "error",
        &["in the Nix store", "services.moonrelay.credentials.", "change the key"],
    );
    assert!(examined.of("secret-files").is_empty(), "it is told once: {:#}", examined.value);
    // A configuration that Nix manages, and that is gone.
    link(
        "/nix/store/0123456789-home-manager-files/config.json5",
        &patient.path("config/moonrelay/config.json5"),
    );
    let examined = patient.examined(&["--offline"]).await;
    says(
        &examined.only("configuration"),
        "error",
        &["is a link to /nix/store/", "services.moonrelay.settings"],
    );
}

#[tokio::test]
async fn others_may_not_change_the_configuration() {
    let patient = Patient::new(&format!("{{ {CHAIN} }}"));
    patient.write("config/moonrelay/env", KEYS, 0o600);
    fs::set_permissions(patient.path("config/moonrelay/config.json5"), fs::Permissions::from_mode(0o666))
        .unwrap();
    says(
        &patient.examined(&["--offline"]).await.only("configuration"),
        "error",
        &["others can change", "chmod go-w"],
    );
}

#[tokio::test]
async fn the_state_directory_is_ones_own_and_can_be_written() {
    let patient = Patient::new(&format!("{{ {CHAIN} }}"));
    patient.write("config/moonrelay/env", KEYS, 0o600);
    assert!(
        patient.examined(&["--offline"]).await.of("state").is_empty(),
        "one that is not there yet is none the worse"
    );
    let state = patient.path("state/moonrelay");
    fs::create_dir_all(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    says(
        &patient.examined(&["--offline"]).await.only("state"),
        "warning",
        &["look into the state directory", "chmod 700"],
    );
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    let left: Vec<_> = fs::read_dir(&state).unwrap().collect();
    assert!(left.is_empty(), "it leaves nothing behind: {left:?}");
    for (free, severity) in [(9000, "error"), (100_000, "warning")] {
        patient.program("df", &format!("#!/bin/sh\necho 'Filesystem 1024-blocks Used Available Capacity Mounted on'\necho '/dev/x 900000 800000 {free} 99% /'\n"));
        says(&patient.examined(&["--offline"]).await.only("state"), severity, &["99 %", "MiB left"]);
    }
    patient.program("df", "#!/bin/sh\nexit 1\n");
    // The usage database is not a database.
    patient.write("state/moonrelay/ledger.sqlite", &"no database".repeat(500), 0o600);
    says(
        &patient.examined(&["--offline"]).await.only("ledger"),
        "error",
        &["cannot be read", "ledger.sqlite", "ledger.old"],
    );
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "").unwrap();
    says(
        &patient.examined(&["--offline"]).await.only("state"),
        "error",
        &["nothing can be written", "not a directory"],
    );
}

#[tokio::test]
async fn models_that_are_gone_are_named_with_their_successors() {
    let patient = Patient::new(
        "{ agents: { defaults: { model: { primary: 'moonshot/kimi-k2.5', fallbacks: ['openrouter/auto'] }, models: { 'moonshot/kimi-k2.7-code': { alias: 'code' } } } }, plugins: { entries: { moonshot: { config: { webSearch: { model: 'kimi-k3' } } } } } }",
    );
    patient.write("config/moonrelay/env", KEYS, 0o600);
    let examined = patient.examined(&["--offline"]).await;
    let found: Vec<_> = examined.of("retired").into_iter().map(reported).collect();
    says(
        &found[0],
        "warning",
        &["moonshot/kimi-k2.5 was retired on 2026-08-31", "moonrelay models set moonshot/kimi-k3"],
    );
    assert!(
        found[1].1.contains("moonshot/kimi-k2.7-code is said to be retired on 2026-12-31"),
        "{}",
        found[1].1
    );
    assert_eq!(found.len(), 2);
    assert!(examined.of("configuration").is_empty(), "it is told once: {:#}", examined.value);
    // The commands of the fix remove the finding.
    let fix = examined.of("retired")[0]["fix"].as_str().unwrap().to_owned();
    for command in fix.split(" && ") {
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        let ended = crate::common::process::run(patient.command(&arguments)).await;
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.both());
    }
    let examined = patient.examined(&["--offline"]).await;
    assert!(
        !examined.of("retired").into_iter().any(|found| reported(found).1.contains("was retired")),
        "{:#}",
        examined.value
    );
}

/// Reports a unit whose process is not on this machine, and records stop and start calls.
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
    let patient = Patient::new(&format!(
        "{{ agents: {{ defaults: {{ model: 'moonshot/kimi-k3' }} }}, models: {{ providers: {{ moonshot: {{ baseUrl: '{base}' }} }} }} }}"
    ));
    patient.write("config/moonrelay/env", KEYS, 0o600);
    patient.program("systemctl", SYSTEMCTL);
    assert!(patient.examined(&["--offline"]).await.of("state-link").is_empty(), "it does not exist");
    // The link is relative, as systemd makes it.
    fs::create_dir_all(patient.path("state")).unwrap();
    std::os::unix::fs::symlink("../config/moonrelay", patient.path("state/moonrelay")).unwrap();
    let before = names(&patient, "config/moonrelay");
    // The files that this program stores, so that a new name is noticed here; then those of older versions and
    // of home-manager.
    let mut gateway =
        Serving::start(patient.command(&["gateway", "run", "--port", "0"]), "listening on").await;
    gateway.stop().await;
    let answered = crate::common::process::run(patient.command(&["agent", "--local", "-m", "hello"])).await;
    assert_eq!(answered.code, Some(0), "{}", answered.both());
    assert!(patient.path("config/moonrelay/sessions").is_dir(), "{:?}", names(&patient, "config/moonrelay"));
    for name in ["ledger.sqlite-wal", "ledger.1.sqlite", "chat_history", ".keep"] {
        patient.write(&format!("config/moonrelay/{name}"), "", 0o600);
    }
    patient.write("config/moonrelay/oauth/kimi.json", "{}", 0o600);

    let examined = patient.examined(&["--offline"]).await;
    let found = examined.only("state-link");
    says(&found, "warning", &["symbolic link", "config/moonrelay", "state/moonrelay"]);
    let fix = examined.of("state-link")[0]["fix"].as_str().unwrap().to_owned();
    let stored = names(&patient, "config/moonrelay");
    // A stop removes this file.
    fs::remove_file(patient.path("config/moonrelay/ledger.sqlite-wal")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut shell = tokio::process::Command::new("/bin/sh");
    shell.args(["-c", &fix]).env("PATH", format!("{}:{path}", patient.path("bin").display()));
    shell
        .env("HOME", patient.home.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let done = crate::common::process::run(shell).await;
    assert_eq!(done.code, Some(0), "{fix}: {}", done.both());

    let state = fs::symlink_metadata(patient.path("state/moonrelay")).unwrap();
    assert!(state.is_dir() && state.permissions().mode() & 0o777 == 0o700, "{state:?}");
    assert_eq!(names(&patient, "config/moonrelay"), before, "only the configuration is left");
    let moved = names(&patient, "state/moonrelay");
    let expected = stored.into_iter().filter(|name| !before.contains(name) && name != "ledger.sqlite-wal");
    assert_eq!(moved, expected.collect::<Vec<_>>());
    let asked = fs::read_to_string(patient.path("asked")).unwrap();
    assert_eq!(asked, "--user stop moonrelay.service\n--user start moonrelay.service\n");
    assert!(patient.examined(&["--offline"]).await.of("state-link").is_empty());
}

#[tokio::test]
async fn state_directory_linked_elsewhere_is_not_a_finding() {
    let patient = Patient::new(&format!("{{ {CHAIN} }}"));
    patient.write("config/moonrelay/env", KEYS, 0o600);
    patient.write("disk/moonrelay/sessions/one.jsonl", "", 0o600);
    fs::create_dir_all(patient.path("state")).unwrap();
    std::os::unix::fs::symlink(patient.path("disk/moonrelay"), patient.path("state/moonrelay")).unwrap();
    assert!(patient.examined(&["--offline"]).await.of("state-link").is_empty());
}

/// The names in a directory, sorted.
fn names(patient: &Patient, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(patient.path(directory)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
