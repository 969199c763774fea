//! This machine's clock, by the providers' own.

use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::network::Outcome;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "clock",
    group: "Machine",
    says: "the clock agrees with the Date of the providers' answers: more than a minute is a warning, more than five (TLS, tokens) an error",
    asks_providers: true,
    run,
};

/// In seconds.
const WARN: u64 = 60;
const BAD: u64 = 300;

fn run(facts: &Facts) -> Verdict {
    let answers = facts.providers.as_deref().unwrap_or_default().iter();
    let told = answers.filter_map(|asked| match asked.outcome {
        Outcome::Answered { ahead, .. } => Some((ahead?, asked)),
        Outcome::Failed { .. } => None,
    });
    // One provider's clock may be wrong; ours is right where any of them agrees.
    let Some((ahead, asked)) = told.min_by_key(|(ahead, _)| ahead.unsigned_abs()) else {
        return Err("no answer had a Date".to_owned());
    };
    let off = ahead.unsigned_abs();
    let way = if ahead > 0 { "ahead" } else { "behind" };
    let what = format!("this machine's clock is {off} s {way}");
    let how = format!("the Date of the answer to GET {}, and no provider's is nearer", asked.url);
    if off <= WARN {
        return Ok(Vec::new());
    }
    let finding = if off <= BAD {
        Finding::warning(FindingKind::ClockSkew, what, how)
    } else {
        Finding::error(
            FindingKind::ClockSkew,
            format!("{what}: certificates and tokens count as expired, or not valid yet"),
            how,
        )
    };
    Ok(vec![finding.fix(facts.fix("sudo timedatectl set-ntp true", "services.timesyncd.enable = true;"))])
}
