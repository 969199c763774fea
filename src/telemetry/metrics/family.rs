//! Every metric: its name, type, labels and meaning, once. The reference in docs/ is made of this.

use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::series::Series;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// It only grows, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many values were up to each of these bounds.
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
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// The names of its labels, in the order in which they are given.
    pub labels: &'static [&'static str],
    /// What it says, with its unit.
    pub help: &'static str,
}

/// In seconds. From a provider's answer out of its cache to a model that thinks for minutes: the default clock for a
/// first byte is five minutes.
const TO_FIRST_BYTE: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];
/// In seconds. Agents' answers take minutes, and the longest that people wait for half an hour.
const TO_END: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0];

macro_rules! families {
    ($($name:ident = $text:literal $kind:expr, [$($label:literal),*], $help:literal;)*) => {
        $(pub(super) const $name: MetricDefinition =
            MetricDefinition { name: $text, kind: $kind, labels: &[$($label),*], help: $help };)*
        /// All of them.
        pub const ALL: &[MetricDefinition] = &[$($name),*];
    };
}

families! {
    REQUESTS = "moonrelay_requests_total" MetricKind::Counter, ["face", "model", "outcome"],
        "Requests that are over, by the client's protocol, the model that answered, and how it ended.";
    DURATION = "moonrelay_request_duration_seconds" MetricKind::Histogram(TO_END), ["model", "stream"],
        "From a request read to its end.";
    FIRST_BYTE = "moonrelay_time_to_first_byte_seconds" MetricKind::Histogram(TO_FIRST_BYTE), ["model", "stream"],
        "From a request read to its first meaningful byte; to the whole answer where it is not streamed.";
    IN_FLIGHT = "moonrelay_requests_in_flight" MetricKind::Gauge, [],
        "Requests that have no complete answer yet.";
    REJECTED = "moonrelay_refused_total" MetricKind::Counter, ["reason"],
        "Requests that got an error and are in no other count: strangers, foreign pages, bodies too large, unknown routes.";
    ATTEMPTS = "moonrelay_attempts_total" MetricKind::Counter, ["provider", "model", "result"],
        "Tries of targets, and targets that were passed over, by what came of it.";
    FALLBACKS = "moonrelay_fallbacks_total" MetricKind::Counter, ["from", "to", "reason"],
        "Requests that another model answered than the first of their chain, and why that one did not.";
    TOKENS = "moonrelay_tokens_total" MetricKind::Counter, ["model", "kind", "part"],
        "Tokens, each counted once; output includes reasoning.";
    REASONING_TOKENS = "moonrelay_reasoning_tokens_total" MetricKind::Counter, ["model", "part"],
        "The part of the output tokens that was reasoning.";
    ESTIMATED_TOKENS = "moonrelay_estimated_tokens_total" MetricKind::Counter, ["model", "kind"],
        "The part of the tokens that the gateway counted itself, as the provider gave no figure.";
    COST = "moonrelay_cost_total" MetricKind::Counter, ["model", "currency", "part"],
        "What the tokens cost, in units of the currency, where a price is known.";
    TARGET_STATE = "moonrelay_target_state" MetricKind::Gauge, ["provider", "model", "state"],
        "1 for the state that a target of the default chain is in, 0 for the others.";
    COOLDOWN_END = "moonrelay_target_cooldown_end_timestamp_seconds" MetricKind::Gauge, ["provider", "model", "reason"],
        "When a target of the default chain that cools down is tried again, and why it rests.";
    PROVIDER_STATE = "moonrelay_provider_state" MetricKind::Gauge, ["provider", "state"],
        "1 for the state that a provider is in, 0 for the others; of several keys and models the worst counts.";
    RELOAD_SUCCESSFUL = "moonrelay_config_last_reload_successful" MetricKind::Gauge, [],
        "1 unless the last new configuration was refused.";
    USAGE_QUEUE = "moonrelay_ledger_queue_length" MetricKind::Gauge, [],
        "Entries that wait to be written.";
    USAGE_WRITTEN = "moonrelay_ledger_written_total" MetricKind::Counter, [],
        "Entries that the ledger's store has taken.";
    USAGE_DROPPED = "moonrelay_ledger_dropped_total" MetricKind::Counter, [],
        "Entries that nobody will find: the queue was full, or the store refused them.";
    USAGE_FAILING = "moonrelay_ledger_failing" MetricKind::Gauge, [],
        "1 when the last write of the ledger failed.";
    TRACES_DROPPED = "moonrelay_traces_dropped_total" MetricKind::Counter, [],
        "Requests whose spans no collector has: the queue was full, or the collector did not take them.";
    BUILD_INFO = "moonrelay_build_info" MetricKind::Gauge, ["version"],
        "1; which version runs.";
    STARTED = "process_start_time_seconds" MetricKind::Gauge, [],
        "When the process began to serve, in seconds since 1970.";
    MEMORY = "process_resident_memory_bytes" MetricKind::Gauge, [],
        "Memory that the process has; Linux only.";
    DESCRIPTORS = "process_open_fds" MetricKind::Gauge, [],
        "File descriptors that are open; Linux only.";
}

impl MetricDefinition {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    pub(super) fn counter(&self, registry: &Registry) -> Result<Series<IntCounterVec>, prometheus::Error> {
        let counter = IntCounterVec::new(self.opts(), self.labels)?;
        registry.register(Box::new(counter.clone()))?;
        Ok(Series::of(counter))
    }

    pub(super) fn histogram(&self, registry: &Registry) -> Result<Series<HistogramVec>, prometheus::Error> {
        let mut opts = HistogramOpts::from(self.opts());
        if let MetricKind::Histogram(bounds) = self.kind {
            opts.buckets = bounds.to_vec();
        }
        let histogram = HistogramVec::new(opts, self.labels)?;
        registry.register(Box::new(histogram.clone()))?;
        Ok(Series::of(histogram))
    }

    pub(super) fn gauge(&self, registry: &Registry) -> Result<GaugeVec, prometheus::Error> {
        let gauge = GaugeVec::new(self.opts(), self.labels)?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    /// A counter with fractional values, not registered yet.
    pub(super) fn float_counter(&self) -> Result<CounterVec, prometheus::Error> {
        CounterVec::new(self.opts(), self.labels)
    }
}
