//! The state of the gateway at a scrape. The caller takes all figures from one snapshot.

use std::time::SystemTime;

use prometheus::Registry;

use super::family;

/// The states of a target.
pub const TARGET_STATES: [&str; 4] = ["answering", "ready", "cooling_down", "off"];
/// The states of a provider.
pub const PROVIDER_STATES: [&str; 3] = ["ready", "cooling_down", "off"];

/// The figures of one moment.
#[derive(Clone, Debug)]
pub struct GaugeSnapshot {
    /// The targets of the default chain.
    pub targets: Vec<TargetGauge>,
    /// Each provider's id with one of [`PROVIDER_STATES`].
    pub providers: Vec<(String, &'static str)>,
    /// Requests without a complete response.
    pub in_flight: usize,
    /// Whether the last new configuration was accepted.
    pub is_reload_successful: bool,
    /// When the process began to serve.
    pub started_at: SystemTime,
    /// The state of writes to the usage database.
    pub usage_writer: UsageWriterGauges,
    /// Requests whose spans were lost.
    pub traces_dropped: u64,
    /// Log lines that were lost.
    pub log_lines_dropped: u64,
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
    /// In cooldown: why, and until when.
    pub cooldown: Option<(&'static str, SystemTime)>,
}

/// The state of writes to the usage database, in entries.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageWriterGauges {
    /// Entries that wait.
    pub queued: u64,
    /// Entries in the database.
    pub written: u64,
    /// Entries that were lost.
    pub dropped: u64,
    /// Whether the last write failed.
    pub is_failing: bool,
}

impl GaugeSnapshot {
    /// A registry of this moment only, so that two concurrent scrapes do not mix.
    pub(super) fn build_registry(&self) -> Result<Registry, prometheus::Error> {
        let registry = Registry::new();
        self.register_chain(&registry)?;
        let usage = &self.usage_writer;
        let counters = [
            (family::TRACES_DROPPED, self.traces_dropped),
            (family::LOG_LINES_DROPPED, self.log_lines_dropped),
            (family::USAGE_WRITTEN, usage.written),
            (family::USAGE_DROPPED, usage.dropped),
        ];
        for (family, count) in counters {
            family.counter(&registry)?.with_label_values::<&str>(&[]).inc_by(count);
        }
        let gauges = [
            (family::IN_FLIGHT, Some(self.in_flight as f64)),
            (family::RELOAD_SUCCESSFUL, Some(to_gauge_value(self.is_reload_successful))),
            (family::USAGE_QUEUE, Some(usage.queued as f64)),
            (family::USAGE_FAILING, Some(to_gauge_value(usage.is_failing))),
            (family::STARTED, Some(to_unix_seconds(self.started_at))),
            (family::MEMORY, read_resident_memory().map(|bytes| bytes as f64)),
            (family::DESCRIPTORS, count_open_descriptors().map(|count| count as f64)),
        ];
        for (family, value) in gauges {
            if let Some(value) = value {
                family.gauge(&registry)?.with_label_values::<&str>(&[]).set(value);
            }
        }
        family::BUILD_INFO.gauge(&registry)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        Ok(registry)
    }

    fn register_chain(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let (states, cooldowns) =
            (family::TARGET_STATE.gauge(registry)?, family::COOLDOWN_END.gauge(registry)?);
        for TargetGauge { provider, reference, state, cooldown } in &self.targets {
            for one in TARGET_STATES {
                states.with_label_values(&[provider, reference, one]).set(to_gauge_value(one == *state));
            }
            if let Some((reason, until)) = cooldown {
                let end = to_unix_seconds(*until);
                cooldowns.with_label_values(&[provider, reference.as_str(), reason]).set(end);
            }
        }
        let providers = family::PROVIDER_STATE.gauge(registry)?;
        for (provider, state) in &self.providers {
            for one in PROVIDER_STATES {
                providers.with_label_values(&[provider, one]).set(to_gauge_value(one == *state));
            }
        }
        Ok(())
    }
}

fn to_gauge_value(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// Since 1970.
fn to_unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// In bytes. Source: proc(5).
fn read_resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn count_open_descriptors() -> Option<u64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is that of the listing itself.
    u64::try_from(count.saturating_sub(1)).ok()
}
