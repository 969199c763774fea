//! The unit as systemd reports it, and the keys that it has.

use serde_json::json;

use super::{DoctorReport, Machine, assert_finding};
use crate::common::process::{BINARY, run};

const CONFIG: &str = "{ gateway: { port: 21969 }, agents: { defaults: { model: { primary: 'kimi/k3', fallbacks: ['openrouter/auto'] } } } }";
const KEYS: &str = "KIMI_API_KEY=sk-kimi-0123456789ab\nOPENROUTER_API_KEY=sk-or-v1-0123456789\n";

/// Reports the installed unit file, with the properties of `$HOME/unit` after the usual ones.
const SYSTEMCTL: &str = r#"#!/bin/sh
for unit; do :; done
file=$XDG_CONFIG_HOME/systemd/user/$unit
case "$*" in
  "--user show-environment") printf 'HOME=%s\nXDG_CONFIG_HOME=%s\n' "$HOME" "$XDG_CONFIG_HOME"; cat "$HOME/manager" 2>/dev/null ;;
  "--user show --property=Version") echo Version=257 ;;
  "--user show "*)
    [ -e "$file" ] || { echo LoadState=not-found; exit 0; }
    printf 'LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nResult=success\nExecMainStatus=0\nMainPID=0\nFragmentPath=%s\n' "$file"
    sed -n -e 's/^ExecStart=\([^ ]*\)\(.*\)/ExecStart={ path=\1 ; argv[]=\1\2 ; ignore_errors=no ; pid=0 }/p' -e '/^Environment=/p' \
      -e 's/^EnvironmentFile=-\(.*\)/EnvironmentFiles=\1 (ignore_errors=yes)/p' "$file"
    cat "$HOME/unit" 2>/dev/null ;;
  "--user cat "*) cat "$file" ;;
  "show --property=LoadState moonrelay.service") cat "$HOME/machine" 2>/dev/null ;;
esac
exit 0
"#;

/// With a unit as `service install` writes it.
async fn installed(arguments: &[&str]) -> Machine {
    let machine = Machine::new(CONFIG).variable("USER", "u");
    machine.program("systemctl", SYSTEMCTL);
    machine.write("config/moonrelay/env", KEYS, 0o600);
    let done = run(machine.command(&[&["service", "install", "--no-start"], arguments].concat())).await;
    assert_eq!(done.code, Some(0), "{}", done.both());
    machine
}

async fn offline(machine: &Machine) -> DoctorReport {
    machine.doctor(&["--offline"]).await
}

#[tokio::test]
async fn missing_unit_is_reported_once() {
    let machine = Machine::new(CONFIG);
    machine.program("systemctl", SYSTEMCTL);
    machine.write("config/moonrelay/env", KEYS, 0o600);
    let report = offline(&machine).await;
    assert_finding(&report.only("unit"), "info", &["no unit is installed", "moonrelay service install"]);
    assert_eq!(report.why_skipped("linger"), "no unit is installed");
    // A system unit, as of NixOS, is not the user's.
    machine.write("machine", "LoadState=loaded\n", 0o600);
    let report = offline(&machine).await;
    for check in ["unit", "linger", "service-keys"] {
        assert!(report.why_skipped(check).contains("systemctl status moonrelay"), "{check}");
    }
}

#[tokio::test]
async fn unit_of_service_install_has_no_finding() {
    let machine = installed(&[]).await;
    let report = offline(&machine).await;
    for check in ["unit", "service-keys", "store", "secret-files", "keys"] {
        assert!(report.of(check).is_empty(), "{check}: {:#}", report.value);
    }
}

#[tokio::test]
async fn unit_state_is_reported_with_its_fix() {
    let machine = installed(&[]).await;
    for (properties, severity, words) in [
        ("ActiveState=failed\nResult=exit-code\nExecMainStatus=217", "error", &["217/USER", "sandbox"][..]),
        ("ActiveState=failed\nResult=exit-code\nExecMainStatus=78", "error", &["78", "config validate"]),
        ("ActiveState=failed\nResult=exit-code\nExecMainStatus=243", "error", &["243/CREDENTIALS"]),
        ("ActiveState=failed\nResult=start-limit-hit", "error", &["ten times", "gateway logs"]),
        ("ActiveState=inactive", "warning", &["is not running", "moonrelay gateway start"]),
        ("UnitFileState=disabled", "warning", &["is disabled", "systemctl --user enable moonrelay.service"]),
        ("NeedDaemonReload=yes", "warning", &["systemctl --user daemon-reload"]),
    ] {
        machine.write("unit", &format!("{properties}\n"), 0o600);
        assert_finding(&offline(&machine).await.only("unit"), severity, words);
    }
}

#[tokio::test]
async fn unit_with_another_program_or_configuration_is_reported() {
    let machine = installed(&[]).await;
    let unit = machine.path("config/systemd/user/moonrelay.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    let older = machine.write("older/moonrelay", "#!/bin/sh\necho moonrelay 0.0.1\n", 0o755);
    let own = std::fs::canonicalize(BINARY).unwrap();
    std::fs::write(&unit, text.replace(own.to_str().unwrap(), older.to_str().unwrap())).unwrap();
    assert_finding(
        &offline(&machine).await.only("unit"),
        "warning",
        &["moonrelay 0.0.1", "moonrelay service install"],
    );
    std::fs::write(&unit, &text).unwrap();
    let other = machine.write("other.json5", CONFIG, 0o600);
    let report = machine.doctor(&["--offline", "--config", other.to_str().unwrap()]).await;
    assert_finding(&report.only("unit"), "warning", &["other.json5", "service install --config"]);
    // systemd does not see the shell's variable.
    let machine = machine.variable("MOONRELAY_CONFIG", other.to_str().unwrap());
    assert_finding(
        &offline(&machine).await.only("unit"),
        "warning",
        &["the unit reads ", "MOONRELAY_CONFIG of this shell"],
    );
}

#[tokio::test]
async fn key_only_in_the_shell_is_reported() {
    let machine = installed(&[]).await.variable("KIMI_API_KEY", "sk-kimi-of-the-shell-0123456789");
    machine.write("config/moonrelay/env", "OPENROUTER_API_KEY=sk-or-v1-0123456789\n", 0o600);
    let report = offline(&machine).await;
    assert_finding(
        &report.only("service-keys"),
        "warning",
        &[
            "KIMI_API_KEY is set in this shell",
            "provider kimi is disabled",
            "show-environment",
            "moonrelay onboard --auth-choice kimi-code-api-key",
        ],
    );
    assert_finding(&report.only("keys"), "warning", &["KIMI_API_KEY", "environment of the unit"]);
    assert!(!report.ended.stdout.contains("0123456789"));
    // Without any other key the gateway does not start.
    machine.write("config/moonrelay/env", "", 0o600);
    let report = offline(&machine).await;
    assert_finding(&report.only("service-keys"), "error", &["KIMI_API_KEY"]);
    let nothing = report.of("keys")[0];
    assert_eq!(nothing["kind"], "no_usable_provider");
    assert_eq!(nothing["fix"], "moonrelay onboard --auth-choice kimi-code-api-key");
    // Each source of a unit's variables.
    let credential = machine.write("kimi.key", "sk-kimi-0123456789ab\n", 0o600);
    let unit = machine.path("config/systemd/user/moonrelay.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    let variables = machine.write("variables", "KIMI_API_KEY=sk-kimi-0123456789ab\n", 0o600);
    for line in [
        format!("LoadCredential=KIMI_API_KEY:{}", credential.display()),
        format!("EnvironmentFile=-{}", variables.display()),
        "Environment=KIMI_API_KEY=sk-kimi-0123456789ab".to_owned(),
    ] {
        std::fs::write(&unit, text.replace("[Service]\n", &format!("[Service]\n{line}\n"))).unwrap();
        let report = offline(&machine).await;
        assert!(report.of("service-keys").is_empty(), "{line}: {:#}", report.value);
        assert_eq!(
            report.of("store").len(),
            usize::from(line.starts_with("Environment=")),
            "{:#}",
            report.value
        );
    }
    std::fs::write(&unit, &text).unwrap();
    machine.write("manager", "KIMI_API_KEY=sk-kimi-0123456789ab\n", 0o600);
    assert!(offline(&machine).await.of("service-keys").is_empty());
}

#[tokio::test]
async fn files_of_the_unit_are_checked() {
    let machine = installed(&["--credential", "KIMI_API_KEY=kimi.key"]).await;
    let key = machine.write("kimi.key", "sk-kimi-0123456789ab\n", 0o644);
    assert_finding(
        &offline(&machine).await.only("secret-files"),
        "error",
        &["the credential KIMI_API_KEY", "chmod 600"],
    );
    super::link("/nix/store/0123456789-kimi/key", &key);
    let report = offline(&machine).await;
    assert_finding(
        &report.only("store"),
        "error",
        &["KIMI_API_KEY", "services.moonrelay.credentials.KIMI_API_KEY"],
    );
}

#[tokio::test]
async fn hanging_systemctl_times_out() {
    let machine = Machine::new(CONFIG);
    machine.write("config/moonrelay/env", KEYS, 0o600);
    let pipe = machine.path("no-writer");
    crate::common::process::mkfifo(&pipe).await;
    machine.program("systemctl", &format!("#!/bin/sh\nread _ <{}\n", pipe.display()));
    let report = offline(&machine).await;
    assert!(report.why_skipped("unit").contains("systemctl did not respond within"), "{:#}", report.value);
    assert_eq!(
        report.value["checksSkipped"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["why"] == json!("--offline"))
            .count(),
        3
    );
    // Ends the script.
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
}
