//! Reports to the service manager: the state of the chain as text, and that the gateway is alive.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout, timeout_at};
use tracing::warn;

use crate::gateway::server;
use crate::routing::Engine;
use crate::routing::engine::ReloadOutcome;
use crate::routing::snapshot::{ChainEntry, Snapshot, TargetStatus};
use crate::service::notify::{RELOAD_REJECTED, ServiceManager};

/// The text that `systemctl status` shows: the chain, then why the last reload was rejected, or which of its
/// values have no effect.
pub(super) fn describe_status(snapshot: &Snapshot) -> String {
    let chain = describe_chain(snapshot);
    match snapshot.reload.as_deref() {
        Some(ReloadOutcome { is_accepted: false, message: Some(why), .. }) => {
            format!("{chain}; {RELOAD_REJECTED}{why}")
        }
        Some(ReloadOutcome { message: Some(note), .. }) => format!("{chain}; {note}"),
        _ => chain,
    }
}

/// The text for the chain: `kimi cooling down 42 s, answering from openrouter/auto`.
fn describe_chain(snapshot: &Snapshot) -> String {
    let mut parts = Vec::new();
    for link in snapshot.chain() {
        let name = choose_link_name(&snapshot.chain_entries, link);
        let left = match &link.status {
            TargetStatus::Ready => {
                parts.push(format!("answering from {}", link.reference));
                return parts.join(", ");
            }
            TargetStatus::Disabled(_) => "off".to_owned(),
            TargetStatus::InCooldown(cooldown) => {
                match cooldown.until.saturating_duration_since(snapshot.at).as_secs_f64().ceil() {
                    0.0 => "tried again".to_owned(),
                    seconds => format!("cooling down {seconds} s"),
                }
            }
        };
        parts.push(format!("{name} {left}"));
    }
    format!("no target is usable: {}", parts.join(", "))
}

/// The provider, or the reference where the chain has others of the provider.
fn choose_link_name(links: &[ChainEntry], link: &ChainEntry) -> String {
    let others = |other: &ChainEntry| {
        other.reference.provider == link.reference.provider && other.reference.model != link.reference.model
    };
    if links.iter().any(others) { link.reference.to_string() } else { link.reference.provider.clone() }
}

/// Reports the status text to the manager whenever it changes: when a cooldown begins, is cut short, or ends,
/// and after a reload. There is no periodic timer.
pub(super) async fn report_status_changes(
    manager: ServiceManager,
    engine: Arc<Engine>,
    mut reported: String,
) {
    let mut changes = engine.state().changes();
    loop {
        let snapshot = engine.snapshot();
        let text = describe_status(&snapshot);
        if text != reported {
            manager.notify_status(&text);
            reported = text;
        }
        // Without a cooldown there is nothing but changes to wait for.
        let _ = match snapshot.next_cooldown_expiry() {
            Some(end) => timeout_at(end.into(), changes.changed()).await.unwrap_or(Ok(())),
            None => changes.changed().await,
        };
    }
}

/// Feeds the watchdog only after the accept loop has answered a request. Probes at half of the watchdog's time, as
/// sd_watchdog_enabled(3) advises. Each probe has that long to be answered.
pub(super) async fn feed_watchdog(
    manager: ServiceManager,
    limit: Duration,
    probes: mpsc::Sender<DuplexStream>,
) {
    let half = limit / 2;
    let mut beat = interval(half);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        match timeout(half, server::probe(&probes)).await {
            Ok(Ok(())) => manager.notify_watchdog(),
            Ok(Err(error)) => warn!(%error, "the gateway's own probe failed: watchdog not fed"),
            Err(_) => warn!("the gateway's own probe timed out: watchdog not fed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::*;
    use crate::config::settings::Reference;
    use crate::failure::Reason;
    use crate::state::cooldown::{CooldownDurations, Cooldowns};

    fn link(provider: &str, model: &str, status: TargetStatus) -> ChainEntry {
        ChainEntry { reference: Reference { provider: provider.to_owned(), model: model.to_owned() }, status }
    }

    /// The text for these links.
    fn chain(links: &[ChainEntry], at: Instant) -> String {
        super::describe_chain(&Snapshot {
            at,
            wall_time: SystemTime::now(),
            uptime: Duration::ZERO,
            config: None,
            chain_entries: links.to_vec(),
            providers: Vec::new(),
            in_flight: 0,
            reload: None,
        })
    }

    fn in_cooldown(now: Instant, seconds: u64) -> TargetStatus {
        let steps = CooldownDurations { steps: vec![Duration::from_secs(seconds)], billing: Duration::ZERO };
        let mut cooldowns = Cooldowns::default();
        cooldowns.record_failure("it", Reason::RateLimit, None, &steps, now);
        TargetStatus::InCooldown(cooldowns.get_active(&"it", now).unwrap())
    }

    #[test]
    fn status_names_the_active_target_and_cooldowns() {
        let now = Instant::now();
        let auto = || link("openrouter", "auto", TargetStatus::Ready);
        let ready = [link("kimi", "kimi-for-coding", TargetStatus::Ready), auto()];
        assert_eq!(chain(&ready, now), "answering from kimi/kimi-for-coding");
        let failed_over = [link("kimi", "kimi-for-coding", in_cooldown(now, 42)), auto()];
        assert_eq!(chain(&failed_over, now), "kimi cooling down 42 s, answering from openrouter/auto");
        let none = [
            link("kimi", "k3", in_cooldown(now, 42)),
            link("kimi", "kimi-for-coding", TargetStatus::Disabled("no key".to_owned())),
        ];
        assert_eq!(
            chain(&none, now),
            "no target is usable: kimi/k3 cooling down 42 s, kimi/kimi-for-coding off"
        );
    }

    #[test]
    fn ready_second_key_is_the_active_target() {
        let now = Instant::now();
        let keys = [link("kimi", "k3", in_cooldown(now, 42)), link("kimi", "k3", TargetStatus::Ready)];
        assert_eq!(chain(&keys, now), "answering from kimi/k3");
    }
}
