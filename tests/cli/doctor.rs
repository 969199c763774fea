//! `moonrelay doctor` on machines with one problem each. A systemctl of the test replaces the machine's own;
//! `tests/systemd` uses the real one.

mod files;
mod network;
mod service;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::process::{Ended, command, run};
use crate::common::{Gateway, Provider, Setup, Upstream};

/// A home with its own systemctl.
pub(crate) struct Machine {
    pub(crate) home: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// systemctl without systemd.
const NO_SYSTEMD: &str = "#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n";

impl Machine {
    /// With this configuration at the default path.
    pub(crate) fn new(config: &str) -> Self {
        let machine = Self { home: tempfile::tempdir().unwrap(), variables: Vec::new() };
        machine.write("config/moonrelay/config.json5", config, 0o600);
        machine.program("systemctl", NO_SYSTEMD);
        machine
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Adds a program before those of the machine.
    pub(crate) fn program(&self, name: &str, script: &str) {
        self.write(&format!("bin/{name}"), script, 0o755);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = command(self.home.path(), arguments);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) async fn doctor(&self, arguments: &[&str]) -> DoctorReport {
        let ended = run(self.command(&[&["doctor", "--json"], arguments].concat())).await;
        let value = ended.json();
        let has_error =
            value["findings"].as_array().unwrap().iter().any(|found| found["severity"] == "error");
        assert_eq!(value["ok"], json!(!has_error), "{value:#}");
        assert_eq!(ended.code, Some(i32::from(has_error)), "{}", ended.both());
        DoctorReport { value, ended }
    }
}

/// The report, and the process that printed it.
pub(crate) struct DoctorReport {
    pub(crate) value: Value,
    pub(crate) ended: Ended,
}

impl DoctorReport {
    /// The findings of a check.
    pub(crate) fn of(&self, check: &str) -> Vec<&Value> {
        self.value["findings"].as_array().unwrap().iter().filter(|found| found["check"] == check).collect()
    }

    /// The kinds of a check's findings.
    pub(crate) fn kinds(&self, check: &str) -> Vec<&str> {
        self.of(check).into_iter().map(|found| found["kind"].as_str().unwrap()).collect()
    }

    /// The one finding of a check: its severity and its texts.
    pub(crate) fn only(&self, check: &str) -> (&str, String) {
        let found = self.of(check);
        assert_eq!(found.len(), 1, "{check}: {:#}", self.value);
        describe(found[0])
    }

    pub(crate) fn why_skipped(&self, check: &str) -> &str {
        let skipped = self.value["checksSkipped"].as_array().unwrap();
        let entry = skipped.iter().find(|entry| entry["check"] == check);
        entry.unwrap_or_else(|| panic!("{check} was not skipped: {:#}", self.value))["why"].as_str().unwrap()
    }
}

pub(crate) fn describe(finding: &Value) -> (&str, String) {
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    (finding["severity"].as_str().unwrap(), [text("what"), text("how"), text("fix"), text("path")].join("\n"))
}

#[track_caller]
pub(crate) fn assert_finding(found: &(&str, String), severity: &str, words: &[&str]) {
    assert_eq!(found.0, severity, "{}", found.1);
    for word in words {
        assert!(found.1.contains(word), "{word:?} is missing: {}", found.1);
    }
}

/// A running gateway, and its configuration with its port.
async fn running(setup: Setup) -> (Gateway, String) {
    // The gateway must not reload what the tests write.
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
async fn healthy_machine_has_no_findings() {
    let upstream = Upstream::start().await;
    let setup = without_literals(Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]));
    let setup = Provider::ALL.into_iter().fold(setup, |setup, provider| {
        setup.environment(&format!("{}_KEY", provider.id().to_uppercase()), provider.key())
    });
    let (gateway, config) = running(setup).await;
    fs::set_permissions(gateway.config(), fs::Permissions::from_mode(0o600)).unwrap();
    let machine = Machine::new(&config);
    machine.write("config/moonrelay/env", &secrets(), 0o600);
    let place = gateway.config();
    let arguments = ["--config", place.to_str().unwrap()];
    let report = machine.doctor(&arguments).await;
    assert_eq!(report.value["findings"], json!([]), "{:#}", report.value);
    let skipped: Vec<&str> = report.value["checksSkipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["check"].as_str().unwrap())
        .collect();
    assert_eq!(skipped, ["service-keys", "unit", "linger"], "without systemd");
    assert_eq!(report.value["checksRun"], json!(18));
    let shown = run(machine.command(&[&["doctor"][..], &arguments].concat())).await;
    assert_eq!(shown.code, Some(0), "{}", shown.both());
    assert!(shown.stdout.starts_with("✓ no problems found\n"), "{}", shown.both());
    assert!(shown.stdout.contains("checked 18: configuration, literal-keys, "), "{}", shown.both());
    assert!(
        shown.stdout.contains("not checked: unit (cannot reach user systemd: System has not"),
        "{}",
        shown.both()
    );
    assert!(shown.stderr.is_empty(), "progress is for terminals: {}", shown.both());
}

#[tokio::test]
async fn invalid_configuration_skips_only_the_checks_that_need_it() {
    let machine = Machine::new("{\n  gatewya: 1,\n  logging: { level: 'lots' },\n}");
    machine.write("config/moonrelay/env", "A=1\n", 0o644);
    let report = machine.doctor(&[]).await;
    let found: Vec<_> = report.of("configuration").into_iter().map(describe).collect();
    assert_eq!(found.len(), 2, "{:#}", report.value);
    assert_finding(&found[0], "error", &["2:3: gatewya", "did you mean", "config validate", "config.json5"]);
    assert_finding(&found[1], "error", &["3:", "logging.level"]);
    assert_finding(&report.only("secret-files"), "error", &["every user", "mode is 644", "chmod 600"]);
    for check in ["keys", "chain", "place", "gateway", "reach", "retired"] {
        assert_eq!(report.why_skipped(check), "the configuration is invalid");
    }
    assert!(report.of("state").is_empty());
}

#[tokio::test]
async fn warnings_alone_exit_with_0_and_text_has_no_colour() {
    let machine = Machine::new("{}").variable("KIMI_API_KEY", "sk-kimi-0123456789ab");
    let shown = run(machine.command(&["doctor", "--offline"])).await;
    assert_eq!(shown.code, Some(0), "{}", shown.both());
    for said in [
        "0 errors, 1 warning\n",
        "! warning  the chain has no fallback: if kimi/kimi-for-coding fails, the request fails [chain]\n",
        "      found  the chain is kimi/kimi-for-coding\n",
        "      fix    moonrelay models fallbacks add openrouter/auto\n",
        "· info     Kimi Code rejects unknown clients",
        "not checked: reach (--offline)\n",
    ] {
        assert!(shown.stdout.contains(said), "{said:?}: {}", shown.both());
    }
    assert!(!shown.stdout.contains('\u{1b}') && !shown.stdout.contains("0123456789"), "{}", shown.both());
}

#[tokio::test]
async fn managed_configuration_has_nix_lines_as_fixes() {
    let config =
        "{ agents: { defaults: { model: { primary: 'kimi/k3', fallbacks: ['openrouter/auto'] } } } }";
    let machine = Machine::new(config)
        .variable("MOONRELAY_NIX_MODE", "1")
        .variable("KIMI_API_KEY", "sk-kimi-0123456789ab");
    let report = machine.doctor(&["--offline"]).await;
    for (check, line) in [
        ("keys", "services.moonrelay.credentials.OPENROUTER_API_KEY = "),
        ("chain", "services.moonrelay.credentials.OPENROUTER_API_KEY = "),
        ("gateway", "services.moonrelay.enable = true;"),
    ] {
        let (_, words) = report.only(check);
        assert!(words.contains(line), "{check}: {words}");
    }
}

#[tokio::test]
async fn progress_is_shown_on_a_terminal_only() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]);
    let machine = Machine::new(&setup.text());
    let shown = on_a_terminal(&machine, &["doctor"]).await;
    let (progress, result) = shown.split_once("error").expect("a literal key is readable by others");
    for message in ["checking the configuration", "querying the gateway and the providers"] {
        assert!(progress.contains(message), "{message}: {shown:?}");
    }
    assert!(result.contains("literal-keys") && !result.contains("querying"), "{result:?}");
    let shown = on_a_terminal(&machine, &["models", "status", "--probe"]).await;
    let (progress, table) = shown.split_once("configuration  ").unwrap();
    assert!(progress.contains("probing 2 targets"), "{progress:?}");
    assert!(table.contains("openrouter/auto") && !table.contains("2 of 2"), "{table:?}");
    let piped = run(machine.command(&["models", "status", "--probe", "--json"])).await;
    assert!(piped.stderr.is_empty() && piped.json()["probes"][1]["result"] == "ok", "{}", piped.both());
}

/// The output on a terminal.
async fn on_a_terminal(machine: &Machine, arguments: &[&str]) -> String {
    let asked = machine.command(arguments);
    let asked = asked.as_std();
    let words = std::iter::once(asked.get_program()).chain(asked.get_args());
    let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let mut script = tokio::process::Command::new("script");
    script.args(["-q", "-c", &line, "/dev/null"]).env_clear().stdin(std::process::Stdio::null());
    script
        .envs(asked.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm");
    script.current_dir(machine.home.path()).kill_on_drop(true);
    run(script).await.stdout
}

/// A link, as home-manager makes it.
pub(crate) fn link(to: &str, at: &Path) {
    let _ = fs::remove_file(at);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(to, at).unwrap();
}
