//! `moonrelay doctor` on machines with one problem each. A substitute plays systemctl, so that the machine that
//! runs the tests has no influence; `tests/systemd` uses the real one.

mod files;
mod network;
mod service;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::process::{Ended, command, run};
use crate::common::{Gateway, Provider, Setup, Upstream};

/// A home with its own systemd.
pub(super) struct Patient {
    pub(super) home: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// No systemctl is installed.
const NO_SYSTEMD: &str = "#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n";

impl Patient {
    /// With this configuration at its usual path.
    pub(super) fn new(config: &str) -> Self {
        let patient = Self { home: tempfile::tempdir().unwrap(), variables: Vec::new() };
        patient.write("config/moonrelay/config.json5", config, 0o600);
        patient.program("systemctl", NO_SYSTEMD);
        patient
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Before those of the machine.
    pub(super) fn program(&self, name: &str, script: &str) {
        self.write(&format!("bin/{name}"), script, 0o755);
    }

    pub(super) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = command(self.home.path(), arguments);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(super) async fn examined(&self, arguments: &[&str]) -> Examined {
        let ended = run(self.command(&[&["doctor", "--json"], arguments].concat())).await;
        let value = ended.json();
        let has_error =
            value["findings"].as_array().unwrap().iter().any(|found| found["severity"] == "error");
        assert_eq!(value["ok"], json!(!has_error), "{value:#}");
        assert_eq!(ended.code, Some(i32::from(has_error)), "{}", ended.both());
        Examined { value, ended }
    }
}

pub(super) struct Examined {
    pub(super) value: Value,
    pub(super) ended: Ended,
}

impl Examined {
    /// The findings of one check.
    pub(super) fn of(&self, check: &str) -> Vec<&Value> {
        self.value["findings"].as_array().unwrap().iter().filter(|found| found["check"] == check).collect()
    }

    /// The kinds of the findings of one check.
    pub(super) fn kinds(&self, check: &str) -> Vec<&str> {
        self.of(check).into_iter().map(|found| found["kind"].as_str().unwrap()).collect()
    }

    /// The one finding of a check: its severity, and all of its words.
    pub(super) fn only(&self, check: &str) -> (&str, String) {
        let found = self.of(check);
        assert_eq!(found.len(), 1, "{check}: {:#}", self.value);
        reported(found[0])
    }

    pub(super) fn why_skipped(&self, check: &str) -> &str {
        let skipped = self.value["checksSkipped"].as_array().unwrap();
        let entry = skipped.iter().find(|entry| entry["check"] == check);
        entry.unwrap_or_else(|| panic!("{check} was made: {:#}", self.value))["why"].as_str().unwrap()
    }
}

pub(super) fn reported(finding: &Value) -> (&str, String) {
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    (finding["severity"].as_str().unwrap(), [text("what"), text("how"), text("fix"), text("path")].join("\n"))
}

#[track_caller]
pub(super) fn says(reported: &(&str, String), severity: &str, words: &[&str]) {
    assert_eq!(reported.0, severity, "{}", reported.1);
    for word in words {
        assert!(reported.1.contains(word), "{word:?} is missing: {}", reported.1);
    }
}

/// A configuration whose gateway runs, and its address.
async fn running(setup: Setup) -> (Gateway, String) {
    // The gateway must not reload what this test writes.
    let gateway = setup.set("gateway.reload", json!(false)).start().await;
    let mut config: Value = serde_json::from_str(&fs::read_to_string(gateway.config()).unwrap()).unwrap();
    let port: u16 = gateway.serving.authority().rsplit(':').next().unwrap().parse().unwrap();
    config["gateway"] = json!({ "port": port, "reload": false });
    fs::write(gateway.config(), config.to_string()).unwrap();
    (gateway, config.to_string())
}

/// Keys as references, found in the secrets file.
fn without_literals(setup: Setup) -> Setup {
    Provider::ALL.into_iter().fold(setup, |setup, provider| {
        let name = provider.id().to_uppercase();
        setup.set(&format!("models.providers.{}.apiKey", provider.id()), json!(format!("${{{name}_KEY}}")))
    })
}

fn secrets() -> String {
    Provider::ALL
        .map(|provider| format!("{}_KEY={}\n", provider.id().to_uppercase(), provider.key()))
        .concat()
}

#[tokio::test]
async fn where_all_is_well_it_says_so_and_what_was_checked() {
    let upstream = Upstream::start().await;
    let setup = without_literals(Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]));
    let setup = Provider::ALL.into_iter().fold(setup, |setup, provider| {
        setup.environment(&format!("{}_KEY", provider.id().to_uppercase()), provider.key())
    });
    let (gateway, config) = running(setup).await;
    fs::set_permissions(gateway.config(), fs::Permissions::from_mode(0o600)).unwrap();
    let patient = Patient::new(&config);
    patient.write("config/moonrelay/env", &secrets(), 0o600);
    let place = gateway.config();
    let arguments = ["--config", place.to_str().unwrap()];
    let examined = patient.examined(&arguments).await;
    assert_eq!(examined.value["findings"], json!([]), "{:#}", examined.value);
    let skipped: Vec<&str> = examined.value["checksSkipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["check"].as_str().unwrap())
        .collect();
    assert_eq!(skipped, ["service-keys", "unit", "linger"], "there is no systemd here");
    assert_eq!(examined.value["checksRun"], json!(18));
    let shown = run(patient.command(&[&["doctor"][..], &arguments].concat())).await;
    assert_eq!(shown.code, Some(0), "{}", shown.both());
    assert!(shown.stdout.starts_with("✓ all is well\n"), "{}", shown.both());
    assert!(shown.stdout.contains("checked 18: configuration, literal-keys, "), "{}", shown.both());
    assert!(
        shown.stdout.contains("not checked: unit (no systemd of your own answers: System has not"),
        "{}",
        shown.both()
    );
    assert!(shown.stderr.is_empty(), "progress is for terminals: {}", shown.both());
}

#[tokio::test]
async fn a_configuration_that_is_broken_ends_no_check_that_does_not_need_it() {
    let patient = Patient::new("{\n  gatewya: 1,\n  logging: { level: 'lots' },\n}");
    patient.write("config/moonrelay/env", "A=1\n", 0o644);
    let examined = patient.examined(&[]).await;
    let found: Vec<_> = examined.of("configuration").into_iter().map(reported).collect();
    assert_eq!(found.len(), 2, "{:#}", examined.value);
    says(&found[0], "error", &["2:3: gatewya", "did you mean", "config validate", "config.json5"]);
    says(&found[1], "error", &["3:", "logging.level"]);
    says(&examined.only("secret-files"), "error", &["everybody", "mode is 644", "chmod 600"]);
    for check in ["keys", "chain", "place", "gateway", "reach", "retired"] {
        assert_eq!(examined.why_skipped(check), "the configuration is not valid");
    }
    assert!(examined.of("state").is_empty());
}

#[tokio::test]
async fn warnings_alone_are_no_failure_and_the_text_needs_no_colour() {
    let patient = Patient::new("{}").variable("KIMI_API_KEY", "sk-kimi-0123456789ab");
    let shown = run(patient.command(&["doctor", "--offline"])).await;
    assert_eq!(shown.code, Some(0), "{}", shown.both());
    for said in [
        "0 errors, 1 warning\n",
        "! warning  no fallback is left: when kimi/kimi-for-coding fails, the request fails [chain]\n",
        "      found  the chain is kimi/kimi-for-coding\n",
        "      fix    moonrelay models fallbacks add openrouter/auto\n",
        "· info     Kimi Code refuses clients",
        "not checked: reach (--offline)\n",
    ] {
        assert!(shown.stdout.contains(said), "{said:?}: {}", shown.both());
    }
    assert!(!shown.stdout.contains('\u{1b}') && !shown.stdout.contains("0123456789"), "{}", shown.both());
}

#[tokio::test]
async fn under_nix_each_fix_is_a_line_of_nix() {
    let config =
        "{ agents: { defaults: { model: { primary: 'kimi/k3', fallbacks: ['openrouter/auto'] } } } }";
    let patient = Patient::new(config)
        .variable("MOONRELAY_NIX_MODE", "1")
        .variable("KIMI_API_KEY", "sk-kimi-0123456789ab");
    let examined = patient.examined(&["--offline"]).await;
    for (check, line) in [
        ("keys", "services.moonrelay.credentials.OPENROUTER_API_KEY = "),
        ("chain", "services.moonrelay.credentials.OPENROUTER_API_KEY = "),
        ("gateway", "services.moonrelay.enable = true;"),
    ] {
        let (_, words) = examined.only(check);
        assert!(words.contains(line), "{check}: {words}");
    }
}

#[tokio::test]
async fn it_reports_how_far_it_is_on_a_terminal_and_nowhere_else() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]);
    let patient = Patient::new(&setup.text());
    let shown = on_a_terminal(&patient, &["doctor"]).await;
    let (progress, result) = shown.rsplit_once("\r\u{1b}[K").expect("there is a line of progress");
    for said in [
        "looking at the configuration",
        "asking systemd",
        "asking the gateway and the providers",
        "moonshot answered",
    ] {
        assert!(progress.contains(said), "{said}: {shown:?}");
    }
    assert!(result.contains("literal-keys") && !result.contains('\u{1b}'), "{result:?}");
    let probed = on_a_terminal(&patient, &["models", "status", "--probe"]).await;
    let (progress, table) = probed.rsplit_once("\r\u{1b}[K").unwrap();
    assert!(progress.contains("asking 2 targets") && progress.contains("2 of 2: "), "{progress:?}");
    assert!(table.contains("openrouter/auto") && !table.contains("2 of 2"), "{table:?}");
    let piped = run(patient.command(&["models", "status", "--probe", "--json"])).await;
    assert!(piped.stderr.is_empty() && piped.json()["probes"][1]["result"] == "ok", "{}", piped.both());
}

/// The whole output, unchanged, as a user sees it.
async fn on_a_terminal(patient: &Patient, arguments: &[&str]) -> String {
    let asked = patient.command(arguments);
    let asked = asked.as_std();
    let words = std::iter::once(asked.get_program()).chain(asked.get_args());
    let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let mut script = tokio::process::Command::new("script");
    script.args(["-q", "-c", &line, "/dev/null"]).env_clear().stdin(std::process::Stdio::null());
    script.envs(asked.get_envs().filter_map(|(key, value)| Some((key, value?)))).env("SHELL", "/bin/sh");
    script.current_dir(patient.home.path()).kill_on_drop(true);
    run(script).await.stdout
}

/// A link, as home-manager makes it.
pub(super) fn link(to: &str, at: &Path) {
    let _ = fs::remove_file(at);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(to, at).unwrap();
}
