//! Checks with given facts. The tests of the binary cover facts of a real machine.

mod service;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::check::CHECKS;
use super::facts::Facts;
use super::facts::config::ConfigFacts;
use super::facts::provider_probe::{ProbeOutcome, ProbeStage, ProviderProbe};
use super::facts::secret_files::{FilePermissions, FileRole, SecretFile};
use super::finding::{Finding, Severity};
use super::kind::FindingKind;
use super::report::DoctorReport;
use crate::config::file::Tree;
use crate::config::schema::{ROOT, find_literal_secrets};
use crate::config::{self, Environment};

/// Facts of a machine with this configuration, without systemd, gateway or network.
fn facts(text: &str, variables: &[(&str, &str)]) -> Facts {
    let home = [("HOME", "/home/u"), ("USER", "u")];
    let environment: Environment = home.into_iter().chain(variables.iter().copied()).collect();
    let path = PathBuf::from("/home/u/.config/moonrelay/config.json5");
    let document = Tree::parse(text).unwrap().root.value.to_json();
    Facts {
        config: ConfigFacts {
            settings: config::from_text(text, Some(&path), &environment),
            literal_secrets: find_literal_secrets(&document, &ROOT),
            document: Some(document),
            is_explicit: false,
            is_managed: false,
            path: Some(path),
        },
        environment,
        secret_files: Vec::new(),
        service: Err("there is none".to_owned()),
        gateway: Some(Err("nobody is there".to_owned())),
        listeners: Some(Vec::new()),
        provider_probes: None,
        state_directory: None,
        is_offline: true,
        uid: Some(1000),
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_300_000),
    }
}

const TWO: &str = "{ agents: { defaults: { model: { primary: 'kimi/kimi-for-coding', fallbacks: ['openrouter/auto'] } } } }";
const KEYS: [(&str, &str); 2] =
    [("KIMI_API_KEY", "sk-kimi-0123456789"), ("OPENROUTER_API_KEY", "sk-or-v1-0123456789")];

fn found(facts: &Facts, check: &str) -> Vec<Finding> {
    let check = CHECKS.iter().find(|known| known.name == check).unwrap();
    (check.run)(facts).unwrap_or_else(|why| panic!("{} was left out: {why}", check.name))
}

fn only(facts: &Facts, check: &str) -> Finding {
    let mut all = found(facts, check);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn fix(finding: &Finding) -> &str {
    finding.fix.as_deref().unwrap_or_default()
}

fn answered(status: u16, ahead: Option<i64>) -> ProviderProbe {
    ProviderProbe {
        provider: "moonshot".to_owned(),
        key: Some("sk-…89 (env MOONSHOT_API_KEY)".to_owned()),
        url: "https://api.moonshot.ai/v1/models".to_owned(),
        outcome: ProbeOutcome::Answered { status, clock_offset_seconds: ahead },
        login_command: None,
        other_region: None,
    }
}

#[test]
fn names_are_unique_and_every_check_says_what_it_looks_for() {
    let mut names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CHECKS.len());
    assert!(CHECKS.iter().all(|check| !check.description.is_empty() && !check.group.is_empty()));
}

#[test]
fn kinds_have_unique_names_and_a_meaning() {
    let mut names: Vec<&str> = FindingKind::ALL.iter().map(|kind| kind.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FindingKind::ALL.len());
    assert!(FindingKind::ALL.iter().all(|kind| kind.meaning().ends_with('.')));
}

#[test]
fn warnings_of_the_configuration_are_reported_by_the_check_of_their_kind() {
    let text = "{ models: { providers: { lab: { baseUrl: '${LAB_URL}/v1', headers: { 'x-a': '${LAB_HEADER}' }, models: [{ id: 'm' }] },
        bare: { models: [{ id: 'm' }] }, moonshot: { apiKey: ['${A}', '${MOONSHOT_API_KEY}'] } } },
        agents: { defaults: { model: { primary: 'openrouter/auto', fallbacks: ['moonshot/kimi-k2.5'] } } },
        gateway: { auth: { token: '${TOKEN}' } }, plugins: { entries: { moonshot: { config: { webSearch: { apiKey: '${SEARCH}' } } } } } }";
    let facts = facts(text, &[("MOONSHOT_API_KEY", "sk-0123456789")]);
    let kinds = |check: &str| found(&facts, check).iter().map(|found| found.kind).collect::<Vec<_>>();
    assert_eq!(kinds("configuration"), [FindingKind::ConfigurationWarning; 2], "no baseUrl, no token");
    let keys = [
        (FindingKind::MissingHeader, "LAB_HEADER"),
        (FindingKind::MissingBaseUrl, "LAB_URL"),
        (FindingKind::MissingKey, "moonshot-api-key"),
        (FindingKind::MissingKey, "openrouter-api-key"),
        (FindingKind::MissingWebSearch, "SEARCH"),
    ];
    let mut all = found(&facts, "keys");
    assert_eq!(all.len(), keys.len(), "{all:?}");
    for (kind, name) in keys {
        let at = all.iter().position(|found| found.kind == kind && fix(found).contains(name));
        all.remove(at.unwrap_or_else(|| panic!("{kind:?} {name}: {all:?}")));
    }
    assert_eq!(kinds("retired"), [FindingKind::RetiredModel]);
}

#[test]
fn the_clock_is_judged_by_the_provider_that_is_nearest() {
    let mut facts = facts(TWO, &KEYS);
    for (ahead, expected) in [
        (vec![0], None),
        (vec![60], None),
        (vec![-61], Some(Severity::Warning)),
        (vec![300], Some(Severity::Warning)),
        (vec![301], Some(Severity::Error)),
        (vec![4000, 2], None),
        (vec![4000, -100], Some(Severity::Warning)),
    ] {
        facts.provider_probes = Some(ahead.iter().map(|ahead| answered(200, Some(*ahead))).collect());
        let severity = found(&facts, "clock").first().map(|finding| finding.severity);
        assert_eq!(severity, expected, "{ahead:?}");
    }
    facts.provider_probes = Some(vec![answered(200, Some(-400))]);
    let finding = only(&facts, "clock");
    assert_eq!(finding.kind, FindingKind::ClockSkew);
    assert!(finding.problem.contains("400 s behind") && fix(&finding).contains("set-ntp"), "{finding:?}");
}

#[test]
fn a_key_of_the_other_region_is_told_once_and_with_its_address() {
    let mut facts = facts("{}", &[("MOONSHOT_API_KEY", "sk-0123456789")]);
    let there = |status| {
        Some((
            "https://api.moonshot.cn/v1".to_owned(),
            ProbeOutcome::Answered { status, clock_offset_seconds: None },
        ))
    };
    facts.provider_probes = Some(vec![ProviderProbe { other_region: there(200), ..answered(401, None) }]);
    assert_eq!(found(&facts, "reach"), Vec::new(), "that is the region's check");
    let finding = only(&facts, "region");
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(
        fix(&finding),
        "moonrelay config set models.providers.moonshot.baseUrl https://api.moonshot.cn/v1"
    );
    facts.config.is_managed = true;
    let line =
        "services.moonrelay.settings.models.providers.moonshot.baseUrl = \"https://api.moonshot.cn/v1\";";
    assert_eq!(fix(&only(&facts, "region")), line);
    // Refused in both: the key is just wrong.
    facts.provider_probes = Some(vec![ProviderProbe { other_region: there(401), ..answered(401, None) }]);
    assert_eq!(found(&facts, "region"), Vec::new());
    let finding = only(&facts, "reach");
    assert!(
        finding.kind == FindingKind::KeyRejected
            && finding.problem.contains("sk-…89")
            && finding.problem.contains("so does https://api.moonshot.cn"),
        "{finding:?}"
    );
}

#[test]
fn what_fails_on_the_way_is_told_apart_and_weighs_more_where_nobody_answers() {
    let mut facts = facts(TWO, &KEYS);
    let failed = |stage| ProviderProbe {
        outcome: ProbeOutcome::Failed { stage, why: "it broke".to_owned() },
        ..answered(0, None)
    };
    for (stage, kind) in [
        (ProbeStage::NameResolution, FindingKind::NameNotResolved),
        (ProbeStage::Connection, FindingKind::ConnectionFailed),
        (ProbeStage::Tls, FindingKind::TlsFailed),
        (ProbeStage::Proxy, FindingKind::ProxyFailed),
        (ProbeStage::Response, FindingKind::NoResponse),
        (ProbeStage::Login, FindingKind::LoginFailed),
    ] {
        facts.provider_probes = Some(vec![failed(stage)]);
        let alone = only(&facts, "reach");
        assert!(alone.kind == kind && alone.severity == Severity::Error && alone.fix.is_some(), "{alone:?}");
        facts.provider_probes = Some(vec![failed(stage), answered(200, None)]);
        assert_eq!(only(&facts, "reach").severity, Severity::Warning);
    }
}

#[test]
fn a_key_in_the_store_is_an_error_with_the_nix_lines() {
    let text = "{ models: { providers: { kimi: { apiKey: 'sk-kimi-0123456789' } } } }";
    let mut facts = facts(text, &[]);
    facts.config.is_managed = true;
    let path = facts.config.path.clone().unwrap();
    let stat = Some(FilePermissions { mode: 0o444, uid: 0 });
    let file = SecretFile {
        path,
        role: FileRole::Configuration,
        permissions: stat,
        read_error: None,
        is_in_nix_store: true,
        is_dangling: false,
    };
    let key = SecretFile {
        path: "/nix/store/x-kimi".into(),
        role: FileRole::Credential("KIMI_API_KEY".to_owned()),
        ..file.clone()
    };
    facts.secret_files = vec![file, key];
    let all = found(&facts, "store");
    assert!(all.iter().all(|finding| finding.severity == Severity::Error), "{all:?}");
    assert!(fix(&all[0]).starts_with(
        "services.moonrelay.settings.models.providers.kimi.apiKey = { source = \"credential\";"
    ));
    assert!(
        all[1].problem.contains("KIMI_API_KEY")
            && fix(&all[1]).starts_with("services.moonrelay.credentials.KIMI_API_KEY")
    );
    assert_eq!(found(&facts, "literal-keys"), Vec::new(), "it is told once");
    assert!(!format!("{all:?}").contains("0123456789"), "{all:?}");
}

#[test]
fn models_that_are_gone_or_going_have_a_successor_that_stays() {
    let text = |primary: &str| format!("{{ agents: {{ defaults: {{ model: '{primary}' }} }} }}");
    let of = |primary: &str| facts(&text(primary), &[("MOONSHOT_API_KEY", "sk-0123456789")]);
    let about = |facts: &Facts, model: &str| {
        let all = found(facts, "retired");
        all.into_iter().find(|finding| finding.problem.starts_with(model)).unwrap()
    };
    let gone = about(&of("moonshot/kimi-k2.5"), "moonshot/kimi-k2.5");
    assert!(gone.severity == Severity::Warning && gone.problem.contains("2026-08-31"), "{gone:?}");
    let command =
        "moonrelay models set moonshot/kimi-k3 && moonrelay models fallbacks remove moonshot/kimi-k2.5";
    assert_eq!(fix(&gone), command, "K2.6 goes, too");
    let mut facts = of("moonshot/kimi-k2.6");
    assert_eq!(about(&facts, "moonshot/kimi-k2.6").severity, Severity::Info);
    facts.now += Duration::from_hours(24 * 30);
    assert_eq!(about(&facts, "moonshot/kimi-k2.6").severity, Severity::Warning);
}

#[test]
fn a_chain_without_a_way_out_is_told() {
    let one = only(&facts(TWO, &KEYS[..1]), "chain");
    assert_eq!(one.kind, FindingKind::NoFallback);
    assert!(fix(&one).contains("openrouter-api-key"), "{one:?}");
    let text =
        "{ agents: { defaults: { model: { primary: 'kimi/k3', fallbacks: ['kimi/kimi-for-coding'] } } } }";
    let same = only(&facts(text, &KEYS), "chain");
    assert!(
        same.kind == FindingKind::SingleProviderChain && fix(&same).contains("fallbacks add openrouter/auto"),
        "{same:?}"
    );
    assert_eq!(found(&facts(TWO, &KEYS), "chain"), Vec::new());
}

#[test]
fn a_gateway_that_differs_from_what_is_here_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json5");
    std::fs::write(&path, TWO).unwrap();
    let mut facts = facts(TWO, &KEYS);
    facts.now = SystemTime::now() + Duration::from_mins(1);
    facts.config.path = Some(path.clone());
    let version = env!("CARGO_PKG_VERSION");
    let mut told = |status: Value| {
        facts.gateway = Some(Ok(status));
        found(&facts, "gateway")
    };
    let status = |uptime: u64| json!({ "version": version, "config": path, "uptimeSeconds": uptime });
    assert_eq!(told(status(10)), Vec::new(), "it was read after the file was written");
    let old = told(status(1000));
    assert!(
        old.len() == 1
            && old[0].kind == FindingKind::ReloadPending
            && fix(&old[0]) == "moonrelay gateway reload",
        "{old:?}"
    );
    let refused = told(
        json!({ "version": version, "config": path, "reload": { "ok": false, "message": "4:2: no", "at": 1 } }),
    );
    assert!(
        refused[0].kind == FindingKind::ReloadRejected && refused[0].problem.contains("4:2: no"),
        "{refused:?}"
    );
    let other = told(json!({ "version": "0.0.1", "config": "/etc/other.json5", "uptimeSeconds": 1 }));
    let kinds: Vec<FindingKind> = other.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::OtherVersion, FindingKind::OtherConfiguration]);
}

#[test]
fn who_rests_is_told_with_the_reason() {
    let mut facts = facts(TWO, &KEYS);
    let until = 1_795_300_042_000_u64;
    let resting = |target: &str, reason: &str| json!({ "target": target, "state": "cooling_down", "reason": reason, "cooldownUntil": until });
    let answering = json!({ "target": "openrouter/auto", "state": "answering" });
    for (chain, expected) in [
        (json!([resting("kimi/k3", "rate_limit"), answering]), Severity::Info),
        (json!([resting("kimi/k3", "billing"), answering]), Severity::Warning),
        (json!([resting("kimi/k3", "rate_limit")]), Severity::Error),
    ] {
        facts.gateway = Some(Ok(json!({ "chain": chain })));
        let finding = only(&facts, "rests");
        assert_eq!(finding.severity, expected, "{finding:?}");
        assert!(finding.problem.contains("kimi/k3 rests for 42 s"), "{finding:?}");
    }
}

#[test]
fn a_report_is_told_by_subject_with_the_worst_first() {
    let mut facts = facts(TWO, &KEYS[..1]);
    let report = DoctorReport::from_facts(&facts);
    assert!(!report.has_error());
    let text = report.to_text();
    assert!(text.starts_with("0 errors, "), "{text}");
    assert!(text.contains("\nChain\n  ! warning  no fallback is left"), "{text}");
    assert!(text.contains("not checked: reach (--offline)\n"), "{text}");
    facts.config.settings = Err(config::ConfigError { path: None, issues: Vec::new() });
    facts.gateway = None;
    let value = DoctorReport::from_facts(&facts).to_json();
    let skipped = value["checksSkipped"].as_array().unwrap();
    assert_eq!(value["checksRun"].as_u64().unwrap() + skipped.len() as u64, CHECKS.len() as u64);
    assert!(
        skipped
            .iter()
            .any(|entry| entry == &json!({ "check": "chain", "why": "the configuration is not valid" })),
        "{value}"
    );
}
