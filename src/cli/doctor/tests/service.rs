//! The unit, and the keys that reach it.

use super::{Facts, KEYS, TWO, fix, found, only};
use crate::cli::doctor::facts::service::UnitFacts;
use crate::cli::doctor::facts::sockets;
use crate::cli::doctor::facts::unit_file::UnitFile;
use crate::cli::doctor::finding::Severity;
use crate::cli::doctor::kind::FindingKind;
use crate::config::{self, Environment};
use crate::service::systemctl::UnitState;

fn state(properties: &[(&str, &str)]) -> UnitState {
    let pairs = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    pairs.collect()
}

/// A unit that runs this program with the usual configuration, over which these properties stand.
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
        unit_file: UnitFile::default(),
        manager_variables: std::collections::BTreeMap::new(),
        is_in_nix_store: false,
        is_system_unit: false,
        other_program_version: None,
        is_replaced: false,
        has_linger: Some(true),
        settings: None,
    }
}

fn with(service: UnitFacts) -> Facts {
    Facts { service: Ok(service), ..super::facts(TWO, &KEYS) }
}

#[test]
fn a_unit_that_is_well_is_no_finding() {
    let facts = with(unit(&[]));
    assert_eq!(found(&facts, "unit"), Vec::new());
    assert_eq!(found(&facts, "linger"), Vec::new());
}

#[test]
fn a_unit_that_failed_says_what_its_exit_status_means() {
    for (status, result, meaning, mends) in [
        ("78", "exit-code", "the configuration does not serve", "config validate"),
        ("203", "exit-code", "203/EXEC", "service install"),
        ("217", "exit-code", "217/USER", "sandbox"),
        ("218", "exit-code", "218/CAPABILITIES", "sandbox"),
        ("226", "exit-code", "226/NAMESPACE", "sandbox"),
        ("238", "exit-code", "238/STATE_DIRECTORY", ".local/state"),
        ("243", "exit-code", "243/CREDENTIALS", "Credential"),
        ("6", "watchdog", "watchdog", "gateway logs"),
        ("0", "start-limit-hit", "ten times", "gateway start"),
        ("1", "exit-code", "may hold its port", "gateway logs"),
    ] {
        let facts = with(unit(&[("ActiveState", "failed"), ("ExecMainStatus", status), ("Result", result)]));
        let finding = only(&facts, "unit");
        assert_eq!((finding.kind, finding.severity), (FindingKind::UnitFailed, Severity::Error));
        assert!(finding.problem.contains(meaning) && fix(&finding).contains(mends), "{finding:?}");
        assert!(finding.evidence.contains(&format!("ExecMainStatus={status}")), "{finding:?}");
    }
}

#[test]
fn what_is_not_as_it_should_be_has_its_command_or_its_nix_line() {
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
    let mut file = UnitFile::default();
    file.parse(
        "[Service]\nExecStart=/usr/bin/moonrelay gateway run --config /etc/other.json5\n",
        &Environment::default(),
    );
    let finding = only(&with(UnitFacts { unit_file: file, ..unit(&[]) }), "unit");
    assert!(
        finding.kind == FindingKind::UnitReadsOtherConfiguration
            && fix(&finding).contains("service install --config"),
        "{finding:?}"
    );
    // A service that its socket starts need neither be enabled nor run.
    let socket = state(&[("LoadState", "loaded"), ("ActiveState", "active"), ("UnitFileState", "enabled")]);
    let waiting = UnitFacts {
        socket_state: socket,
        ..unit(&[("ActiveState", "inactive"), ("UnitFileState", "disabled")])
    };
    assert_eq!(found(&with(waiting), "unit"), Vec::new());
}

#[test]
fn a_key_that_only_the_shell_has_is_told_with_the_provider_that_is_off() {
    let seen_with = |keys: &[(&str, &str)]| {
        let environment: Environment = [("HOME", "/home/u")].iter().chain(keys).copied().collect();
        config::from_text(TWO, None, &environment).ok()
    };
    let nothing = with(UnitFacts { settings: seen_with(&[]), ..unit(&[]) });
    let all = found(&nothing, "service-keys");
    assert_eq!(
        all.iter().map(|finding| finding.severity).collect::<Vec<_>>(),
        [Severity::Error; 2],
        "{all:?}"
    );
    let half = with(UnitFacts { settings: seen_with(&KEYS[..1]), ..unit(&[]) });
    let finding = only(&half, "service-keys");
    assert!(
        finding.severity == Severity::Warning && finding.problem.contains("OPENROUTER_API_KEY"),
        "{finding:?}"
    );
    assert_eq!(fix(&finding), "moonrelay onboard --auth-choice openrouter-api-key");
    let same = with(UnitFacts { settings: seen_with(&KEYS), ..unit(&[]) });
    assert_eq!(found(&same, "service-keys"), Vec::new());
}

#[test]
fn keys_in_the_unit_are_told_without_their_value() {
    let mut file = UnitFile::default();
    file.parse("[Service]\nEnvironment=KIMI_API_KEY=sk-kimi-0123456789 LANG=C\n", &Environment::default());
    let plain = only(&with(UnitFacts { unit_file: file.clone(), ..unit(&[]) }), "store");
    assert_eq!(plain.severity, Severity::Warning);
    let store = only(&with(UnitFacts { unit_file: file, is_in_nix_store: true, ..unit(&[]) }), "store");
    assert!(
        store.severity == Severity::Error
            && fix(&store).starts_with("services.moonrelay.credentials.KIMI_API_KEY")
    );
    assert!(!format!("{plain:?}{store:?}").contains("0123456789"));
}

#[test]
fn a_port_that_another_user_holds_is_told_without_a_name() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!("{{ gateway: {{ port: {port} }} }}");
    let mut facts = super::facts(&text, &KEYS);
    facts.listeners = sockets::list_listeners();
    let named = only(&facts, "place");
    assert!(named.problem.contains(&format!("process {}", std::process::id())), "{named:?}");
    for one in facts.listeners.iter_mut().flatten() {
        one.process = None;
    }
    let nameless = only(&facts, "place");
    assert!(
        nameless.problem.contains("a process of user ") && nameless.severity == Severity::Error,
        "{nameless:?}"
    );
    facts.listeners = Some(Vec::new());
    assert_eq!(found(&facts, "place"), Vec::new());
}
