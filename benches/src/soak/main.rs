//! A bounded soak: many streams through the release binary while its upstreams fail, its configuration is reloaded and
//! it is killed once. Every answer is compared with the uncut one; memory and file descriptors are measured.
//!
//! `cargo run --release -p moonrelay-benches --bin soak` runs ten minutes; `--seconds 20 --streams 200` is the short one.
//! Exit code 1 when an answer was wrong, a resource leaked, or a target rests for ever.

mod client;
mod faults;
mod measure;
mod process;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use client::{Client, Ended};
use measure::{Gauge, Sample};
use process::{Gateway, Place};
use report::Report;

/// Between two reloads, by signal and by a changed file in turns.
const RELOAD: Duration = Duration::from_secs(5);
/// After the last stream the longest rest of the configuration must be over by then.
const RECOVERY: Duration = Duration::from_secs(30);

/// A bounded soak of the gateway.
#[derive(Debug, Parser)]
pub struct Options {
    /// How long streams are started
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How many streams, evenly over that time; a fault is ordered for one in five
    #[arg(long, default_value_t = 2000)]
    streams: u32,
    /// The gateway and simulator under test
    #[arg(long, default_value = "target/release/moonrelay")]
    binary: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw memory over time into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let report = soak(&options).await;
    if let Some(file) = &options.svg {
        std::fs::write(file, report.drawing()).expect("the drawing can be written");
    }
    println!("{}", if options.json { format!("{:#}", report.as_json()) } else { report.as_text() });
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn soak(options: &Options) -> Report {
    let place = Place::new(&options.binary);
    let upstream = process::simulator(&place).await;
    let client = Arc::new(Client::new(place.address(), &upstream.base));
    let uncut = client.uncut().await;
    client.order(&faults::pace()).await;
    place.configure(&upstream.base, 0);
    let mut gateway = Gateway::start(&place).await;
    let mut gauge = Gauge::new(gateway.pid());

    let length = Duration::from_secs(options.seconds);
    let began = Instant::now();
    let every = length / options.streams;
    let (kill_at, measure_every) = (length / 2, (length / 60).max(Duration::from_secs(1)));
    let (mut next_reload, mut next_measure, mut reloads) = (RELOAD, measure_every, 0);
    let mut killed = None;
    let mut streams = JoinSet::new();
    for number in 0..options.streams {
        sleep_until(began + every * number).await;
        let now = began.elapsed();
        if killed.is_none() && now >= kill_at {
            gauge.sample(now);
            gateway = gateway.killed(&place).await;
            killed = Some(now);
            gauge.follow(gateway.pid());
        }
        if now >= next_reload {
            reloads += 1;
            if reloads % 2 == 0 {
                gateway.hang_up()
            } else {
                place.configure(&upstream.base, reloads)
            }
            next_reload += RELOAD;
        }
        if now >= next_measure {
            gauge.sample(now);
            next_measure += measure_every;
        }
        if let Some(fault) = faults::for_stream(number) {
            client.order(&fault).await;
        }
        let (client, text) = (client.clone(), uncut[number as usize % uncut.len()].clone());
        streams.spawn(async move { client.stream(number, &text).await });
    }
    let mut ended: Vec<Ended> = Vec::new();
    while let Some(stream) = streams.join_next().await {
        ended.push(stream.expect("a stream does not panic"));
    }
    let drained = began.elapsed();
    client.forget_faults().await;
    let stuck = stuck(&client).await;
    let refused_reload = client.refused_reload().await;
    // The client's idle connections are the gateway's file descriptors.
    drop(client);
    sleep(Duration::from_secs(1)).await;
    let last: Sample = gauge.sample(began.elapsed());
    Report {
        length: drained,
        streams: options.streams,
        ended,
        reloads,
        refused_reload,
        killed,
        gauge,
        last,
        stuck,
    }
}

/// Providers that still rest when every cooldown should be over.
async fn stuck(client: &Client) -> Vec<String> {
    let mut resting = Vec::new();
    let ready = async {
        loop {
            resting = client.resting().await;
            if resting.is_empty() {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let _ = timeout(RECOVERY, ready).await;
    resting
}
