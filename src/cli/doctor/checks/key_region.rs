//! Keys that are good in the other region.

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "region",
    group: "Providers",
    description: "a key that is refused is asked for in the other region, too (api.moonshot.ai and .cn, api.kimi.com and .ai): one of them takes it",
    needs_network: true,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let asked = facts.provider_probes.as_deref().unwrap_or_default();
    let wrong = asked.iter().filter(|asked| asked.other_region_accepts_key());
    Ok(wrong
        .filter_map(|asked| {
            let (other, _) = asked.other_region.as_ref()?;
            let id = &asked.provider;
            let what = format!(
                "the key of provider {id}, {}, belongs to the other region: {other} takes it",
                asked.key.as_deref().unwrap_or_default()
            );
            let fix = facts.choose_fix(
                format!("moonrelay config set models.providers.{id}.baseUrl {other}"),
                format!("services.moonrelay.settings.models.providers.{id}.baseUrl = \"{other}\";"),
            );
            Some(
                Finding::error(
                    FindingKind::KeyOfOtherRegion,
                    what,
                    format!("GET {} answered 401, and there it is taken", asked.url),
                )
                .with_fix(fix),
            )
        })
        .collect())
}
