//! The user's clocks, shortened: a drill of an idle limit of two minutes shall not take two minutes.

use std::sync::Arc;
use std::time::Duration;

use crate::config::settings::Settings;

/// The shortest clock of a drill: a busy machine answers within it all the same.
const LEAST: Duration = Duration::from_secs(1);
/// Between two clocks, so that the one that is shorter in the configuration stays so.
const STEP: Duration = Duration::from_millis(300);
/// Waits between two tries of one target are real, up to here.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// A clock by the name under which a time-out tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// `failover.timeouts.headSeconds`; for a provider's own its id.
    pub(super) name: String,
    /// As configured.
    pub(super) real: Duration,
    /// In the drill.
    pub(super) drilled: Duration,
}

/// Shortens every clock and keeps their order. Returns those that a time-out can name.
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
    clocks.extend(failover.total.map(|total| clock("totalSeconds", total)));
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

/// How much longer the user's clock would have run than the drill's, by what a time-out of `reference` says.
pub(super) fn cut_short(clocks: &[Clock], reference: &str, detail: &str) -> Duration {
    let Some((_, name)) = detail.rsplit_once('(') else { return Duration::ZERO };
    let provider = reference.split('/').next().unwrap_or_default();
    let wanted = match name.trim_end_matches(')').rsplit_once("failover.timeouts.") {
        Some((_, field)) => field,
        None if name.starts_with("timeoutSeconds") => provider,
        None => return Duration::ZERO,
    };
    let clock = clocks.iter().find(|clock| clock.name == wanted);
    clock.map_or(Duration::ZERO, |clock| clock.real.saturating_sub(clock.drilled))
}
