//! Keys that are good in the other region.

use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "region",
    group: "Providers",
    says: "a key that is refused is asked for in the other region, too (api.moonshot.ai and .cn, api.kimi.com and .ai): one of them takes it",
    asks_providers: true,
    run,
};

fn run(facts: &Facts) -> Verdict {
    let asked = facts.providers.as_deref().unwrap_or_default();
    let wrong = asked.iter().filter(|asked| asked.takes_the_key_elsewhere());
    Ok(wrong
        .filter_map(|asked| {
            let (other, _) = asked.elsewhere.as_ref()?;
            let id = &asked.provider;
            let what = format!(
                "the key of provider {id}, {}, belongs to the other region: {other} takes it",
                asked.key.as_deref().unwrap_or_default()
            );
            let fix = facts.fix(
                format!("moonrelay config set models.providers.{id}.baseUrl {other}"),
                format!("services.moonrelay.settings.models.providers.{id}.baseUrl = \"{other}\";"),
            );
            Some(
                Finding::error(
                    FindingKind::KeyOfOtherRegion,
                    what,
                    format!("GET {} answered 401, and there it is taken", asked.url),
                )
                .fix(fix),
            )
        })
        .collect())
}
