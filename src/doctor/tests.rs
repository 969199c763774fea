//! Checks with given facts. tests/cli/doctor covers facts of a real machine.

mod service;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::DATE;
use serde_json::{Value, json};

use super::checks::CHECKS;
use super::facts::Facts;
use super::files::{ConfigFacts, FilePermissions, FileRole, SecretFile, StateDirectory};
use super::finding::FindingKind;
use super::network::{ProbeOutcome, ProbeStage, ProviderProbe, clock_offset_seconds, diagnose};
use super::provider_query::{detect_other_product, other_region_base_url};
use super::{Finding, Report, Severity};
use crate::catalog::AdapterId;
use crate::config::file::Tree;
use crate::config::redact::find_literal_secrets;
use crate::config::schema;
use crate::config::{self, Environment};
use crate::failure::{Failure, Reason};
use crate::secret::Secret;

/// Facts of a machine with this configuration, without systemd, gateway or network.
fn facts(text: &str, variables: &[(&str, &str)]) -> Facts {
    let home = [("HOME", "/home/u"), ("USER", "u")];
    let environment: Environment = home.into_iter().chain(variables.iter().copied()).collect();
    let path = PathBuf::from("/home/u/.config/moonrelay/config.json5");
    let document = Tree::parse(text).unwrap().root.value.to_json();
    Facts {
        config: ConfigFacts {
            settings: config::from_text(text, Some(&path), &environment),
            literal_secrets: find_literal_secrets(&document, schema::root()),
            document: Some(document),
            is_explicit: false,
            is_managed: false,
            path: Some(path),
        },
        environment,
        secret_files: Vec::new(),
        service: Err("not installed".to_owned()),
        gateway: Some(Err("no connection".to_owned())),
        provider_probes: None,
        state_directory: None,
        is_offline: true,
        uid: 1000,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_300_000),
    }
}

const TWO: &str = "{ agents: { defaults: { model: { primary: 'kimi/kimi-for-coding', fallbacks: ['openrouter/auto'] } } } }";
const KEYS: [(&str, &str); 2] =
    [("KIMI_API_KEY", "sk-kimi-0123456789"), ("OPENROUTER_API_KEY", "sk-or-v1-0123456789")];

fn found(facts: &Facts, check: &str) -> Vec<Finding> {
    let check = CHECKS.iter().find(|known| known.name == check).unwrap();
    (check.run)(facts).unwrap_or_else(|why| panic!("{} was skipped: {why}", check.name))
}

fn only(facts: &Facts, check: &str) -> Finding {
    let mut all = found(facts, check);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn fix(finding: &Finding) -> &str {
    finding.fix.as_deref().unwrap_or_default()
}

fn response(status: u16, offset: Option<i64>) -> ProviderProbe {
    ProviderProbe {
        provider: "moonshot".to_owned(),
        key: Some("sk-…89 (env MOONSHOT_API_KEY)".to_owned()),
        url: "https://api.moonshot.ai/v1/models".to_owned(),
        outcome: ProbeOutcome::Response { status, clock_offset_seconds: offset },
        login_command: None,
        other_region: None,
    }
}

#[test]
fn checks_have_unique_names_and_a_description() {
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
fn clock_is_compared_with_the_closest_provider() {
    let mut facts = facts(TWO, &KEYS);
    for (offsets, expected) in [
        (vec![0], None),
        (vec![60], None),
        (vec![-61], Some(Severity::Warning)),
        (vec![300], Some(Severity::Warning)),
        (vec![301], Some(Severity::Error)),
        (vec![4000, 2], None),
        (vec![4000, -100], Some(Severity::Warning)),
    ] {
        facts.provider_probes = Some(offsets.iter().map(|offset| response(200, Some(*offset))).collect());
        let severity = found(&facts, "clock").first().map(|finding| finding.severity);
        assert_eq!(severity, expected, "{offsets:?}");
    }
    facts.provider_probes = Some(vec![response(200, Some(-400))]);
    let finding = only(&facts, "clock");
    assert_eq!(finding.kind, FindingKind::ClockSkew);
    assert!(finding.problem.contains("400 s behind") && fix(&finding).contains("set-ntp"), "{finding:?}");
}

#[test]
fn key_of_the_other_region_is_reported_once_with_its_base_url() {
    let mut facts = facts("{}", &[("MOONSHOT_API_KEY", "sk-0123456789")]);
    let other_region = |status| {
        Some((
            "https://api.moonshot.cn/v1".to_owned(),
            ProbeOutcome::Response { status, clock_offset_seconds: None },
        ))
    };
    facts.provider_probes =
        Some(vec![ProviderProbe { other_region: other_region(200), ..response(401, None) }]);
    assert_eq!(found(&facts, "reach"), Vec::new(), "the check `region` reports it");
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
    // Rejected in both regions.
    facts.provider_probes =
        Some(vec![ProviderProbe { other_region: other_region(401), ..response(401, None) }]);
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
fn failed_stage_has_its_kind_and_is_an_error_if_every_provider_fails() {
    let mut facts = facts(TWO, &KEYS);
    let failed = |stage| ProviderProbe {
        outcome: ProbeOutcome::Failed { stage, why: "reset".to_owned() },
        ..response(0, None)
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
        facts.provider_probes = Some(vec![failed(stage), response(200, None)]);
        assert_eq!(only(&facts, "reach").severity, Severity::Warning);
    }
}

#[test]
fn key_in_the_nix_store_is_an_error_with_nix_lines() {
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
    assert_eq!(found(&facts, "literal-keys"), Vec::new(), "the check `store` reports it");
    assert!(!format!("{all:?}").contains("0123456789"), "{all:?}");
}

#[test]
fn retired_model_has_a_successor_that_is_not_retiring() {
    let text = |primary: &str| format!("{{ agents: {{ defaults: {{ model: '{primary}' }} }} }}");
    let of = |primary: &str| facts(&text(primary), &[("MOONSHOT_API_KEY", "sk-0123456789")]);
    let about = |facts: &Facts, model: &str| {
        let all = found(facts, "retired");
        all.into_iter().find(|finding| finding.problem.starts_with(model)).unwrap()
    };
    let gone = about(&of("moonshot/kimi-k2.5"), "moonshot/kimi-k2.5");
    assert!(gone.severity == Severity::Warning && gone.problem.contains("2026-08-31"), "{gone:?}");
    let command =
        "moonrelay models set moonshot/kimi-k3.1-pro && moonrelay models fallbacks remove moonshot/kimi-k2.5";
    assert_eq!(fix(&gone), command, "K2.6 is retiring too");
    let mut facts = of("moonshot/kimi-k2.6");
    assert_eq!(about(&facts, "moonshot/kimi-k2.6").severity, Severity::Info);
    facts.now += Duration::from_hours(24 * 30);
    assert_eq!(about(&facts, "moonshot/kimi-k2.6").severity, Severity::Warning);
}

#[test]
fn chain_without_usable_fallback_is_reported() {
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
fn gateway_with_other_version_configuration_or_reload_state_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json5");
    std::fs::write(&path, TWO).unwrap();
    let mut facts = facts(TWO, &KEYS);
    facts.now = SystemTime::now() + Duration::from_mins(1);
    facts.config.path = Some(path.clone());
    let version = env!("CARGO_PKG_VERSION");
    let mut check = |status: Value| {
        facts.gateway = Some(Ok(serde_json::from_value(status).unwrap()));
        found(&facts, "gateway")
    };
    let status = |uptime: u64| json!({ "version": version, "config": path, "uptimeSeconds": uptime });
    assert_eq!(check(status(10)), Vec::new(), "it was read after the file was written");
    let old = check(status(1000));
    assert!(
        old.len() == 1
            && old[0].kind == FindingKind::ReloadPending
            && fix(&old[0]) == "moonrelay gateway reload",
        "{old:?}"
    );
    let rejected = check(
        json!({ "version": version, "config": path, "reload": { "ok": false, "message": "4:2: no", "at": 1 } }),
    );
    assert!(
        rejected[0].kind == FindingKind::ReloadRejected && rejected[0].problem.contains("4:2: no"),
        "{rejected:?}"
    );
    let other = check(json!({ "version": "0.0.1", "config": "/etc/other.json5", "uptimeSeconds": 1 }));
    let kinds: Vec<FindingKind> = other.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::OtherVersion, FindingKind::OtherConfiguration]);
}

#[test]
fn cooldown_is_reported_with_its_reason() {
    let mut facts = facts(TWO, &KEYS);
    let until = 1_795_300_042_000_u64;
    let cooldown = |target: &str, reason: &str| json!({ "target": target, "state": "cooling_down", "reason": reason, "cooldownUntil": until });
    let answering = json!({ "target": "openrouter/auto", "state": "answering" });
    for (chain, expected) in [
        (json!([cooldown("kimi/k3", "rate_limit"), answering]), Severity::Info),
        (json!([cooldown("kimi/k3", "billing"), answering]), Severity::Warning),
        (json!([cooldown("kimi/k3", "rate_limit")]), Severity::Error),
    ] {
        facts.gateway = Some(Ok(serde_json::from_value(json!({ "chain": chain })).unwrap()));
        let finding = only(&facts, "rests");
        assert_eq!(finding.severity, expected, "{finding:?}");
        assert!(finding.problem.contains("kimi/k3 is in cooldown for 42 s"), "{finding:?}");
    }
}

#[test]
fn report_lists_skipped_checks_and_fails_with_an_error() {
    let mut facts = facts(TWO, &KEYS[..1]);
    let report = Report::from_facts(&facts);
    assert!(report.ok && report.count(Severity::Warning) > 0, "{report:?}");
    let reach = report.checks_skipped.iter().find(|skipped| skipped.check == "reach").unwrap();
    assert_eq!(reach.why, "--offline");
    facts.config.settings = Err(config::ConfigError { path: None, issues: Vec::new() });
    facts.gateway = None;
    let value = json!(Report::from_facts(&facts));
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["ok", "checksRun", "checksSkipped", "findings"]);
    let skipped = value["checksSkipped"].as_array().unwrap();
    assert_eq!(value["checksRun"].as_u64().unwrap() + skipped.len() as u64, CHECKS.len() as u64);
    let chain = json!({ "check": "chain", "why": "the configuration is invalid" });
    assert!(skipped.contains(&chain), "{value}");
    let finding = Finding::new(FindingKind::InvalidConfiguration, "problem", "evidence");
    let expected = json!({ "kind": "invalid_configuration", "severity": "error", "what": "problem", "how": "evidence", "fix": null });
    assert_eq!(json!(finding), expected);
}

#[test]
fn full_disk_is_reported() {
    let mut facts = facts(TWO, &KEYS);
    for (mib, expected) in [(9, Some(Severity::Error)), (199, Some(Severity::Warning)), (200, None)] {
        let state = StateDirectory { free_bytes: Some(mib << 20), ..StateDirectory::default() };
        facts.state_directory = Some(state);
        let severity = found(&facts, "state").first().map(|finding| finding.severity);
        assert_eq!(severity, expected, "{mib} MiB");
    }
}

#[test]
fn path_with_spaces_and_quotes_is_one_shell_word() {
    let quote = |path: &str| super::checks::quote(&PathBuf::from(path));
    assert_eq!(quote("/home/u/.local/state/moonrelay"), "/home/u/.local/state/moonrelay");
    assert_eq!(quote("/home/u's pc/state"), r"'/home/u'\''s pc/state'");
}

#[test]
fn clock_offset_is_zero_between_request_and_response() {
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let offset = |date: u64, started: u64, ended: u64| {
        let value = httpdate::fmt_http_date(at(date)).parse().unwrap();
        clock_offset_seconds(&HeaderMap::from_iter([(DATE, value)]), at(started), at(ended))
    };
    assert_eq!(offset(1000, 998, 1003), Some(0));
    assert_eq!(offset(1000, 1400, 1401), Some(400));
    assert_eq!(offset(1000, 690, 700), Some(-300));
    assert_eq!(clock_offset_seconds(&HeaderMap::new(), at(1), at(1)), None);
}

#[tokio::test]
async fn failed_connection_is_diagnosed_by_stage() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stage = async |scheme: &str| {
        diagnose(&format!("{scheme}://127.0.0.1:{port}/v1"), Failure::new(Reason::Network, "reset")).await.0
    };
    assert_eq!(stage("https").await, ProbeStage::Tls);
    assert_eq!(stage("http").await, ProbeStage::Response);
    drop(listener);
    assert_eq!(stage("http").await, ProbeStage::Connection);
}

#[test]
fn other_region_has_the_same_path() {
    let other = |base: &str| other_region_base_url(base).unwrap_or_default();
    assert_eq!(other("https://api.moonshot.ai/v1"), "https://api.moonshot.cn/v1");
    assert_eq!(other("https://api.moonshot.cn/anthropic/v1"), "https://api.moonshot.ai/anthropic/v1");
    assert_eq!(other("https://api.kimi.com/coding/v1"), "https://api.kimi.ai/coding/v1");
    assert_eq!(other("https://api.kimi.ai/coding/v1"), "https://api.kimi.com/coding/v1");
    assert_eq!(other("https://openrouter.ai/api/v1"), "", "it has one host");
    assert_eq!(other("https://mirror.example/api.moonshot.ai/v1"), "");
}

#[test]
fn key_prefix_identifies_another_product() {
    use AdapterId::{Generic, KimiCode, Moonshot, OpenRouter};
    for (adapter, key, expected) in [
        (Moonshot, "sk-kimi-1", Some(KimiCode)),
        (Moonshot, "sk-or-v1-1", Some(OpenRouter)),
        (Moonshot, "sk-1", None),
        (KimiCode, "sk-kimi-1", None),
        (KimiCode, "sk-1", None),
        (OpenRouter, "sk-kimi-1", Some(KimiCode)),
        (Generic, "sk-kimi-1", None),
    ] {
        assert_eq!(
            detect_other_product(adapter, &Secret::new(key.to_owned())),
            expected,
            "{adapter:?} {key}"
        );
    }
}
