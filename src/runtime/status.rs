//! The state of the chain in words, for the service manager.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::routing::Relay;
use crate::routing::plan::{Link, Standing};
use crate::routing::reload::Reload;
use crate::routing::snapshot::Snapshot;
use crate::service::notify::{Manager, REFUSED};

/// What `systemctl status` shows: the chain, and behind it why the last reload was refused, or what of it does not
/// count.
pub(super) fn words(snapshot: &Snapshot) -> String {
    let chain = chain(snapshot);
    match snapshot.reload.as_deref() {
        Some(Reload { ok: false, message: Some(why), .. }) => format!("{chain}; {REFUSED}{why}"),
        Some(Reload { message: Some(note), .. }) => format!("{chain}; {note}"),
        _ => chain,
    }
}

/// The words for the chain: `kimi cooling down 42 s, answering from openrouter/auto`.
fn chain(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for link in snapshot.chain() {
        if !text.is_empty() {
            text.push_str(", ");
        }
        let name = name(&snapshot.links, link);
        let said = match &link.standing {
            Standing::Usable => {
                let _ = write!(text, "answering from {}", link.reference);
                return text;
            }
            Standing::Off(_) => write!(text, "{name} off"),
            Standing::Resting(rest) => {
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
fn name(links: &[Link], link: &Link) -> String {
    let others = |other: &Link| {
        other.reference.provider == link.reference.provider && other.reference.model != link.reference.model
    };
    if links.iter().any(others) { link.reference.to_string() } else { link.reference.provider.clone() }
}

/// Tells the manager whenever the words change: when a rest begins, is cut short, or ends, and after a reload.
/// Nothing ticks.
pub(super) async fn keep_telling(manager: Manager, relay: Arc<Relay>, mut told: String) {
    let mut changes = relay.state().changes();
    loop {
        let snapshot = relay.snapshot();
        let text = words(&snapshot);
        if text != told {
            manager.status(&text);
            told = text;
        }
        let end = snapshot.holds_until();
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

    use super::{Link, Snapshot, Standing};
    use crate::config::settings::Reference;
    use crate::failure::Reason;
    use crate::policy::cooldown::{Cooldowns, Steps};

    fn link(provider: &str, model: &str, standing: Standing) -> Link {
        Link { reference: Reference { provider: provider.to_owned(), model: model.to_owned() }, standing }
    }

    /// The words for these links.
    fn chain(links: &[Link], at: Instant) -> String {
        super::chain(&Snapshot {
            at,
            wall: SystemTime::now(),
            uptime: Duration::ZERO,
            config: None,
            links: links.to_vec(),
            providers: Vec::new(),
            in_flight: 0,
            reload: None,
        })
    }

    fn resting(now: Instant, seconds: u64) -> Standing {
        let steps = Steps { steps: vec![Duration::from_secs(seconds)], billing: Duration::ZERO };
        let mut rests = Cooldowns::default();
        rests.failed("it", Reason::RateLimit, None, &steps, now);
        Standing::Resting(rests.peek(&"it", now).unwrap())
    }

    #[test]
    fn says_who_answers_and_who_rests() {
        let now = Instant::now();
        let auto = || link("openrouter", "auto", Standing::Usable);
        let well = [link("kimi", "kimi-for-coding", Standing::Usable), auto()];
        assert_eq!(chain(&well, now), "answering from kimi/kimi-for-coding");
        let fallen = [link("kimi", "kimi-for-coding", resting(now, 42)), auto()];
        assert_eq!(chain(&fallen, now), "kimi cooling down 42 s, answering from openrouter/auto");
        let none = [
            link("kimi", "k3", resting(now, 42)),
            link("kimi", "kimi-for-coding", Standing::Off("no key".to_owned())),
        ];
        assert_eq!(
            chain(&none, now),
            "no target is usable: kimi/k3 cooling down 42 s, kimi/kimi-for-coding off"
        );
    }

    #[test]
    fn a_second_key_that_is_well_answers() {
        let now = Instant::now();
        let keys = [link("kimi", "k3", resting(now, 42)), link("kimi", "k3", Standing::Usable)];
        assert_eq!(chain(&keys, now), "answering from kimi/k3");
    }
}
