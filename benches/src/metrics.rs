//! Measures the cost of counting one request for Prometheus, and of rendering all metrics.
//!
//! `cargo run --release -p moonrelay-benches --bin metrics` prints medians.

mod race;

use std::time::{Duration, SystemTime};

use moonrelay::failure::Reason;
use moonrelay::protocol::amount::Amount;
use moonrelay::protocol::api::Api;
use moonrelay::protocol::usage::TokenUsage;
use moonrelay::record::{Attempt, AttemptCost, AttemptOutcome, CostSource, Record, RequestId};
use moonrelay::telemetry::metrics::{Metrics, Registry};

use race::{Contender, race};

const MODELS: [&str; 3] = ["kimi/kimi-for-coding", "moonshot/kimi-k3", "openrouter/auto"];

fn main() {
    let metrics = Metrics::default();
    metrics.register_models(MODELS);
    let (well, fallen) = (record(&[]), record(&MODELS[..2]));
    let mut contenders = [
        Contender::new("answered at once", || note(&metrics, &well)),
        Contender::new("answered by the third target", || note(&metrics, &fallen)),
    ];
    race("count a request", "ns", 1e9 / f64::from(TIMES), 400, &mut contenders);
    let gauges = Registry::new();
    let mut contenders =
        [Contender::new("all", || metrics.encode(&gauges).map(|text| text.len()).unwrap_or_default())];
    race("tell a scrape", "µs", 1e6, 400, &mut contenders);
}

/// Enough calls to make the cost of reading the clock negligible.
const TIMES: u32 = 1000;

fn note(metrics: &Metrics, record: &Record) -> usize {
    for _ in 0..TIMES {
        metrics.record(std::hint::black_box(record));
    }
    0
}

/// A stream served by the last model, after these failed.
fn record(failed: &[&str]) -> Record {
    let usage =
        TokenUsage { input: 900, output: 300, cache_read: 8000, reasoning: 100, ..TokenUsage::default() };
    let attempt = |reference: &str, outcome| Attempt {
        reference: reference.to_owned(),
        outcome,
        detail: String::new(),
        timeout: None,
        start_offset: Duration::ZERO,
        duration: Duration::from_millis(20),
        usage: None,
        cost: None,
    };
    let mut attempts: Vec<Attempt> =
        failed.iter().map(|model| attempt(model, AttemptOutcome::Failed(Reason::RateLimit))).collect();
    let bill = AttemptCost {
        amount: Amount::from_picos(1_434_000_000),
        currency: "USD".to_owned(),
        source: CostSource::PriceTable,
    };
    attempts.push(Attempt { usage: Some(usage), cost: Some(bill), ..attempt(MODELS[2], AttemptOutcome::Ok) });
    Record {
        request_id: RequestId::now(),
        received_at: SystemTime::UNIX_EPOCH,
        trace_parent: None,
        client: "laptop".to_owned(),
        requested_model: "default".to_owned(),
        api: Api::ChatCompletions,
        upstream_api: Some(Api::ChatCompletions),
        served_by: Some(MODELS[2].to_owned()),
        attempts,
        applied_rules: Vec::new(),
        losses: Vec::new(),
        thinking: None,
        usage: Some(usage),
        is_streaming: true,
        time_to_first_byte: Some(Duration::from_millis(800)),
        duration: Duration::from_secs(12),
        client_disconnected: false,
        failure_reason: None,
    }
}
