//! `GET /metrics`: for Prometheus.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use prometheus::Registry;

use super::app_state::AppState;
use super::error::ApiError;
use crate::routing::snapshot::{Snapshot, TargetStatus};
use crate::telemetry::metrics::family;
use crate::telemetry::{log, metrics};
use crate::usage::UsageHealth;

const TARGET_STATES: [&str; 4] = ["answering", "ready", "cooling_down", "off"];
const PROVIDER_STATES: [&str; 3] = ["ready", "cooling_down", "off"];

/// All counters, and the gateway's current state.
pub(super) async fn scrape(State(shared): State<Arc<AppState>>) -> Result<Response, ApiError> {
    let traces_dropped = shared.metrics.traces_dropped.load(Ordering::Relaxed);
    let text = read_gauges(&shared.engine.snapshot(), &shared.usage.health(), traces_dropped)
        .and_then(|gauges| shared.metrics.encode(&gauges))
        .map_err(|error| ApiError::internal(format!("cannot encode the metrics: {error}")))?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// A registry of this moment only, so that two concurrent scrapes do not mix.
fn read_gauges(
    snapshot: &Snapshot,
    usage: &UsageHealth,
    traces_dropped: u64,
) -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    register_targets(&registry, snapshot)?;
    let counters = [
        (family::TRACES_DROPPED, traces_dropped),
        (family::LOG_LINES_DROPPED, log::dropped_lines()),
        (family::USAGE_WRITTEN, usage.written),
        (family::USAGE_DROPPED, usage.dropped),
    ];
    for (family, count) in counters {
        family.counter(&registry)?.with_label_values::<&str>(&[]).inc_by(count);
    }
    let is_reload_successful = snapshot.reload.as_ref().is_none_or(|reload| reload.is_accepted);
    let started = snapshot.wall_time.checked_sub(snapshot.uptime).unwrap_or(snapshot.wall_time);
    let gauges = [
        (family::IN_FLIGHT, Some(snapshot.in_flight as f64)),
        (family::RELOAD_SUCCESSFUL, Some(f64::from(is_reload_successful))),
        (family::USAGE_QUEUE, Some(usage.queued as f64)),
        (family::USAGE_FAILING, Some(f64::from(usage.last_error.is_some()))),
        (family::STARTED, Some(to_unix_seconds(started))),
        (family::MEMORY, read_resident_memory()),
        (family::DESCRIPTORS, count_open_descriptors()),
    ];
    for (family, value) in gauges {
        if let Some(value) = value {
            family.gauge(&registry)?.with_label_values::<&str>(&[]).set(value);
        }
    }
    family::BUILD_INFO.gauge(&registry)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    Ok(registry)
}

fn register_targets(registry: &Registry, snapshot: &Snapshot) -> Result<(), prometheus::Error> {
    let states = family::TARGET_STATE.gauge(registry)?;
    let cooldowns = family::COOLDOWN_END.gauge(registry)?;
    let providers = family::PROVIDER_STATE.gauge(registry)?;
    for link in snapshot.chain() {
        let (provider, reference) = (&*link.reference.provider, &*link.reference.to_string());
        for state in TARGET_STATES {
            let is_current = state == snapshot.entry_state(link);
            states.with_label_values(&[provider, reference, state]).set(f64::from(is_current));
        }
        if let TargetStatus::InCooldown(cooldown) = &link.status {
            let end = to_unix_seconds(snapshot.to_wall_time(cooldown.until));
            cooldowns.with_label_values(&[provider, reference, cooldown.reason.as_str()]).set(end);
        }
    }
    for (provider, status) in &snapshot.providers {
        for state in PROVIDER_STATES {
            let is_current = state == status.as_str();
            providers.with_label_values(&[&**provider, state]).set(f64::from(is_current));
        }
    }
    Ok(())
}

/// Since 1970.
fn to_unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// In bytes. Source: proc(5).
fn read_resident_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn count_open_descriptors() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is that of the listing itself.
    Some(count.saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::config::settings::Reference;
    use crate::failure::Reason;
    use crate::routing::snapshot::ChainEntry;
    use crate::state::cooldown::{CooldownDurations, Cooldowns};
    use crate::telemetry::metrics::Metrics;

    fn snapshot() -> Snapshot {
        let at = Instant::now();
        let mut cooldowns = Cooldowns::default();
        let steps = CooldownDurations { steps: vec![Duration::from_millis(1500)], billing: Duration::ZERO };
        cooldowns.record_failure("it", Reason::Quota, None, &steps, at);
        let in_cooldown = TargetStatus::InCooldown(cooldowns.get_active(&"it", at).unwrap());
        let entry = |reference: &str, status: TargetStatus| ChainEntry {
            reference: Reference::parse(reference).unwrap(),
            status,
        };
        Snapshot {
            at,
            wall_time: SystemTime::UNIX_EPOCH + Duration::from_secs(10),
            uptime: Duration::from_secs(1),
            config: None,
            chain_entries: vec![
                entry("kimi/k3", in_cooldown.clone()),
                entry("openrouter/auto", TargetStatus::Ready),
            ],
            providers: vec![("kimi".to_owned(), in_cooldown), ("openrouter".to_owned(), TargetStatus::Ready)],
            in_flight: 2,
            reload: None,
        }
    }

    #[test]
    fn gauges_show_the_state_at_the_scrape() {
        let usage =
            UsageHealth { queued: 1, written: 5, dropped: 3, last_error: Some("disk full".to_owned()) };
        let metrics = Metrics::default();
        let text = metrics.encode(&read_gauges(&snapshot(), &usage, 4).unwrap()).unwrap();
        for sample in [
            r#"moonrelay_target_state{model="kimi/k3",provider="kimi",state="cooling_down"} 1"#,
            r#"moonrelay_target_state{model="kimi/k3",provider="kimi",state="answering"} 0"#,
            r#"moonrelay_target_state{model="openrouter/auto",provider="openrouter",state="answering"} 1"#,
            r#"moonrelay_target_cooldown_end_timestamp_seconds{model="kimi/k3",provider="kimi",reason="quota"} 11.5"#,
            r#"moonrelay_provider_state{provider="openrouter",state="ready"} 1"#,
            "moonrelay_requests_in_flight 2",
            "moonrelay_ledger_queue_length 1",
            "moonrelay_ledger_written_total 5",
            "moonrelay_ledger_dropped_total 3",
            "moonrelay_ledger_failing 1",
            "moonrelay_traces_dropped_total 4",
            "moonrelay_config_last_reload_successful 1",
            "process_start_time_seconds 9",
        ] {
            assert!(text.lines().any(|line| line == sample), "{sample} is not in\n{text}");
        }
        let later = Snapshot { chain_entries: Vec::new(), providers: Vec::new(), ..snapshot() };
        let text = metrics.encode(&read_gauges(&later, &usage, 4).unwrap()).unwrap();
        assert!(!text.contains("kimi/k3"), "nothing of the last scrape remains: {text}");
        assert_eq!(metrics::CONTENT_TYPE, "text/plain; version=0.0.4");
    }

    #[test]
    fn gauges_and_counters_are_all_families() {
        let gauges = read_gauges(&snapshot(), &UsageHealth::default(), 0).unwrap().gather();
        for family in &gauges {
            let known = family::ALL.iter().find(|known| known.name == family.name()).unwrap();
            for label in known.labels {
                let sample = &family.get_metric()[0];
                assert!(sample.get_label().iter().any(|pair| pair.name() == *label), "{label}: {family:?}");
            }
        }
        // The counters of requests are compared with their definitions in `telemetry::metrics`.
        assert_eq!(gauges.len() + metrics::REQUEST_FAMILIES, family::ALL.len());
    }
}
