//! The user's clocks, shortened: a drill of an idle limit of two minutes shall not take two minutes.

use std::sync::Arc;
use std::time::Duration;

use crate::config::settings::Settings;
use crate::failure::Reason;
use crate::record::{Attempt, Outcome};

/// The shortest clock of a drill: a busy machine answers within it all the same.
const LEAST: Duration = Duration::from_secs(1);
/// Between two clocks, so that the one that is shorter in the configuration stays so.
const STEP: Duration = Duration::from_millis(300);
/// Waits between two tries of one target are real, up to here.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
const TOTAL: &str = "totalSeconds";
const HEDGE: &str = "hedgeAfterMs";

/// A clock of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// The last word of its setting; for a provider's own its id.
    pub(super) name: String,
    /// As configured.
    pub(super) real: Duration,
    /// In the drill.
    pub(super) drilled: Duration,
}

/// Shortens every clock and keeps their order. Returns those that an answer can take.
pub(super) fn shorten(settings: &mut Settings) -> Vec<Clock> {
    let known = configured(settings);
    let short = |real: Duration| {
        let place = known.iter().position(|clock| *clock == real).unwrap_or(known.len());
        real.min(LEAST + STEP * u32::try_from(place).unwrap_or(u32::MAX))
    };
    let clock = |name: &str, real: Duration| Clock { name: name.to_owned(), real, drilled: short(real) };
    let failover = &mut settings.failover;
    let mut clocks = vec![
        clock("headSeconds", failover.head),
        clock("firstByteSeconds", failover.first_byte),
        clock("idleSeconds", failover.idle),
    ];
    clocks.extend(failover.total.map(|total| clock(TOTAL, total)));
    clocks.extend(failover.hedge_after.map(|hedge| clock(HEDGE, hedge)));
    let needed = [
        &mut failover.connect,
        &mut failover.head,
        &mut failover.first_byte,
        &mut failover.idle,
        &mut failover.keep_alive,
    ];
    needed
        .into_iter()
        .chain(&mut failover.total)
        .chain(&mut failover.hedge_after)
        .for_each(|clock| *clock = short(*clock));
    failover.backoff_initial = failover.backoff_initial.min(LONGEST_BACKOFF);
    failover.backoff_max = failover.backoff_max.min(LONGEST_BACKOFF);
    for provider in settings.providers.values_mut() {
        if let Some(real) = provider.timeout {
            clocks.push(clock(&provider.id, real));
            Arc::make_mut(provider).timeout = Some(short(real));
        }
    }
    clocks
}

/// Every clock of the settings, each once, the shortest first.
fn configured(settings: &Settings) -> Vec<Duration> {
    let failover = &settings.failover;
    let needed = [failover.connect, failover.head, failover.first_byte, failover.idle, failover.keep_alive];
    let own = settings.providers.values().filter_map(|provider| provider.timeout);
    let mut clocks: Vec<Duration> =
        needed.into_iter().chain(failover.total).chain(failover.hedge_after).chain(own).collect();
    clocks.sort_unstable();
    clocks.dedup();
    clocks
}

/// The clock that the text of a time-out of `provider` names.
fn named<'c>(clocks: &'c [Clock], provider: &str, text: &str) -> Option<&'c Clock> {
    let is_own = text.contains("(timeoutSeconds of the provider)");
    let tells = |clock: &&Clock| match is_own {
        true => clock.name == provider,
        false => text.contains(&format!("(failover.timeouts.{})", clock.name)),
    };
    clocks.iter().find(tells)
}

/// An error of `provider` as it would be with the user's clocks.
pub(super) fn told(clocks: &[Clock], provider: &str, text: &str) -> String {
    let parts = text.split_once("nothing within ").zip(named(clocks, provider, text));
    match parts.and_then(|((before, rest), clock)| Some((before, rest.split_once(" s (")?.1, clock))) {
        Some((before, after, clock)) => {
            format!("{before}nothing within {:.1} s ({after}", clock.real.as_secs_f64())
        }
        None => text.to_owned(),
    }
}

/// How long the attempts would have taken with the user's clocks, where they took `took` with the drill's.
pub(super) fn real_time(clocks: &[Clock], took: Duration, attempts: &[Attempt]) -> Duration {
    let longer = |clock: Option<&Clock>| {
        clock.map_or(Duration::ZERO, |clock| clock.real.saturating_sub(clock.drilled))
    };
    let by_name = |name: &str| clocks.iter().find(|clock| clock.name == name);
    let of_attempt = |attempt: &Attempt| match attempt.outcome {
        Outcome::Failed(Reason::Timeout) => {
            let provider = attempt.reference.split('/').next().unwrap_or_default();
            longer(named(clocks, provider, &attempt.detail))
        }
        // Another one was asked beside it, and answered.
        Outcome::Cancelled => longer(by_name(HEDGE)),
        _ => Duration::ZERO,
    };
    let real = took + attempts.iter().map(of_attempt).sum::<Duration>();
    by_name(TOTAL).map_or(real, |total| real.min(total.real.max(took)))
}
