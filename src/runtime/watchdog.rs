//! The watchdog is fed only after the serving loop has answered a request.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

use crate::gateway::probe::ProbeSender;
use crate::service::notify::ServiceManager;

/// Probes at half of the watchdog's time, as sd_watchdog_enabled(3) advises. Each probe has that long to be
/// answered.
pub(super) async fn feed(manager: ServiceManager, limit: Duration, probe: ProbeSender) {
    let half = limit / 2;
    let mut beat = interval(half);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        match timeout(half, probe.check()).await {
            Ok(Ok(())) => manager.notify_watchdog(),
            Ok(Err(error)) => warn!(%error, "the serving loop is not well: the watchdog gets nothing"),
            Err(_) => warn!("the serving loop does not answer: the watchdog gets nothing"),
        }
    }
}
