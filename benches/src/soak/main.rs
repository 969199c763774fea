//! A bounded soak test: many streams through the release binary while its upstreams fail, its configuration is
//! reloaded and it is killed once. Every response is compared with the complete one. Further rounds follow
//! until one needs no additional memory; file descriptors and threads must return to their initial numbers. No
//! result depends on the speed of the machine.
//!
//! `cargo run --release -p moonrelay-benches --bin soak` runs ten minutes; `--seconds 20 --streams 200` is the
//! short variant. Exit code 1 when a response was wrong, a resource leaked, or a target stays in cooldown.

mod client;
mod faults;
mod measure;
mod process;
mod report;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::time::{Instant, sleep};

use client::Client;
use measure::{Gauge, Sample};
use report::Report;
use run::Run;

/// The time for resources to recover; waited for only if they do not. Longer than the idle connection timeout,
/// so that only leaks remain.
const RECOVERY: Duration = Duration::from_secs(120);

/// A bounded soak of the gateway.
#[derive(Debug, Parser)]
pub struct Options {
    /// How long streams are started
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How many streams, evenly over that time; a fault is ordered for one in five, here and in the rounds after it
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
    if report.is_good() {
        return ExitCode::SUCCESS;
    }
    eprintln!("what the gateway said last:\n{}", report.log.join("\n"));
    ExitCode::FAILURE
}

async fn soak(options: &Options) -> Report {
    let mut run = Run::begin(&options.binary).await;
    run.over(Duration::from_secs(options.seconds), options.streams).await;
    let length = run.began.elapsed();
    let rounds = run.rounds().await;
    run.client.forget_faults().await;
    let stuck = stuck(&run.client).await;
    let refused_reload = run.client.refused_reload().await;
    let Run { began, client, mut gauge, started, ended, reloads, killed, place, gateway: _gateway, .. } = run;
    // The file descriptors of the gateway's idle connections.
    drop(client);
    let last = settled(&mut gauge, began).await;
    let (log, streams) = (place.log(), started);
    Report { length, streams, ended, reloads, refused_reload, killed, gauge, rounds, last, stuck, log }
}

/// Providers that are still in cooldown when every cooldown should be over.
async fn stuck(client: &Client) -> Vec<String> {
    let began = Instant::now();
    loop {
        let cooling = client.cooling().await;
        if cooling.is_empty() || began.elapsed() > RECOVERY {
            return cooling;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until descriptors and threads recover or the time is over.
async fn settled(gauge: &mut Gauge, began: Instant) -> Sample {
    let over = Instant::now();
    loop {
        let sample = gauge.sample(began.elapsed());
        if gauge.is_back(&sample) || over.elapsed() > RECOVERY {
            return sample;
        }
        sleep(Duration::from_millis(500)).await;
    }
}
