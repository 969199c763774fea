//! The state of the chain as text, for the service manager.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::routing::Engine;
use crate::routing::plan::{ChainEntry, TargetStatus};
use crate::routing::reload::ReloadOutcome;
use crate::routing::snapshot::Snapshot;
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
    let mut text = String::new();
    for link in snapshot.chain() {
        if !text.is_empty() {
            text.push_str(", ");
        }
        let name = choose_link_name(&snapshot.chain_entries, link);
        let said = match &link.status {
            TargetStatus::Ready => {
                let _ = write!(text, "answering from {}", link.reference);
                return text;
            }
            TargetStatus::Disabled(_) => write!(text, "{name} off"),
            TargetStatus::InCooldown(rest) => {
                match rest.until.saturating_duration_since(snapshot.at).as_secs_f64().ceil() {
                    0.0 => write!(text, "{name} tried again"),
                    seconds => write!(text, "{name} cooling down {seconds} s"),
                }
            }
        };
        // Writing to a string does not fail.
        let _ = said;
    }
    format!("no target is usable: {text}")
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
pub(super) async fn report_status_changes(manager: ServiceManager, relay: Arc<Engine>, mut told: String) {
    let mut changes = relay.state().changes();
    loop {
        let snapshot = relay.snapshot();
        let text = describe_status(&snapshot);
        if text != told {
            manager.notify_status(&text);
            told = text;
        }
        let end = snapshot.next_cooldown_expiry();
        let rest_ends = async {
            match end {
                Some(end) => tokio::time::sleep_until(end.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = changes.changed() => {}
            () = rest_ends => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::{ChainEntry, Snapshot, TargetStatus};
    use crate::config::settings::Reference;
    use crate::failure::Reason;
    use crate::policy::cooldown::{CooldownDurations, Cooldowns};

    fn link(provider: &str, model: &str, standing: TargetStatus) -> ChainEntry {
        ChainEntry {
            reference: Reference { provider: provider.to_owned(), model: model.to_owned() },
            status: standing,
        }
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

    fn resting(now: Instant, seconds: u64) -> TargetStatus {
        let steps = CooldownDurations { steps: vec![Duration::from_secs(seconds)], billing: Duration::ZERO };
        let mut rests = Cooldowns::default();
        rests.record_failure("it", Reason::RateLimit, None, &steps, now);
        TargetStatus::InCooldown(rests.get_active(&"it", now).unwrap())
    }

    #[test]
    fn says_who_answers_and_who_rests() {
        let now = Instant::now();
        let auto = || link("openrouter", "auto", TargetStatus::Ready);
        let well = [link("kimi", "kimi-for-coding", TargetStatus::Ready), auto()];
        assert_eq!(chain(&well, now), "answering from kimi/kimi-for-coding");
        let fallen = [link("kimi", "kimi-for-coding", resting(now, 42)), auto()];
        assert_eq!(chain(&fallen, now), "kimi cooling down 42 s, answering from openrouter/auto");
        let none = [
            link("kimi", "k3", resting(now, 42)),
            link("kimi", "kimi-for-coding", TargetStatus::Disabled("no key".to_owned())),
        ];
        assert_eq!(
            chain(&none, now),
            "no target is usable: kimi/k3 cooling down 42 s, kimi/kimi-for-coding off"
        );
    }

    #[test]
    fn a_second_key_that_is_well_answers() {
        let now = Instant::now();
        let keys = [link("kimi", "k3", resting(now, 42)), link("kimi", "k3", TargetStatus::Ready)];
        assert_eq!(chain(&keys, now), "answering from kimi/k3");
    }
}
