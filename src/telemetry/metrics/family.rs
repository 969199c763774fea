//! Every metric: its name, type, labels and meaning, once. docs/reference/metrics.md is generated from it.

use prometheus::core::Collector;
use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Only grows until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts the values up to each of these bounds.
    Histogram(&'static [f64]),
}

impl MetricKind {
    /// As in the text format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricDefinition {
    /// As in the text format.
    pub name: &'static str,
    /// The type.
    pub kind: MetricKind,
    /// The names of the labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// The description, with the unit.
    pub help: &'static str,
}

/// In seconds. From a response out of a provider's cache to a model that thinks for minutes: the default timeout for the
/// first byte is five minutes.
const FIRST_BYTE_BUCKETS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];
/// In seconds. Responses for agents take minutes, and the longest useful ones half an hour.
const DURATION_BUCKETS: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0];

macro_rules! families {
    ($($name:ident = $text:literal $kind:expr, [$($label:literal),*], $help:literal;)*) => {
        $(pub(crate) const $name: MetricDefinition =
            MetricDefinition { name: $text, kind: $kind, labels: &[$($label),*], help: $help };)*
        /// All of them.
        pub const ALL: &[MetricDefinition] = &[$($name),*];
    };
}

families! {
    REQUESTS = "moonrelay_requests_total" MetricKind::Counter, ["face", "model", "outcome"],
        "Finished requests by the client's API, the model that answered, and the outcome.";
    DURATION = "moonrelay_request_duration_seconds" MetricKind::Histogram(DURATION_BUCKETS), ["model", "stream"],
        "Time from a request read to its end.";
    FIRST_BYTE = "moonrelay_time_to_first_byte_seconds" MetricKind::Histogram(FIRST_BYTE_BUCKETS), ["model", "stream"],
        "Time from a request read to the first content, or to the whole response if it is not streamed.";
    IN_FLIGHT = "moonrelay_requests_in_flight" MetricKind::Gauge, [],
        "Requests without a complete response.";
    REJECTED = "moonrelay_refused_total" MetricKind::Counter, ["reason"],
        "Requests that were rejected before routing and are in no other count: authentication, origin, body size, unknown path.";
    ATTEMPTS = "moonrelay_attempts_total" MetricKind::Counter, ["provider", "model", "result"],
        "Attempts and skipped targets by result.";
    FALLBACKS = "moonrelay_fallbacks_total" MetricKind::Counter, ["from", "to", "reason"],
        "Requests that another model than the first of the chain answered, and why the first did not.";
    TOKENS = "moonrelay_tokens_total" MetricKind::Counter, ["model", "kind", "part"],
        "Tokens, each counted once; output includes reasoning.";
    REASONING_TOKENS = "moonrelay_reasoning_tokens_total" MetricKind::Counter, ["model", "part"],
        "The part of the output tokens that was reasoning.";
    ESTIMATED_TOKENS = "moonrelay_estimated_tokens_total" MetricKind::Counter, ["model", "kind"],
        "The part of the tokens that the gateway estimated, because the provider reported none.";
    COST = "moonrelay_cost_total" MetricKind::Counter, ["model", "currency", "part"],
        "Cost of the tokens in units of the currency, where a price is known.";
    TARGET_STATE = "moonrelay_target_state" MetricKind::Gauge, ["provider", "model", "state"],
        "1 for the current state of a target of the default chain, 0 for its other states.";
    COOLDOWN_END = "moonrelay_target_cooldown_end_timestamp_seconds" MetricKind::Gauge, ["provider", "model", "reason"],
        "When the cooldown of a target of the default chain ends, and its reason.";
    PROVIDER_STATE = "moonrelay_provider_state" MetricKind::Gauge, ["provider", "state"],
        "1 for the current state of a provider, 0 for its other states; the worst of its keys and models counts.";
    RELOAD_SUCCESSFUL = "moonrelay_config_last_reload_successful" MetricKind::Gauge, [],
        "1 unless the last new configuration was rejected.";
    USAGE_QUEUE = "moonrelay_ledger_queue_length" MetricKind::Gauge, [],
        "Requests that wait to be written to the usage database.";
    USAGE_WRITTEN = "moonrelay_ledger_written_total" MetricKind::Counter, [],
        "Requests that were written to the usage database.";
    USAGE_DROPPED = "moonrelay_ledger_dropped_total" MetricKind::Counter, [],
        "Requests that are not in the usage database, because its queue was full or a write failed.";
    USAGE_FAILING = "moonrelay_ledger_failing" MetricKind::Gauge, [],
        "1 if the last write to the usage database failed.";
    TRACES_DROPPED = "moonrelay_traces_dropped_total" MetricKind::Counter, [],
        "Requests whose spans were lost, because the queue was full or the collector rejected them.";
    LOG_LINES_DROPPED = "moonrelay_log_lines_dropped_total" MetricKind::Counter, [],
        "Log lines that were lost, because standard error was not read.";
    BUILD_INFO = "moonrelay_build_info" MetricKind::Gauge, ["version"],
        "1; the label is the version.";
    STARTED = "process_start_time_seconds" MetricKind::Gauge, [],
        "When the process began to serve, in seconds since 1970.";
    MEMORY = "process_resident_memory_bytes" MetricKind::Gauge, [],
        "Resident memory of the process; Linux only.";
    DESCRIPTORS = "process_open_fds" MetricKind::Gauge, [],
        "Open file descriptors; Linux only.";
}

impl MetricDefinition {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    pub(crate) fn counter(&self, registry: &Registry) -> Result<IntCounterVec, prometheus::Error> {
        register(registry, IntCounterVec::new(self.opts(), self.labels)?)
    }

    /// A counter with fractional values.
    pub(crate) fn float_counter(&self, registry: &Registry) -> Result<CounterVec, prometheus::Error> {
        register(registry, CounterVec::new(self.opts(), self.labels)?)
    }

    pub(crate) fn histogram(&self, registry: &Registry) -> Result<HistogramVec, prometheus::Error> {
        let mut opts = HistogramOpts::from(self.opts());
        if let MetricKind::Histogram(bounds) = self.kind {
            opts.buckets = bounds.to_vec();
        }
        register(registry, HistogramVec::new(opts, self.labels)?)
    }

    pub(crate) fn gauge(&self, registry: &Registry) -> Result<GaugeVec, prometheus::Error> {
        register(registry, GaugeVec::new(self.opts(), self.labels)?)
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
