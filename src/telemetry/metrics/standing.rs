//! How the gateway stands at a scrape. The figures come from one snapshot, which this room does not know.

use std::time::SystemTime;

use prometheus::{GaugeVec, Registry};

use super::{family, process};

/// What a target of the chain can be.
pub const TARGET_STATES: [&str; 4] = ["answering", "ready", "cooling_down", "off"];
/// What a provider can be.
pub const PROVIDER_STATES: [&str; 3] = ["ready", "cooling_down", "off"];

/// The figures of one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The targets of the default chain, one a reference.
    pub targets: Vec<Target>,
    /// Each provider's id with one of [`PROVIDER_STATES`].
    pub providers: Vec<(String, &'static str)>,
    /// Requests that have no complete answer yet.
    pub in_flight: usize,
    /// Whether the last new configuration was taken.
    pub reloaded: bool,
    /// When the process began to serve.
    pub started: SystemTime,
    /// How the ledger is written.
    pub ledger: Ledger,
    /// Requests whose spans were lost.
    pub traces_dropped: u64,
}

/// One target of the default chain.
#[derive(Clone, Debug)]
pub struct Target {
    /// A provider's id.
    pub provider: String,
    /// `provider/model`.
    pub reference: String,
    /// One of [`TARGET_STATES`].
    pub state: &'static str,
    /// Where it cools down: why, and until when.
    pub rest: Option<(&'static str, SystemTime)>,
}

/// How the ledger is written, in entries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    /// That wait.
    pub queued: u64,
    /// That the store has taken.
    pub written: u64,
    /// That nobody will find.
    pub dropped: u64,
    /// Whether the last write failed.
    pub failing: bool,
}

impl Standing {
    /// A registry of this moment only, so that two scrapes at once do not mix.
    pub(super) fn registry(&self) -> Result<Registry, prometheus::Error> {
        let registry = Registry::new();
        self.chain(&registry)?;
        let providers = family::PROVIDER_STATE.gauge(&registry)?;
        for (provider, state) in &self.providers {
            for one in PROVIDER_STATES {
                set(&providers, &[provider, one], truth(one == *state));
            }
        }
        self.ledger.tell(&registry)?;
        family::TRACES_DROPPED.counter(&registry)?.add(&[], self.traces_dropped);
        let plain = [
            (family::IN_FLIGHT, Some(self.in_flight as f64)),
            (family::RELOADED, Some(truth(self.reloaded))),
            (family::STARTED, Some(seconds(self.started))),
            (family::MEMORY, process::memory().map(|bytes| bytes as f64)),
            (family::DESCRIPTORS, process::descriptors().map(|count| count as f64)),
        ];
        for (family, value) in plain {
            if let Some(value) = value {
                set(&family.gauge(&registry)?, &[], value);
            }
        }
        set(&family::BUILD_INFO.gauge(&registry)?, &[env!("CARGO_PKG_VERSION")], 1.0);
        Ok(registry)
    }

    fn chain(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let states = family::TARGET_STATE.gauge(registry)?;
        let rests = family::RESTS_UNTIL.gauge(registry)?;
        for Target { provider, reference, state, rest } in &self.targets {
            for one in TARGET_STATES {
                set(&states, &[provider, reference, one], truth(one == *state));
            }
            if let Some((reason, until)) = rest {
                set(&rests, &[provider, reference, reason], seconds(*until));
            }
        }
        Ok(())
    }
}

impl Ledger {
    fn tell(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        set(&family::LEDGER_QUEUE.gauge(registry)?, &[], self.queued as f64);
        set(&family::LEDGER_FAILING.gauge(registry)?, &[], truth(self.failing));
        family::LEDGER_WRITTEN.counter(registry)?.add(&[], self.written);
        family::LEDGER_DROPPED.counter(registry)?.add(&[], self.dropped);
        Ok(())
    }
}

fn set(gauge: &GaugeVec, labels: &[&str], value: f64) {
    if let Ok(gauge) = gauge.get_metric_with_label_values(labels) {
        gauge.set(value);
    }
}

fn truth(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// Since 1970.
fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
