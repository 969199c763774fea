//! The unit: its state in systemd, and the keys that reach it.

use serde_json::json;

use super::{Examined, Patient, says};
use crate::common::process::{BINARY, run};

const CONFIG: &str = "{ gateway: { port: 21969 }, agents: { defaults: { model: { primary: 'kimi/k3', fallbacks: ['openrouter/auto'] } } } }";
const KEYS: &str = "KIMI_API_KEY=sk-kimi-0123456789ab\nOPENROUTER_API_KEY=sk-or-v1-0123456789\n";

/// Reports the unit whose file exists, with the properties of `$HOME/unit` over the defaults.
const SYSTEMCTL: &str = r#"#!/bin/sh
for unit; do :; done
file=$XDG_CONFIG_HOME/systemd/user/$unit
case "$*" in
  "--user show-environment") printf 'HOME=%s\nXDG_CONFIG_HOME=%s\n' "$HOME" "$XDG_CONFIG_HOME"; cat "$HOME/manager" 2>/dev/null ;;
  "--user show --property=Version") echo Version=257 ;;
  "--user show "*)
    [ -e "$file" ] || { echo LoadState=not-found; exit 0; }
    printf 'LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nResult=success\nExecMainStatus=0\nMainPID=0\nFragmentPath=%s\n' "$file"
    cat "$HOME/unit" 2>/dev/null ;;
  "show --property=LoadState moonrelay.service") cat "$HOME/machine" 2>/dev/null ;;
esac
exit 0
"#;

const LOGINCTL: &str = "#!/bin/sh\necho Linger=$(cat \"$HOME/lingers\")\n";

/// With a unit as `service install` writes it.
async fn installed(arguments: &[&str]) -> Patient {
    let patient = Patient::new(CONFIG).variable("USER", "u");
    patient.program("systemctl", SYSTEMCTL);
    patient.program("loginctl", LOGINCTL);
    patient.write("lingers", "yes", 0o600);
    patient.write("config/moonrelay/env", KEYS, 0o600);
    let done = run(patient.command(&[&["service", "install", "--no-start"], arguments].concat())).await;
    assert_eq!(done.code, Some(0), "{}", done.both());
    patient
}

async fn offline(patient: &Patient) -> Examined {
    patient.examined(&["--offline"]).await
}

#[tokio::test]
async fn without_a_unit_that_is_said_and_no_more() {
    let patient = Patient::new(CONFIG);
    patient.program("systemctl", SYSTEMCTL);
    patient.write("config/moonrelay/env", KEYS, 0o600);
    let examined = offline(&patient).await;
    says(&examined.only("unit"), "info", &["no unit is installed", "moonrelay service install"]);
    assert_eq!(examined.why_skipped("linger"), "no unit is installed");
    // A system unit of NixOS is not a user unit.
    patient.write("machine", "LoadState=loaded\n", 0o600);
    let examined = offline(&patient).await;
    for check in ["unit", "linger", "service-keys"] {
        assert!(examined.why_skipped(check).contains("systemctl status moonrelay"), "{check}");
    }
}

#[tokio::test]
async fn what_service_install_wrote_is_well() {
    let patient = installed(&[]).await;
    let examined = offline(&patient).await;
    for check in ["unit", "linger", "service-keys", "store", "secret-files", "keys"] {
        assert!(examined.of(check).is_empty(), "{check}: {:#}", examined.value);
    }
}

#[tokio::test]
async fn what_systemd_says_of_the_unit_is_reported_with_what_fixes_it() {
    let patient = installed(&[]).await;
    for (properties, severity, words) in [
        ("ActiveState=failed\nResult=exit-code\nExecMainStatus=217", "error", &["217/USER", "sandbox"][..]),
        ("ActiveState=failed\nResult=exit-code\nExecMainStatus=78", "error", &["78", "config validate"]),
        ("ActiveState=failed\nResult=exit-code\nExecMainStatus=243", "error", &["243/CREDENTIALS"]),
        ("ActiveState=failed\nResult=start-limit-hit", "error", &["ten times", "gateway logs"]),
        ("ActiveState=inactive", "warning", &["does not run", "moonrelay gateway start"]),
        ("UnitFileState=disabled", "warning", &["is disabled", "systemctl --user enable moonrelay.service"]),
        ("NeedDaemonReload=yes", "warning", &["systemctl --user daemon-reload"]),
    ] {
        patient.write("unit", &format!("{properties}\n"), 0o600);
        says(&offline(&patient).await.only("unit"), severity, words);
    }
    patient.write("unit", "", 0o600);
    patient.write("lingers", "no", 0o600);
    says(&offline(&patient).await.only("linger"), "warning", &["loginctl enable-linger"]);
}

#[tokio::test]
async fn a_unit_of_another_program_or_another_configuration_is_reported() {
    let patient = installed(&[]).await;
    let unit = patient.path("config/systemd/user/moonrelay.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    let older = patient.write("older/moonrelay", "#!/bin/sh\necho moonrelay 0.0.1\n", 0o755);
    let own = std::fs::canonicalize(BINARY).unwrap();
    std::fs::write(&unit, text.replace(own.to_str().unwrap(), older.to_str().unwrap())).unwrap();
    says(&offline(&patient).await.only("unit"), "warning", &["moonrelay 0.0.1", "moonrelay service install"]);
    std::fs::write(&unit, &text).unwrap();
    let other = patient.write("other.json5", CONFIG, 0o600);
    let examined = patient.examined(&["--offline", "--config", other.to_str().unwrap()]).await;
    says(&examined.only("unit"), "warning", &["other.json5", "service install --config"]);
    // The environment of the shell is not that of systemd.
    let patient = patient.variable("MOONRELAY_CONFIG", other.to_str().unwrap());
    says(
        &offline(&patient).await.only("unit"),
        "warning",
        &["the unit reads ", "MOONRELAY_CONFIG of this shell"],
    );
}

#[tokio::test]
async fn a_key_that_only_the_shell_has_does_not_reach_the_unit() {
    let patient = installed(&[]).await.variable("KIMI_API_KEY", "sk-kimi-of-the-shell-0123456789");
    patient.write("config/moonrelay/env", "OPENROUTER_API_KEY=sk-or-v1-0123456789\n", 0o600);
    let examined = offline(&patient).await;
    says(
        &examined.only("service-keys"),
        "warning",
        &[
            "KIMI_API_KEY is set in this shell",
            "provider kimi is off",
            "show-environment",
            "moonrelay onboard --auth-choice kimi-code-api-key",
        ],
    );
    says(&examined.only("keys"), "warning", &["KIMI_API_KEY", "as the unit has its keys"]);
    assert!(!examined.ended.stdout.contains("0123456789"));
    // Without any other key nothing would serve.
    patient.write("config/moonrelay/env", "", 0o600);
    let examined = offline(&patient).await;
    says(&examined.only("service-keys"), "error", &["KIMI_API_KEY"]);
    let nothing = examined.of("keys")[0];
    assert_eq!(nothing["kind"], "no_usable_provider");
    assert_eq!(nothing["fix"], "moonrelay onboard --auth-choice kimi-code-api-key");
    // Each way that systemd supports.
    let credential = patient.write("kimi.key", "sk-kimi-0123456789ab\n", 0o600);
    let unit = patient.path("config/systemd/user/moonrelay.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    let variables = patient.write("variables", "KIMI_API_KEY=sk-kimi-0123456789ab\n", 0o600);
    for line in [
        format!("LoadCredential=KIMI_API_KEY:{}", credential.display()),
        format!("EnvironmentFile=-{}", variables.display()),
        "Environment=KIMI_API_KEY=sk-kimi-0123456789ab".to_owned(),
    ] {
        std::fs::write(&unit, text.replace("[Service]\n", &format!("[Service]\n{line}\n"))).unwrap();
        let examined = offline(&patient).await;
        assert!(examined.of("service-keys").is_empty(), "{line}: {:#}", examined.value);
        assert_eq!(
            examined.of("store").len(),
            usize::from(line.starts_with("Environment=")),
            "{:#}",
            examined.value
        );
    }
    std::fs::write(&unit, &text).unwrap();
    patient.write("manager", "KIMI_API_KEY=sk-kimi-0123456789ab\n", 0o600);
    assert!(offline(&patient).await.of("service-keys").is_empty());
}

#[tokio::test]
async fn what_the_unit_reads_is_looked_at_too() {
    let patient = installed(&["--credential", "KIMI_API_KEY=kimi.key"]).await;
    let key = patient.write("kimi.key", "sk-kimi-0123456789ab\n", 0o644);
    says(
        &offline(&patient).await.only("secret-files"),
        "error",
        &["the credential KIMI_API_KEY", "chmod 600"],
    );
    super::link("/nix/store/0123456789-kimi/key", &key);
    let examined = offline(&patient).await;
    says(&examined.only("store"), "error", &["KIMI_API_KEY", "services.moonrelay.credentials.KIMI_API_KEY"]);
}

#[tokio::test]
async fn a_systemctl_that_hangs_is_not_waited_for() {
    let patient = Patient::new(CONFIG);
    patient.write("config/moonrelay/env", KEYS, 0o600);
    let pipe = patient.path("nobody-writes");
    crate::common::process::mkfifo(&pipe).await;
    patient.program("systemctl", &format!("#!/bin/sh\nread _ <{}\n", pipe.display()));
    let examined = offline(&patient).await;
    assert!(examined.why_skipped("unit").contains("systemctl did not answer within"), "{:#}", examined.value);
    assert_eq!(
        examined.value["checksSkipped"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["why"] == json!("--offline"))
            .count(),
        3
    );
    // The check does not wait for it.
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
}
