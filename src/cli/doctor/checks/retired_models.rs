//! Models that are retired or will be.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::catalog::{ModelInfo, Retirement, builtin_catalog};
use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::settings::{Reference, Settings};

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "retired",
    group: "Chain",
    description: "no model of the chain, the routes, the aliases or the web search is retired, or soon will be; what takes its place",
    needs_network: false,
    run,
};

/// Days before retirement below which the finding is a warning.
const WARNING_DAYS: i32 = 14;

fn run(facts: &Facts) -> CheckResult {
    let settings = facts.require_settings()?;
    let today =
        Timestamp::try_from(facts.now).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC).date();
    let mut found: Vec<Finding> = Vec::new();
    let mut judged: Vec<Reference> = Vec::new();
    for place in list_model_settings(settings, facts) {
        let Some(model) = settings
            .providers
            .get(&place.reference.provider)
            .and_then(|p| p.find_model(&place.reference.model))
        else {
            continue;
        };
        // A model is reported once, at its first place.
        if judged.contains(&place.reference) {
            continue;
        }
        found.extend(evaluate(&place, &model.model, today, facts));
        judged.push(place.reference);
    }
    Ok(found)
}

/// Configuration path of the web search model.
const SEARCH_MODEL_POINTER: &str = "/plugins/entries/moonshot/config/webSearch/model";

/// Where a model is named, and what writes another one there.
struct ModelSetting {
    reference: Reference,
    command: fn(&Reference, &str) -> String,
    setting: String,
}

fn list_model_settings(settings: &Settings, facts: &Facts) -> Vec<ModelSetting> {
    let mut all = Vec::new();
    for (at, reference) in settings.default_chain.references.iter().enumerate() {
        let command: fn(&Reference, &str) -> String = match at {
            // `set` keeps the former primary as a fallback.
            0 => |old, new| format!("moonrelay models set {new} && moonrelay models fallbacks remove {old}"),
            _ => |old, new| {
                format!("moonrelay models fallbacks add {new} && moonrelay models fallbacks remove {old}")
            },
        };
        let setting =
            if at == 0 { "agents.defaults.model.primary" } else { "agents.defaults.model.fallbacks" };
        all.push(ModelSetting { reference: reference.clone(), command, setting: setting.to_owned() });
    }
    for (alias, reference) in &settings.aliases {
        let setting = format!("agents.defaults.models.\"{reference}\".alias = \"{alias}\", for");
        all.push(ModelSetting {
            reference: reference.clone(),
            command: |old, new| format!("moonrelay models aliases add ALIAS {new} in place of that of {old}"),
            setting,
        });
    }
    for route in &settings.routes {
        for reference in &route.chain.references {
            let setting = format!("models.routes.\"{}\"", route.pattern);
            all.push(ModelSetting {
                reference: reference.clone(),
                command: |old, new| format!("moonrelay config set models.routes… with {new} for {old}"),
                setting,
            });
        }
    }
    // Moonrelay chooses the default, so it needs no finding.
    let written =
        facts.config.document.as_ref().and_then(|file| file.pointer(SEARCH_MODEL_POINTER)?.as_str());
    if let Some(model) = written {
        let reference = Reference { provider: "moonshot".to_owned(), model: model.to_owned() };
        let setting = "plugins.entries.moonshot.config.webSearch.model".to_owned();
        let command: fn(&Reference, &str) -> String = |_, new| {
            let model = new.trim_start_matches("moonshot/");
            format!("moonrelay config set plugins.entries.moonshot.config.webSearch.model {model}")
        };
        all.push(ModelSetting { reference, command, setting });
    }
    all
}

fn evaluate(place: &ModelSetting, model: &ModelInfo, today: Date, facts: &Facts) -> Option<Finding> {
    let Reference { provider, .. } = &place.reference;
    let reference = &place.reference;
    let how = |end: &Retirement| format!("the catalog has it: {}/{}, {}", provider, model.id, end.date);
    let finding = match (&model.retirement, &model.planned_retirement) {
        (Some(gone), _) => Finding::warning(
            FindingKind::RetiredModel,
            format!("{reference} was retired on {}: it answers 404", gone.date),
            how(gone),
        ),
        (None, Some(going)) => {
            let days = going
                .date
                .parse::<Date>()
                .ok()
                .and_then(|on| today.until(on).ok())
                .map_or(0, |left| left.get_days());
            let what = format!(
                "{reference} is said to be retired on {} (guides of third parties; Moonshot's own page does not say so yet)",
                going.date
            );
            if days > WARNING_DAYS {
                Finding::info(FindingKind::RetiringModel, what, how(going))
            } else {
                Finding::warning(FindingKind::RetiringModel, what, how(going))
            }
        }
        (None, None) => return None,
    };
    let new = find_successor(provider, model.retirement.as_ref().or(model.planned_retirement.as_ref())?);
    let line = format!("services.moonrelay.settings.{}: {new} in place of {reference}", place.setting);
    Some(finding.with_fix(facts.choose_fix((place.command)(reference, &new), line)))
}

/// A successor that is not about to be retired.
fn find_successor(provider: &str, end: &Retirement) -> String {
    let known = builtin_catalog().provider(provider).and_then(|known| known.model(&end.successor));
    let next =
        known.and_then(|next| next.planned_retirement.as_ref()).map_or(&end.successor, |end| &end.successor);
    format!("{provider}/{next}")
}
