//! Fallbacks that are available when the primary fails.

use std::collections::BTreeSet;

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::settings::{Reference, Settings};

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "chain",
    group: "Chain",
    description: "the chain has a fallback that can be called, and one of another provider than the primary's",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let settings = facts.require_settings()?;
    let is_on = |reference: &&Reference| {
        let on = settings
            .providers
            .get(&reference.provider)
            .is_some_and(|provider| provider.disabled_reason.is_none());
        on || facts.is_enabled_in_gateway(&reference.provider)
    };
    let chain = &settings.default_chain.references;
    let usable: Vec<&Reference> = chain.iter().filter(is_on).collect();
    let off: Vec<String> =
        chain.iter().filter(|reference| !is_on(reference)).map(ToString::to_string).collect();
    let names = usable.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ");
    let how = match off.as_slice() {
        [] => format!("the chain is {names}"),
        off => format!("the chain is {names}; off for want of a key: {}", off.join(", ")),
    };
    let providers: BTreeSet<&str> = usable.iter().map(|reference| reference.provider.as_str()).collect();
    let finding = match (usable.as_slice(), providers.len()) {
        // The keys check reports that no target can be called.
        ([], _) if !settings.has_target() => return Ok(Vec::new()),
        ([], _) => {
            Finding::error(FindingKind::NoCallableModel, "no model of the default chain can be called", how)
        }
        ([only], _) => Finding::warning(
            FindingKind::NoFallback,
            format!("no fallback is left: when {only} fails, the request fails"),
            how,
        ),
        (_, 1) => {
            let what = format!(
                "every model of the chain is one of {}: what stops the provider or its key stops all",
                join_names(&providers)
            );
            Finding::warning(FindingKind::SingleProviderChain, what, how)
        }
        _ => return Ok(Vec::new()),
    };
    Ok(vec![finding.with_fix(suggest_fix(settings, &off, facts))])
}

fn join_names(providers: &BTreeSet<&str>) -> String {
    providers.iter().map(|id| format!("provider {id}")).collect::<Vec<_>>().join(", ")
}

/// A key for a fallback that is there, else a fallback.
fn suggest_fix(settings: &Settings, off: &[String], facts: &Facts) -> String {
    if let Some(provider) =
        off.first().and_then(|reference| reference.split_once('/')).map(|(provider, _)| provider)
    {
        return super::keys::key_fix(facts, provider, super::keys::key_variable(provider));
    }
    let has = |id: &str| settings.default_chain.references.iter().any(|reference| reference.provider == id);
    let other = ["openrouter/auto", "moonshot/kimi-k3", "kimi/kimi-for-coding"];
    let other = other.into_iter().find(|reference| !has(reference.split('/').next().unwrap_or_default()));
    let other = other.unwrap_or("openrouter/auto");
    facts.choose_fix(
        format!("moonrelay models fallbacks add {other}"),
        format!("services.moonrelay.settings.agents.defaults.model.fallbacks = [ \"{other}\" ];"),
    )
}
