//! The state of the gateway at a scrape. The figures come from one snapshot, which this module does not know.

use std::time::SystemTime;

use prometheus::{GaugeVec, Registry};

use super::{family, process};

/// What a target of the chain can be.
pub const TARGET_STATES: [&str; 4] = ["answering", "ready", "cooling_down", "off"];
/// What a provider can be.
pub const PROVIDER_STATES: [&str; 3] = ["ready", "cooling_down", "off"];

/// The figures of one moment.
#[derive(Clone, Debug)]
pub struct GaugeSnapshot {
    /// The targets of the default chain, one a reference.
    pub targets: Vec<TargetGauge>,
    /// Each provider's id with one of [`PROVIDER_STATES`].
    pub providers: Vec<(String, &'static str)>,
    /// Requests that have no complete answer yet.
    pub in_flight: usize,
    /// Whether the last new configuration was taken.
    pub is_reload_successful: bool,
    /// When the process began to serve.
    pub started_at: SystemTime,
    /// The state of writes to the usage database.
    pub usage_writer: UsageWriterGauges,
    /// Requests whose spans were lost.
    pub traces_dropped: u64,
}

/// One target of the default chain.
#[derive(Clone, Debug)]
pub struct TargetGauge {
    /// A provider's id.
    pub provider: String,
    /// `provider/model`.
    pub reference: String,
    /// One of [`TARGET_STATES`].
    pub state: &'static str,
    /// Where it cools down: why, and until when.
    pub cooldown: Option<(&'static str, SystemTime)>,
}

/// The state of writes to the usage database, in entries.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageWriterGauges {
    /// That wait.
    pub queued: u64,
    /// That the store has taken.
    pub written: u64,
    /// Entries that were lost.
    pub dropped: u64,
    /// Whether the last write failed.
    pub is_failing: bool,
}

impl GaugeSnapshot {
    /// A registry of this moment only, so that two scrapes at once do not mix.
    pub(super) fn build_registry(&self) -> Result<Registry, prometheus::Error> {
        let registry = Registry::new();
        self.register_chain(&registry)?;
        let providers = family::PROVIDER_STATE.gauge(&registry)?;
        for (provider, state) in &self.providers {
            for one in PROVIDER_STATES {
                set_gauge(&providers, &[provider, one], to_gauge_value(one == *state));
            }
        }
        self.usage_writer.register(&registry)?;
        family::TRACES_DROPPED.counter(&registry)?.add(&[], self.traces_dropped);
        let plain = [
            (family::IN_FLIGHT, Some(self.in_flight as f64)),
            (family::RELOAD_SUCCESSFUL, Some(to_gauge_value(self.is_reload_successful))),
            (family::STARTED, Some(to_unix_seconds(self.started_at))),
            (family::MEMORY, process::read_resident_memory().map(|bytes| bytes as f64)),
            (family::DESCRIPTORS, process::count_open_descriptors().map(|count| count as f64)),
        ];
        for (family, value) in plain {
            if let Some(value) = value {
                set_gauge(&family.gauge(&registry)?, &[], value);
            }
        }
        set_gauge(&family::BUILD_INFO.gauge(&registry)?, &[env!("CARGO_PKG_VERSION")], 1.0);
        Ok(registry)
    }

    fn register_chain(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let states = family::TARGET_STATE.gauge(registry)?;
        let rests = family::COOLDOWN_END.gauge(registry)?;
        for TargetGauge { provider, reference, state, cooldown: rest } in &self.targets {
            for one in TARGET_STATES {
                set_gauge(&states, &[provider, reference, one], to_gauge_value(one == *state));
            }
            if let Some((reason, until)) = rest {
                set_gauge(&rests, &[provider, reference, reason], to_unix_seconds(*until));
            }
        }
        Ok(())
    }
}

impl UsageWriterGauges {
    fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        set_gauge(&family::USAGE_QUEUE.gauge(registry)?, &[], self.queued as f64);
        set_gauge(&family::USAGE_FAILING.gauge(registry)?, &[], to_gauge_value(self.is_failing));
        family::USAGE_WRITTEN.counter(registry)?.add(&[], self.written);
        family::USAGE_DROPPED.counter(registry)?.add(&[], self.dropped);
        Ok(())
    }
}

fn set_gauge(gauge: &GaugeVec, labels: &[&str], value: f64) {
    if let Ok(gauge) = gauge.get_metric_with_label_values(labels) {
        gauge.set(value);
    }
}

fn to_gauge_value(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// Since 1970.
fn to_unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
