//! What it costs to count one request for Prometheus, and to tell of all.
//!
//! `cargo run --release -p moonrelay-benches --bin metrics` prints medians.

mod race;

use std::time::{Duration, SystemTime};

use moonrelay::failure::Reason;
use moonrelay::protocol::amount::Amount;
use moonrelay::protocol::face::Face;
use moonrelay::protocol::usage::Usage;
use moonrelay::record::{Attempt, Bill, Outcome, Pricing, Record, RequestId};
use moonrelay::telemetry::metrics::Metrics;
use moonrelay::telemetry::metrics::standing::{Ledger, Standing};

use race::{Contender, race};

const MODELS: [&str; 3] = ["kimi/kimi-for-coding", "moonshot/kimi-k3", "openrouter/auto"];

fn main() {
    let metrics = Metrics::default();
    metrics.configured(MODELS);
    let (well, fallen) = (record(&[]), record(&MODELS[..2]));
    let mut contenders = [
        Contender::new("answered at once", || note(&metrics, &well)),
        Contender::new("answered by the third target", || note(&metrics, &fallen)),
    ];
    race("count a request", "ns", 1e9 / f64::from(TIMES), 400, &mut contenders);
    let standing = standing();
    let mut contenders =
        [Contender::new("all", || metrics.text(&standing).map(|text| text.len()).unwrap_or_default())];
    race("tell a scrape", "µs", 1e6, 400, &mut contenders);
}

/// The clock's own cost is not to be seen.
const TIMES: u32 = 1000;

fn note(metrics: &Metrics, record: &Record) -> usize {
    for _ in 0..TIMES {
        metrics.note(std::hint::black_box(record));
    }
    0
}

/// A stream that the last model answers, behind these that failed.
fn record(failed: &[&str]) -> Record {
    let usage = Usage { input: 900, output: 300, cache_read: 8000, reasoning: 100, ..Usage::default() };
    let attempt = |reference: &str, outcome| Attempt {
        reference: reference.to_owned(),
        outcome,
        detail: String::new(),
        timeout: None,
        began: Duration::ZERO,
        took: Duration::from_millis(20),
        usage: None,
        bill: None,
    };
    let mut attempts: Vec<Attempt> =
        failed.iter().map(|model| attempt(model, Outcome::Failed(Reason::RateLimit))).collect();
    let bill = Bill {
        amount: Amount::from_picos(1_434_000_000),
        currency: "USD".to_owned(),
        pricing: Pricing::Price,
    };
    attempts.push(Attempt { usage: Some(usage), bill: Some(bill), ..attempt(MODELS[2], Outcome::Ok) });
    Record {
        request_id: RequestId::now(),
        at: SystemTime::UNIX_EPOCH,
        trace_parent: None,
        client: "laptop".to_owned(),
        requested: "default".to_owned(),
        face: Face::Chat,
        called: Some(Face::Chat),
        answered: Some(MODELS[2].to_owned()),
        attempts,
        rules: Vec::new(),
        dropped: Vec::new(),
        thinking: None,
        usage: Some(usage),
        streamed: true,
        first_byte: Some(Duration::from_millis(800)),
        took: Duration::from_secs(12),
        abandoned: false,
        failed: None,
    }
}

fn standing() -> Standing {
    Standing {
        targets: Vec::new(),
        providers: Vec::new(),
        in_flight: 1,
        reloaded: true,
        started: SystemTime::UNIX_EPOCH,
        ledger: Ledger::default(),
        traces_dropped: 0,
    }
}
