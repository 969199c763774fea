//! The state of the chain in words, for the service manager.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use crate::relay::Relay;
use crate::relay::plan::{Link, Standing};
use crate::relay::reload::Reload;
use crate::service::notify::{Manager, REFUSED};

/// What `systemctl status` shows: the chain, and behind it why the last reload was refused, or what of it does not
/// count.
pub(super) fn words(relay: &Relay) -> String {
    let chain = chain(&relay.links(), Instant::now());
    match relay.last_reload().as_deref() {
        Some(Reload { ok: false, message: Some(why), .. }) => format!("{chain}; {REFUSED}{why}"),
        Some(Reload { message: Some(note), .. }) => format!("{chain}; {note}"),
        _ => chain,
    }
}

/// The words for the chain at `now`: `kimi cooling down 42 s, answering from openrouter/auto`.
fn chain(links: &[Link], now: Instant) -> String {
    let mut text = String::new();
    for link in best(links) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        let name = name(links, link);
        let said = match &link.standing {
            Standing::Usable => {
                let _ = write!(text, "answering from {}", link.reference);
                return text;
            }
            Standing::Off(_) => write!(text, "{name} off"),
            Standing::Resting(rest) => match rest.until.saturating_duration_since(now).as_secs_f64().ceil() {
                0.0 => write!(text, "{name} tried again"),
                seconds => write!(text, "{name} cooling down {seconds} s"),
            },
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

/// One link a reference: of its keys the one that can be used first.
fn best(links: &[Link]) -> Vec<&Link> {
    let rank = |link: &Link| match &link.standing {
        Standing::Usable => (0, None),
        Standing::Resting(rest) => (1, Some(rest.until)),
        Standing::Off(_) => (2, None),
    };
    let mut best: Vec<&Link> = Vec::new();
    for link in links {
        match best.iter_mut().find(|known| known.reference == link.reference) {
            Some(known) if rank(link) < rank(known) => *known = link,
            Some(_) => {}
            None => best.push(link),
        }
    }
    best
}

/// Tells the manager whenever the words change: when a rest begins, is cut short, or ends, and after a reload.
/// Nothing ticks.
pub(super) async fn keep_telling(manager: Manager, relay: Arc<Relay>, mut told: String) {
    loop {
        let (links, now) = (relay.links(), Instant::now());
        let text = words(&relay);
        if text != told {
            manager.status(&text);
            told = text;
        }
        let end = links.iter().filter_map(|link| match link.standing {
            Standing::Resting(rest) if rest.until > now => Some(rest.until),
            _ => None,
        });
        let end = end.min();
        let rest_ends = async {
            match end {
                Some(end) => tokio::time::sleep_until(end.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = relay.state().changed() => {}
            () = rest_ends => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Link, Standing, chain};
    use crate::config::settings::Reference;
    use crate::failure::Reason;
    use crate::policy::cooldown::{Cooldowns, Steps};

    fn link(provider: &str, model: &str, standing: Standing) -> Link {
        Link { reference: Reference { provider: provider.to_owned(), model: model.to_owned() }, standing }
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
