//! Measures the cost of the usage database.
//!
//! `cargo build --release --locked && cargo run --release -p moonrelay-benches --bin usage-database` first times the
//! store alone. Then it sends requests through two gateways in turn, one with `usage.store: "sqlite"` and one
//! with "none". It prints ratios of the time per block of requests, and of the gateway's processor time,
//! background writes included. Other load on the machine affects both.

#[path = "translation/process.rs"]
mod process;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use clap::Parser;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use moonrelay::protocol::amount::Amount;
use moonrelay::protocol::usage::TokenUsage;
use moonrelay::record::{AttemptCost, CostSource, RequestId};
use moonrelay::upstream::{Client, Connector, UpstreamRequest};
use moonrelay::usage::{self, GroupBy, UsageAttempt, UsageEntry, UsageQuery};
use process::{Served, gateway, simulator};
use serde_json::json;

/// Longer than the collection interval for writes.
const WRITTEN: Duration = Duration::from_millis(600);
const CLIENTS: usize = 4;
const DAY: Duration = Duration::from_secs(86_400);

/// What to measure, and how often.
#[derive(Debug, Parser)]
struct Options {
    /// The gateway's binary.
    #[arg(long, default_value = "target/release/moonrelay")]
    binary: PathBuf,
    /// Blocks of requests through each gateway.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Requests in a block.
    #[arg(long, default_value_t = 1_000)]
    requests: usize,
    /// Entries in the file that is aggregated.
    #[arg(long, default_value_t = 100_000)]
    entries: usize,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    store(options.entries).await;
    through(&options).await;
}

/// Median, and the 10th and 90th percentile.
fn report(name: &str, unit: &str, mut values: Vec<f64>) {
    values.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| values[(values.len() - 1) * percent / 100];
    println!("{name:44}{:>10.3} {unit} (p10 {:.3}, p90 {:.3})", at(50), at(10), at(90));
}

async fn store(entries: usize) {
    let home = tempfile::tempdir().expect("a directory");
    let store = usage::open_database(home.path()).expect("it opens");
    let (mut appends, now) = (Vec::new(), SystemTime::now());
    let all: Vec<_> = (0..entries).map(|number| Arc::new(entry(number, entries, now))).collect();
    for batch in all.chunks(256) {
        let began = Instant::now();
        store.append(batch).await.expect("it is written");
        appends.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let question = UsageQuery {
        since: now - DAY * 30,
        until: None,
        group_by: vec![GroupBy::Day, GroupBy::Model],
        zone: jiff::tz::TimeZone::UTC,
    };
    let mut sums = Vec::new();
    for _ in 0..11 {
        let began = Instant::now();
        let rows = store.query(&question).await.expect("they are read");
        sums.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(rows.iter().map(|row| row.answered.attempts).sum::<u64>() as usize == entries);
    }
    report("append of 256 entries", "ms", appends);
    report(&format!("sums of {entries} entries by day and model"), "ms", sums);
}

/// One of many entries, evenly over 29 days; every fourth used a fallback.
fn entry(number: usize, of: usize, now: SystemTime) -> UsageEntry {
    let model = ["kimi/kimi-for-coding", "moonshot/kimi-k3", "openrouter/auto"][number % 3];
    let (provider, name) = model.split_once('/').expect("it has a provider");
    let attempt = |outcome: &'static str, usage: Option<TokenUsage>| UsageAttempt {
        provider: provider.to_owned(),
        model: name.to_owned(),
        outcome: outcome.into(),
        detail: String::new(),
        started_after: Duration::ZERO,
        duration: Duration::from_millis(900),
        usage,
        bill: usage.map(|_| AttemptCost {
            amount: Amount::from_picos(1_434_000_000),
            currency: "USD".to_owned(),
            source: CostSource::PriceTable,
        }),
    };
    let usage = TokenUsage { input: 600, output: 200, cache_read: 400, ..TokenUsage::default() };
    let failed = number.is_multiple_of(4).then(|| attempt("rate_limit", None));
    UsageEntry {
        request_id: RequestId::from_time(now - DAY * 29 + (DAY * 29).mul_f64(number as f64 / of as f64)),
        client: "opencode".to_owned(),
        requested: "default".to_owned(),
        api: "openai-completions".into(),
        target_api: Some("openai-completions".into()),
        answered_by: Some(model.to_owned()),
        is_streamed: true,
        thinking: None,
        outcome: "ok".into(),
        first_byte: Some(Duration::from_millis(700)),
        duration: Duration::from_secs(4),
        rules: vec!["model".into()],
        losses: Vec::new(),
        attempts: failed.into_iter().chain([attempt("ok", Some(usage))]).collect(),
    }
}

async fn through(options: &Options) {
    let simulator = simulator(&options.binary).await;
    let [kept, none] = [
        start(&options.binary, &simulator, "sqlite").await,
        start(&options.binary, &simulator, "none").await,
    ];
    let client = Arc::new(Client::new(Duration::from_secs(5)));
    let (mut times, mut spent, mut each) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..=options.rounds {
        let mut costs = [(0.0, 0.0); 2];
        for turn in 0..2 {
            let which = (round + turn) % 2;
            costs[which] = block(&client, [&kept, &none][which], options.requests).await;
        }
        // The first round warms both up.
        if round > 0 {
            times.push(costs[0].0 / costs[1].0);
            spent.push(costs[0].1 / costs[1].1);
            for (sum, cost) in each.iter_mut().zip(costs) {
                sum.push(cost.1 / options.requests as f64 * 1e6);
            }
        }
    }
    let [with, without] = each;
    report("processor time a request, sqlite", "µs", with);
    report("processor time a request, none", "µs", without);
    report("processor time, sqlite to none", "", spent);
    report("time of a block, sqlite to none", "", times);
}

async fn start(binary: &Path, simulator: &Served, store: &str) -> Served {
    let provider = json!({
        "baseUrl": format!("{}/moonshot/v1", simulator.base), "apiKey": "sk-bench-0000000000",
    });
    let config = json!({
        "agents": { "defaults": { "model": "moonshot/kimi-k3" } },
        "models": { "providers": { "moonshot": provider } },
        "usage": { "store": store }, "logging": { "level": "error" },
    });
    gateway(binary, &config).await
}

/// Sends the requests. Returns the elapsed time and the gateway's processor time, in seconds.
async fn block(client: &Arc<Client>, gateway: &Served, requests: usize) -> (f64, f64) {
    let (before, began) = (processor(gateway.pid), Instant::now());
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, url) = (client.clone(), format!("{}/v1/chat/completions", gateway.base));
        clients.spawn(async move {
            for _ in 0..requests / CLIENTS {
                ask(&client, &url).await;
            }
        });
    }
    clients.join_all().await;
    let took = began.elapsed().as_secs_f64();
    tokio::time::sleep(WRITTEN).await;
    (took, processor(gateway.pid) - before)
}

async fn ask(client: &Client, url: &str) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = json!({ "model": "default", "messages": [{ "role": "user", "content": "Say hello" }] });
    let body = vec![Bytes::from(body.to_string())];
    let call = UpstreamRequest { method: Method::POST, url: url.to_owned().into(), headers, body };
    let mut response = client.send(call).await.expect("it answers");
    assert!(response.status.is_success(), "{}", response.status);
    while let Some(chunk) = response.body.next().await {
        chunk.expect("it is whole");
    }
}

/// Processor time of all threads of a process, in seconds. Its idle threads live longer than a round.
fn processor(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let spent = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    spent.sum::<f64>() / 1e9
}
