//! The user's clocks, shortened: a drill of an idle limit of two minutes shall not take two minutes.

use std::sync::Arc;
use std::time::Duration;

use crate::config::settings::Settings;
use crate::failure::TimeoutKind;
use crate::record::{Attempt, Outcome};

/// The shortest clock of a drill: a busy machine answers within it all the same.
const LEAST: Duration = Duration::from_secs(1);
/// Between two clocks, so that the one that is shorter in the configuration stays so.
const STEP: Duration = Duration::from_millis(300);
/// Waits between two tries of one target are real, up to here.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// What a clock limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// An attempt, at every provider.
    Timeout(TimeoutKind),
    /// An attempt at this provider: [`TimeoutKind::Provider`].
    OfProvider(String),
    /// The wait for an attempt before another one is hedged.
    Hedge,
}

/// A clock of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// What it limits.
    pub(super) limit: Limit,
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
    let clock = |limit, name: &str, real| Clock { limit, name: name.to_owned(), real, drilled: short(real) };
    let failover = &mut settings.failover;
    let mut clocks = vec![
        clock(Limit::Timeout(TimeoutKind::ResponseHeader), "headSeconds", failover.head),
        clock(Limit::Timeout(TimeoutKind::FirstToken), "firstByteSeconds", failover.first_byte),
        clock(Limit::Timeout(TimeoutKind::Idle), "idleSeconds", failover.idle),
    ];
    clocks
        .extend(failover.total.map(|total| clock(Limit::Timeout(TimeoutKind::Total), "totalSeconds", total)));
    clocks.extend(failover.hedge_after.map(|hedge| clock(Limit::Hedge, "hedgeAfterMs", hedge)));
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
            clocks.push(clock(Limit::OfProvider(provider.id.clone()), &provider.id, real));
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

/// The clock that ended an attempt.
fn clock_of<'c>(clocks: &'c [Clock], attempt: &Attempt) -> Option<&'c Clock> {
    let limit = match attempt.timeout? {
        TimeoutKind::Provider => {
            Limit::OfProvider(attempt.reference.split('/').next().unwrap_or_default().to_owned())
        }
        kind => Limit::Timeout(kind),
    };
    clocks.iter().find(|clock| clock.limit == limit)
}

/// An error text with the messages of the attempts' timeouts as they would be with the user's clocks.
pub(super) fn with_real_times(clocks: &[Clock], attempts: &[Attempt], text: &str) -> String {
    let mut text = text.to_owned();
    for attempt in attempts {
        if let Some((kind, clock)) = attempt.timeout.zip(clock_of(clocks, attempt)) {
            text = text.replacen(&attempt.detail, &kind.message(clock.real), 1);
        }
    }
    text
}

/// How long the attempts would have taken with the user's clocks, where they took `took` with the drill's.
pub(super) fn real_time(clocks: &[Clock], took: Duration, attempts: &[Attempt]) -> Duration {
    let longer = |clock: Option<&Clock>| {
        clock.map_or(Duration::ZERO, |clock| clock.real.saturating_sub(clock.drilled))
    };
    let limiting = |limit: Limit| clocks.iter().find(|clock| clock.limit == limit);
    let of_attempt = |attempt: &Attempt| match attempt.outcome {
        Outcome::Failed(_) => longer(clock_of(clocks, attempt)),
        // Another one was asked beside it, and answered.
        Outcome::Cancelled => longer(limiting(Limit::Hedge)),
        _ => Duration::ZERO,
    };
    let real = took + attempts.iter().map(of_attempt).sum::<Duration>();
    limiting(Limit::Timeout(TimeoutKind::Total)).map_or(real, |total| real.min(total.real.max(took)))
}
