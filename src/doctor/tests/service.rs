//! The unit, and the keys that reach it.

use super::{Facts, KEYS, TWO, fix, found, only};
use crate::config::{self, Environment};
use crate::doctor::Severity;
use crate::doctor::finding::FindingKind;
use crate::doctor::systemd::UnitFacts;
use crate::service::systemctl::UnitState;

fn state(properties: &[(&str, &str)]) -> UnitState {
    let pairs = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    pairs.collect()
}

/// A healthy unit with these properties.
fn unit(properties: &[(&str, &str)]) -> UnitFacts {
    let usual = [
        ("LoadState", "loaded"),
        ("ActiveState", "active"),
        ("UnitFileState", "enabled"),
        ("NeedDaemonReload", "no"),
        ("Result", "success"),
        ("ExecMainStatus", "0"),
        ("FragmentPath", "/home/u/.config/systemd/user/moonrelay.service"),
    ];
    let all: Vec<(&str, &str)> = usual.iter().chain(properties).copied().collect();
    UnitFacts {
        service_state: state(&all),
        socket_state: state(&[("LoadState", "not-found")]),
        has_linger: Some(true),
        ..UnitFacts::default()
    }
}

fn with(service: UnitFacts) -> Facts {
    Facts { service: Ok(service), ..super::facts(TWO, &KEYS) }
}

#[test]
fn healthy_unit_has_no_finding() {
    let facts = with(unit(&[]));
    assert_eq!(found(&facts, "unit"), Vec::new());
    assert_eq!(found(&facts, "linger"), Vec::new());
}

#[test]
fn failed_unit_explains_its_exit_status() {
    for (status, result, meaning, repair) in [
        ("78", "exit-code", "invalid configuration", "config validate"),
        ("203", "exit-code", "203/EXEC", "service install"),
        ("217", "exit-code", "217/USER", "sandbox"),
        ("218", "exit-code", "218/CAPABILITIES", "sandbox"),
        ("226", "exit-code", "226/NAMESPACE", "sandbox"),
        ("238", "exit-code", "238/STATE_DIRECTORY", ".local/state"),
        ("243", "exit-code", "243/CREDENTIALS", "Credential"),
        ("6", "watchdog", "watchdog", "gateway logs"),
        ("0", "start-limit-hit", "ten times", "gateway start"),
        ("1", "exit-code", "may use its port", "gateway logs"),
    ] {
        let facts = with(unit(&[("ActiveState", "failed"), ("ExecMainStatus", status), ("Result", result)]));
        let finding = only(&facts, "unit");
        assert_eq!((finding.kind, finding.severity), (FindingKind::UnitFailed, Severity::Error));
        assert!(finding.problem.contains(meaning) && fix(&finding).contains(repair), "{finding:?}");
        assert!(finding.evidence.contains(&format!("ExecMainStatus={status}")), "{finding:?}");
    }
}

#[test]
fn unit_finding_has_a_command_or_a_nix_line() {
    let enable = "systemctl --user enable moonrelay.service";
    for (properties, kind, command) in [
        (&[("ActiveState", "inactive")][..], FindingKind::UnitInactive, "moonrelay gateway start"),
        (&[("UnitFileState", "disabled")], FindingKind::UnitDisabled, enable),
        (&[("NeedDaemonReload", "yes")], FindingKind::DaemonReloadNeeded, "systemctl --user daemon-reload"),
    ] {
        let finding = only(&with(unit(properties)), "unit");
        assert_eq!((finding.kind, finding.severity), (kind, Severity::Warning));
        assert_eq!(fix(&finding), command);
    }
    let mut facts = with(UnitFacts { has_linger: Some(false), ..unit(&[]) });
    assert_eq!(fix(&only(&facts, "linger")), "loginctl enable-linger");
    facts.config.is_managed = true;
    assert_eq!(fix(&only(&facts, "linger")), "users.users.u.linger = true;");
    let replaced = with(UnitFacts { is_replaced: true, ..unit(&[]) });
    assert_eq!(only(&replaced, "unit").kind, FindingKind::ProgramReplaced);
    let older = with(UnitFacts { other_program_version: Some("moonrelay 0.0.1".to_owned()), ..unit(&[]) });
    assert_eq!(only(&older, "unit").kind, FindingKind::OtherProgram);
    let other = Some("/etc/other.json5".into());
    let finding = only(&with(UnitFacts { config: other, ..unit(&[]) }), "unit");
    assert!(
        finding.kind == FindingKind::UnitReadsOtherConfiguration
            && fix(&finding).contains("service install --config"),
        "{finding:?}"
    );
    // A service that its socket starts needs neither be enabled nor run.
    let socket = state(&[("LoadState", "loaded"), ("ActiveState", "active"), ("UnitFileState", "enabled")]);
    let waiting = UnitFacts {
        socket_state: socket,
        ..unit(&[("ActiveState", "inactive"), ("UnitFileState", "disabled")])
    };
    assert_eq!(found(&with(waiting), "unit"), Vec::new());
}

#[test]
fn key_only_in_the_shell_is_reported_with_its_provider() {
    let settings_with = |keys: &[(&str, &str)]| {
        let environment: Environment = [("HOME", "/home/u")].iter().chain(keys).copied().collect();
        config::from_text(TWO, None, &environment).ok()
    };
    let nothing = with(UnitFacts { settings: settings_with(&[]), ..unit(&[]) });
    let all = found(&nothing, "service-keys");
    assert_eq!(
        all.iter().map(|finding| finding.severity).collect::<Vec<_>>(),
        [Severity::Error; 2],
        "{all:?}"
    );
    let half = with(UnitFacts { settings: settings_with(&KEYS[..1]), ..unit(&[]) });
    let finding = only(&half, "service-keys");
    assert!(
        finding.severity == Severity::Warning && finding.problem.contains("OPENROUTER_API_KEY"),
        "{finding:?}"
    );
    assert_eq!(fix(&finding), "moonrelay onboard --auth-choice openrouter-api-key");
    let same = with(UnitFacts { settings: settings_with(&KEYS), ..unit(&[]) });
    assert_eq!(found(&same, "service-keys"), Vec::new());
}

#[test]
fn key_in_the_unit_is_reported_without_its_value() {
    let variables = || {
        let pairs = [("KIMI_API_KEY", "sk-kimi-0123456789"), ("LANG", "C")];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    let plain = only(&with(UnitFacts { variables: variables(), ..unit(&[]) }), "store");
    assert_eq!(plain.severity, Severity::Warning);
    let store = UnitFacts { variables: variables(), is_in_nix_store: true, ..unit(&[]) };
    let store = only(&with(store), "store");
    assert!(
        store.severity == Severity::Error
            && fix(&store).starts_with("services.moonrelay.credentials.KIMI_API_KEY")
    );
    assert!(!format!("{plain:?}{store:?}").contains("0123456789"));
}

#[test]
fn port_in_use_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (bind, expected) in [("loopback", 1), ("0.0.0.0", 1), ("127.0.0.2", 0)] {
        let facts = super::facts(
            &format!(
                "{{ gateway: {{ port: {port}, bind: '{bind}', auth: {{ mode: 'token', token: 't0123456789abcdef' }} }} }}"
            ),
            &KEYS,
        );
        assert_eq!(found(&facts, "place").len(), expected, "{bind}");
    }
    let mut facts = super::facts(&format!("{{ gateway: {{ port: {port} }} }}"), &KEYS);
    let finding = only(&facts, "place");
    assert_eq!((finding.kind, finding.severity), (FindingKind::PortTaken, Severity::Error));
    assert!(fix(&finding).contains(&format!("gateway.port {}", port + 1)), "{finding:?}");
    // The socket unit listens for the gateway.
    let socket = state(&[("LoadState", "loaded"), ("ActiveState", "active")]);
    facts.service = Ok(UnitFacts { socket_state: socket, ..unit(&[]) });
    assert_eq!(found(&facts, "place"), Vec::new());
}

#[test]
fn address_of_another_machine_cannot_be_bound() {
    // From the block for documentation (RFC 5737).
    let text = "{ gateway: { bind: '192.0.2.7', auth: { mode: 'token', token: 't0123456789abcdef' } } }";
    let finding = only(&super::facts(text, &KEYS), "place");
    assert_eq!(finding.kind, FindingKind::AddressNotAvailable);
}

#[test]
fn properties_of_systemctl_are_parsed() {
    let environment: Environment =
        [("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/user/7")].into_iter().collect();
    // As printed by systemctl 262.
    let properties = state(&[
        (
            "ExecStart",
            "{ path=/opt/a b/moonrelay ; argv[]=/opt/a b/moonrelay gateway run --config /home/u/a b/50%.json5 --port 1 ; ignore_errors=no ; start_time=[n/a] ; pid=0 ; status=0/0 }",
        ),
        ("Environment", r#"A=1 "B=two words" "C=qu\"ote\\x""#),
        ("EnvironmentFiles", "/run/user/7/keys (ignore_errors=yes)"),
        ("EnvironmentFiles", "/home/u/a b (ignore_errors=no)"),
    ]);
    let mut facts = UnitFacts::default();
    facts.read_properties(&properties);
    assert_eq!(facts.program, Some("/opt/a b/moonrelay".into()));
    assert_eq!(facts.config, Some("/home/u/a b/50%.json5".into()));
    let variables = [("A", "1"), ("B", "two words"), ("C", r#"qu"ote\x"#)];
    assert_eq!(facts.variables, variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(facts.environment_files, ["/run/user/7/keys", "/home/u/a b"].map(std::path::PathBuf::from));
    facts.read_credentials(
        "[Service]\nLoadCredential=OLD:/old\nLoadCredential=\nLoadCredential=KIMI_API_KEY:%h/.secrets/50%%\n\
         SetCredential=KIMI_API_KEY:\\n\nLoadCredential=BARE\n# LoadCredential=NO:/no\nImportCredential=moon.*\n",
        &environment,
    );
    assert_eq!(facts.credentials, [("KIMI_API_KEY".to_owned(), "/home/u/.secrets/50%".into())]);
    assert_eq!(facts.opaque_credentials, ["BARE", "moon.*"]);
}
