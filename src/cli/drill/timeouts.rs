//! The user's timeouts, shortened: a drill of an idle timeout of two minutes must not take two minutes.

use std::sync::Arc;
use std::time::Duration;

use crate::config::settings::Settings;
use crate::failure::TimeoutKind;
use crate::record::{Attempt, AttemptOutcome};

/// The shortest clock of a drill: a busy machine answers within it all the same.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two clocks, so that the one that is shorter in the configuration stays so.
const TIMEOUT_STEP: Duration = Duration::from_millis(300);
/// Waits between two tries of one target are real, up to here.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

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
pub(super) struct Timeout {
    /// What it limits.
    pub(super) limit: Limit,
    /// The last word of its setting; for a provider's own its id.
    pub(super) name: String,
    /// As configured.
    pub(super) configured: Duration,
    /// In the drill.
    pub(super) shortened: Duration,
}

/// Shortens every clock and keeps their order. Returns those that an answer can take.
pub(super) fn shorten_timeouts(settings: &mut Settings) -> Vec<Timeout> {
    let known = list_configured(settings);
    let short = |real: Duration| {
        let place = known.iter().position(|clock| *clock == real).unwrap_or(known.len());
        real.min(MIN_TIMEOUT + TIMEOUT_STEP * u32::try_from(place).unwrap_or(u32::MAX))
    };
    let clock = |limit, name: &str, real| Timeout {
        limit,
        name: name.to_owned(),
        configured: real,
        shortened: short(real),
    };
    let failover = &mut settings.failover;
    let mut clocks = vec![
        clock(Limit::Timeout(TimeoutKind::ResponseHeader), "headSeconds", failover.response_header_timeout),
        clock(Limit::Timeout(TimeoutKind::FirstToken), "firstByteSeconds", failover.first_token_timeout),
        clock(Limit::Timeout(TimeoutKind::Idle), "idleSeconds", failover.idle_timeout),
    ];
    clocks.extend(
        failover.total_timeout.map(|total| clock(Limit::Timeout(TimeoutKind::Total), "totalSeconds", total)),
    );
    clocks.extend(failover.hedge_after.map(|hedge| clock(Limit::Hedge, "hedgeAfterMs", hedge)));
    let needed = [
        &mut failover.connect_timeout,
        &mut failover.response_header_timeout,
        &mut failover.first_token_timeout,
        &mut failover.idle_timeout,
        &mut failover.keep_alive_interval,
    ];
    needed
        .into_iter()
        .chain(&mut failover.total_timeout)
        .chain(&mut failover.hedge_after)
        .for_each(|clock| *clock = short(*clock));
    failover.initial_backoff = failover.initial_backoff.min(MAX_BACKOFF);
    failover.max_backoff = failover.max_backoff.min(MAX_BACKOFF);
    for provider in settings.providers.values_mut() {
        if let Some(real) = provider.first_token_timeout {
            clocks.push(clock(Limit::OfProvider(provider.id.clone()), &provider.id, real));
            Arc::make_mut(provider).first_token_timeout = Some(short(real));
        }
    }
    clocks
}

/// Every clock of the settings, each once, the shortest first.
fn list_configured(settings: &Settings) -> Vec<Duration> {
    let failover = &settings.failover;
    let needed = [
        failover.connect_timeout,
        failover.response_header_timeout,
        failover.first_token_timeout,
        failover.idle_timeout,
        failover.keep_alive_interval,
    ];
    let own = settings.providers.values().filter_map(|provider| provider.first_token_timeout);
    let mut clocks: Vec<Duration> =
        needed.into_iter().chain(failover.total_timeout).chain(failover.hedge_after).chain(own).collect();
    clocks.sort_unstable();
    clocks.dedup();
    clocks
}

/// The clock that ended an attempt.
fn clock_of<'c>(clocks: &'c [Timeout], attempt: &Attempt) -> Option<&'c Timeout> {
    let limit = match attempt.timeout? {
        TimeoutKind::Provider => {
            Limit::OfProvider(attempt.reference.split('/').next().unwrap_or_default().to_owned())
        }
        kind => Limit::Timeout(kind),
    };
    clocks.iter().find(|clock| clock.limit == limit)
}

/// An error text with the messages of the attempts' timeouts as they would be with the user's clocks.
pub(super) fn with_real_times(clocks: &[Timeout], attempts: &[Attempt], text: &str) -> String {
    let mut text = text.to_owned();
    for attempt in attempts {
        if let Some((kind, clock)) = attempt.timeout.zip(clock_of(clocks, attempt)) {
            text = text.replacen(&attempt.detail, &kind.message(clock.configured), 1);
        }
    }
    text
}

/// How long the attempts would have taken with the user's clocks, where they took `took` with the drill's.
pub(super) fn estimate_real_time(clocks: &[Timeout], took: Duration, attempts: &[Attempt]) -> Duration {
    let longer = |clock: Option<&Timeout>| {
        clock.map_or(Duration::ZERO, |clock| clock.configured.saturating_sub(clock.shortened))
    };
    let limiting = |limit: Limit| clocks.iter().find(|clock| clock.limit == limit);
    let of_attempt = |attempt: &Attempt| match attempt.outcome {
        AttemptOutcome::Failed(_) => longer(clock_of(clocks, attempt)),
        // A hedged request to another target answered.
        AttemptOutcome::Cancelled => longer(limiting(Limit::Hedge)),
        _ => Duration::ZERO,
    };
    let real = took + attempts.iter().map(of_attempt).sum::<Duration>();
    limiting(Limit::Timeout(TimeoutKind::Total)).map_or(real, |total| real.min(total.configured.max(took)))
}
