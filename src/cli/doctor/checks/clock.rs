//! This machine's clock, by the providers' own.

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::facts::provider_probe::ProbeOutcome;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "clock",
    group: "Machine",
    description: "the clock agrees with the Date of the providers' answers: more than a minute is a warning, more than five (TLS, tokens) an error",
    needs_network: true,
    run,
};

/// In seconds.
const WARNING_SECONDS: u64 = 60;
const ERROR_SECONDS: u64 = 300;

fn run(facts: &Facts) -> CheckResult {
    let answers = facts.provider_probes.as_deref().unwrap_or_default().iter();
    let told = answers.filter_map(|asked| match asked.outcome {
        ProbeOutcome::Answered { clock_offset_seconds: ahead, .. } => Some((ahead?, asked)),
        ProbeOutcome::Failed { .. } => None,
    });
    // One provider's clock may be wrong; the local clock is right if any provider agrees.
    let Some((ahead, asked)) = told.min_by_key(|(ahead, _)| ahead.unsigned_abs()) else {
        return Err("no answer had a Date".to_owned());
    };
    let off = ahead.unsigned_abs();
    let way = if ahead > 0 { "ahead" } else { "behind" };
    let what = format!("this machine's clock is {off} s {way}");
    let how = format!("the Date of the answer to GET {}, and no provider's is nearer", asked.url);
    if off <= WARNING_SECONDS {
        return Ok(Vec::new());
    }
    let finding = if off <= ERROR_SECONDS {
        Finding::warning(FindingKind::ClockSkew, what, how)
    } else {
        Finding::error(
            FindingKind::ClockSkew,
            format!("{what}: certificates and tokens count as expired, or not valid yet"),
            how,
        )
    };
    Ok(vec![
        finding
            .with_fix(facts.choose_fix("sudo timedatectl set-ntp true", "services.timesyncd.enable = true;")),
    ])
}
