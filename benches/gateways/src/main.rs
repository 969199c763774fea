//! Gateways side by side, in one run.
//!
//! `cargo run --release -p moonrelay-gateways`

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use gateways::case::Case;
use gateways::measure::Lengths;
use gateways::mock::Mock;
use gateways::process::{Cores, raise_file_limit};
use gateways::race::{Plan, Results, race};
use gateways::{peers, report, rows};
use tokio::signal::unix::{SignalKind, signal};

/// Measures gateways side by side and prints tables of ratios.
#[derive(Parser)]
struct Arguments {
    /// Moonrelay's release build.
    #[arg(long, default_value = "target/release/moonrelay")]
    binary: PathBuf,
    /// The release build of an earlier Moonrelay, for a row `moonrelay-before`.
    #[arg(long)]
    before: Option<PathBuf>,
    /// Only these rows.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these cases.
    #[arg(long, value_delimiter = ',', value_parser = case)]
    cases: Vec<Case>,
    /// How often each row is measured under each case.
    #[arg(long)]
    rounds: Option<usize>,
    /// Small requests a second where the schedule is fixed; larger ones come less often.
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// Short, for a look: two rounds, without thousands of streams.
    #[arg(long)]
    quick: bool,
    /// Writes every figure of every round to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes the tables for a page to this file.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Installs the other gateways (those of `--only`, else all) and ends.
    #[arg(long)]
    install: bool,
    /// Where the other gateways are installed [default: `moonrelay/peers` in the user's cache directory].
    #[arg(long)]
    peers: Option<PathBuf>,
}

fn case(name: &str) -> Result<Case, String> {
    let names = || Case::ALL.map(Case::name).join(", ");
    Case::ALL.into_iter().find(|case| case.name() == name).ok_or_else(|| format!("one of {}", names()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let peers = arguments.peers.clone().or_else(peers::default_directory);
    if arguments.install {
        let peers = peers.ok_or("no $HOME to install into: give --peers DIR")?;
        let complete = peers::install(&peers, &arguments.only)?;
        return if complete { Ok(()) } else { Err("not all are installed".into()) };
    }
    build_floor()?;
    let cores = Cores::claim()?;
    let files = raise_file_limit();
    let mock = Mock::start(([127, 0, 0, 1], 0).into()).await?;
    let rows: Vec<_> = rows::all(&arguments.binary, arguments.before.as_deref(), peers.as_deref())
        .into_iter()
        .filter(|row| arguments.only.is_empty() || arguments.only.iter().any(|name| name == row.name()))
        .collect();
    if let Some(unknown) = arguments.only.iter().find(|name| rows.iter().all(|row| row.name() != **name)) {
        return Err(format!("no row is called {unknown}").into());
    }
    let plan = plan(&arguments);
    let busy = busy().await;
    if let Some(busy) = &busy {
        eprintln!("warning: {busy}");
    }
    eprintln!("gateways on core {}, load and mock on core {}, {files} files", cores.gateway, cores.load);
    let say = |step: &str| eprintln!("[{:>4}s] {step}", begun.elapsed().as_secs());
    let results = tokio::select! {
        biased;
        results = race(rows, &plan, &mock, cores, say) => results,
        // Dropped, the race ends what it started.
        signalled = interrupted() => return Err(signalled.map_or_else(Into::into, |()| "interrupted: no tables".into())),
    };
    let tables = report::tables(&results);
    for table in &tables {
        print!("{}", table.text());
    }
    for note in report::notes(&results) {
        println!("\n{note}");
    }
    if let Some(file) = &arguments.json {
        std::fs::write(file, json(&results)?)?;
    }
    if let Some(file) = &arguments.markdown {
        let tables: String = tables.iter().map(gateways::table::Table::markdown).collect();
        let notes: String = report::notes(&results).iter().map(|note| format!("- {note}\n")).collect();
        std::fs::write(file, format!("{}\n\n{tables}{notes}", heading(&arguments, &plan, busy.as_deref())))?;
    }
    eprintln!("[{:>4}s] done", begun.elapsed().as_secs());
    Ok(())
}

/// Resolves when this program receives a termination signal.
async fn interrupted() -> io::Result<()> {
    let [mut hangup, mut interrupt, mut terminate] =
        [signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    tokio::select! {
        _ = hangup.recv() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn plan(arguments: &Arguments) -> Plan {
    let held = |case: &Case| matches!(case, Case::Open1000 | Case::Open5000);
    let quick = arguments.quick;
    let mut cases: Vec<Case> = Case::ALL.into_iter().filter(|case| !quick || !held(case)).collect();
    if !arguments.cases.is_empty() {
        cases = Case::ALL.into_iter().filter(|case| arguments.cases.contains(case)).collect();
    }
    let rounds = arguments.rounds.unwrap_or(if quick { 2 } else { 5 }).max(1);
    Plan {
        cases,
        rounds,
        open_rounds: rounds.min(if quick { 1 } else { 2 }),
        lengths: if quick { Lengths::QUICK } else { Lengths::STANDARD },
        rate: arguments.rate.max(1.0),
        starts: if quick { 3 } else { 11 },
    }
}

/// `cargo run` builds only the program that it runs; the floor is another one of this package.
fn build_floor() -> Result<(), String> {
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(()) };
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "-p", "moonrelay-gateways", "--bin", "floor"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).status();
    let built = status.map_err(|error| error.to_string())?.success();
    if built { Ok(()) } else { Err("the floor cannot be built".to_owned()) }
}

fn json(results: &Results) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(results)
}

/// When, with which command, and on what it ran.
fn heading(arguments: &Arguments, plan: &Plan, busy: Option<&str>) -> String {
    let today = jiff::Timestamp::now().strftime("%F");
    let mut command = "cargo run --release -p moonrelay-gateways --".to_owned();
    if arguments.quick {
        command.push_str(" --quick");
    }
    if !arguments.only.is_empty() {
        command.push_str(&format!(" --only {}", arguments.only.join(",")));
    }
    if arguments.peers.is_some() {
        command.push_str(" --peers DIR");
    }
    if !arguments.cases.is_empty() {
        let cases: Vec<&str> = arguments.cases.iter().map(|case| case.name()).collect();
        command.push_str(&format!(" --cases {}", cases.join(",")));
    }
    if let Some(rounds) = arguments.rounds {
        command.push_str(&format!(" --rounds {rounds}"));
    }
    let command = command.trim_end_matches(" --");
    let busy = busy.map_or_else(String::new, |busy| format!(" **{busy}**"));
    format!("{today} (`{command}`, rounds: {}; {}).{busy}", plan.rounds, machine())
}

/// Detects other load before the run, which would affect every figure. The load average is unsuitable, because
/// it includes the build of this program.
async fn busy() -> Option<String> {
    let before = processor_time()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = processor_time()?;
    let share = 100.0 * (1.0 - (after.0 - before.0) / (after.1 - before.1));
    (share > 5.0)
        .then(|| format!("Others had {share:.0} % of the processors before the run: its times do not count."))
}

/// Idle, and all there was.
fn processor_time() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let times: Vec<f64> =
        text.lines().next()?.split_whitespace().skip(1).filter_map(|time| time.parse().ok()).collect();
    // `guest` times are in `user` already.
    Some((*times.get(3)?, times.iter().take(8).sum()))
}

/// The processor's own name and the kernel.
fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{}, Linux {}", model.unwrap_or("unknown processor"), kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_name_parses() {
        for of in Case::ALL {
            assert_eq!(case(of.name()), Ok(of));
        }
        assert!(case("other").is_err());
    }
}
