//! The configuration, the models that it names, and its default chain.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::secrets;
use crate::catalog::{ModelInfo, Retirement, builtin_catalog};
use crate::config::settings::{Reference, SecretsFileProblem, Settings, WarningKind};
use crate::doctor::facts::Facts;
use crate::doctor::files::FileRole;
use crate::doctor::finding::{CheckResult, Finding, FindingKind, Severity};

pub(super) fn file(facts: &Facts) -> CheckResult {
    let path = facts.config.path.clone().unwrap_or_default();
    let mut found: Vec<Finding> = match &facts.config.settings {
        Err(invalid) => {
            let fix = facts.choose_fix(
                "correct the file, then check it: moonrelay config validate",
                "correct services.moonrelay.settings, then switch again",
            );
            let finding = |problem| {
                let evidence = "moonrelay config validate rejects it";
                Finding::new(FindingKind::InvalidConfiguration, problem, evidence).with_fix(&fix)
            };
            invalid.issues.iter().map(|issue| finding(issue.to_string())).collect()
        }
        Ok(settings) => {
            let warnings = settings.warnings.iter().filter(|warning| !has_own_check(&warning.kind));
            let finding = |problem| {
                let evidence = "moonrelay config validate reports it";
                Finding::new(FindingKind::ConfigurationWarning, problem, evidence)
            };
            warnings.map(|warning| finding(format!("{}: {}", warning.path, warning.message))).collect()
        }
    };
    let mut files = facts.secret_files.iter();
    let file = files.find(|file| file.role == FileRole::Configuration && !file.is_in_nix_store);
    if let Some(mode) =
        file.and_then(|file| file.permissions).map(|it| it.mode).filter(|mode| mode & 0o022 != 0)
    {
        let shown = path.display();
        let problem = format!("other users can change the configuration {shown}, and redirect your keys");
        let evidence = format!("its mode is {mode:03o}");
        let finding = Finding::new(FindingKind::ConfigurationWritableByOthers, problem, evidence);
        found.push(finding.with_fix(format!("chmod go-w {shown}")));
    }
    Ok(found.into_iter().map(|finding| finding.with_path(&path)).collect())
}

/// Whether another check reports this warning.
fn has_own_check(kind: &WarningKind) -> bool {
    secrets::classify_warning(kind).is_some()
        || matches!(
            kind,
            // `secret-files` does not look at the lines.
            WarningKind::SecretsFile(
                SecretsFileProblem::Unreadable(_) | SecretsFileProblem::OpenToOthers { .. }
            ) | WarningKind::RetiredModel { .. }
        )
}

pub(super) fn chain(facts: &Facts) -> CheckResult {
    let settings = facts.require_settings()?;
    let is_usable = |reference: &&Reference| {
        let provider = settings.providers.get(&reference.provider);
        provider.is_some_and(|provider| provider.disabled_reason.is_none())
            || facts.is_enabled_in_gateway(&reference.provider)
    };
    let chain = settings.default_chain.references.iter();
    let (usable, disabled): (Vec<&Reference>, Vec<&Reference>) = chain.partition(is_usable);
    let join = |references: &[&Reference], separator: &str| {
        references.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
    };
    let mut evidence = format!("the chain is {}", join(&usable, " → "));
    if !disabled.is_empty() {
        evidence.push_str(&format!("; disabled: no API key for {}", join(&disabled, ", ")));
    }
    let providers: BTreeSet<&str> = usable.iter().map(|reference| reference.provider.as_str()).collect();
    let finding = match (usable.as_slice(), providers.len()) {
        // The keys check reports that no target can be called.
        ([], _) if !settings.has_target() => return Ok(Vec::new()),
        ([], _) => {
            let problem = "no model of the default chain can be called";
            Finding::new(FindingKind::NoCallableModel, problem, evidence)
        }
        ([only], _) => {
            let problem = format!("the chain has no fallback: if {only} fails, the request fails");
            Finding::new(FindingKind::NoFallback, problem, evidence)
        }
        ([first, ..], 1) => {
            let problem = format!(
                "every model of the chain is of provider {}: an outage or a rejected key stops all of them",
                first.provider
            );
            Finding::new(FindingKind::SingleProviderChain, problem, evidence)
        }
        _ => return Ok(Vec::new()),
    };
    Ok(vec![finding.with_fix(suggest_fallback(settings, &disabled, facts))])
}

/// A key for a configured fallback, otherwise a new fallback.
fn suggest_fallback(settings: &Settings, disabled: &[&Reference], facts: &Facts) -> String {
    if let Some(reference) = disabled.first() {
        return facts.key_fix(&reference.provider, None);
    }
    let has = |id: &str| settings.default_chain.references.iter().any(|reference| reference.provider == id);
    let candidates = [("openrouter", "auto"), ("moonshot", "kimi-k3.1-pro"), ("kimi", "kimi-for-coding")];
    let (provider, model) = candidates.into_iter().find(|(id, _)| !has(id)).unwrap_or(candidates[0]);
    facts.choose_fix(
        format!("moonrelay models fallbacks add {provider}/{model}"),
        format!("services.moonrelay.settings.agents.defaults.model.fallbacks = [ \"{provider}/{model}\" ];"),
    )
}

/// Days before retirement below which the finding is a warning.
const WARNING_DAYS: i32 = 14;

pub(super) fn retired_models(facts: &Facts) -> CheckResult {
    let settings = facts.require_settings()?;
    let now = Timestamp::try_from(facts.now).unwrap_or(Timestamp::UNIX_EPOCH);
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut found = Vec::new();
    let mut seen: Vec<Reference> = Vec::new();
    for setting in list_model_settings(settings, facts) {
        let provider = settings.providers.get(&setting.reference.provider);
        let model = provider.and_then(|provider| provider.find_model(&setting.reference.model));
        // A model is reported once, for the first setting that names it.
        if let Some(model) = model.filter(|_| !seen.contains(&setting.reference)) {
            found.extend(check_retirement(&setting, &model.model, today, facts));
            seen.push(setting.reference);
        }
    }
    Ok(found)
}

/// A setting that names a model, and the command that replaces it; `NEW` stands for the successor.
struct ModelSetting {
    reference: Reference,
    setting: String,
    command: String,
}

fn list_model_settings(settings: &Settings, facts: &Facts) -> Vec<ModelSetting> {
    let mut all = Vec::new();
    let mut add = |reference: &Reference, setting: String, command: String| {
        all.push(ModelSetting { reference: reference.clone(), setting, command });
    };
    for (index, old) in settings.default_chain.references.iter().enumerate() {
        // `set` keeps the former primary as a fallback.
        let (key, verb) = if index == 0 { ("primary", "set") } else { ("fallbacks", "fallbacks add") };
        let setting = format!("agents.defaults.model.{key}");
        add(old, setting, format!("moonrelay models {verb} NEW && moonrelay models fallbacks remove {old}"));
    }
    for (alias, old) in &settings.aliases {
        let setting = format!("agents.defaults.models.\"{old}\".alias = \"{alias}\", for");
        add(old, setting, format!("moonrelay models aliases add {alias} NEW"));
    }
    for route in &settings.routes {
        for old in &route.chain.references {
            let setting = format!("models.routes.\"{}\"", route.pattern);
            let command = format!("moonrelay config set '{setting}' with NEW instead of {old}");
            add(old, setting, command);
        }
    }
    // The default is Moonrelay's own choice, so it needs no finding.
    let path = "plugins.entries.moonshot.config.webSearch.model";
    let written = facts
        .config
        .document
        .as_ref()
        .and_then(|file| file.pointer(&format!("/{}", path.replace('.', "/")))?.as_str());
    if let Some(model) = written {
        let reference = Reference { provider: "moonshot".to_owned(), model: model.to_owned() };
        add(&reference, path.to_owned(), format!("moonrelay config set {path} NEW"));
    }
    all
}

fn check_retirement(
    setting: &ModelSetting,
    model: &ModelInfo,
    today: Date,
    facts: &Facts,
) -> Option<Finding> {
    let reference = &setting.reference;
    let end = model.retirement.as_ref().or(model.planned_retirement.as_ref())?;
    let evidence = format!("the catalog: {}/{}, {}", reference.provider, model.id, end.date);
    let finding = if model.retirement.is_some() {
        let problem = format!("{reference} was retired on {}: requests get a 404", end.date);
        Finding::new(FindingKind::RetiredModel, problem, evidence)
    } else {
        let problem = format!(
            "{reference} will be retired on {} according to third parties; Moonshot has not announced it",
            end.date
        );
        let left = end.date.parse::<Date>().ok().and_then(|date| today.until(date).ok());
        let is_far = left.map_or(0, |left| left.get_days()) > WARNING_DAYS;
        let severity = if is_far { Severity::Info } else { Severity::Warning };
        Finding::new(FindingKind::RetiringModel, problem, evidence).with_severity(severity)
    };
    let new = find_successor(&reference.provider, end);
    // This setting has the model's id alone.
    let short = setting.setting.ends_with("webSearch.model").then(|| new.trim_start_matches("moonshot/"));
    let command = setting.command.replace("NEW", short.unwrap_or(&new));
    let nix = format!("services.moonrelay.settings.{}: {new} instead of {reference}", setting.setting);
    Some(finding.with_fix(facts.choose_fix(command, nix)))
}

/// A successor without a planned retirement.
fn find_successor(provider: &str, end: &Retirement) -> String {
    let next = builtin_catalog().provider(provider).and_then(|known| known.model(&end.successor));
    let next = next.and_then(|next| next.planned_retirement.as_ref());
    format!("{provider}/{}", next.map_or(&end.successor, |end| &end.successor))
}
