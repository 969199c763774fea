//! Runs all rows through all cases, in turn.

use std::time::Duration;

use crate::case::Case;
use crate::contestant::{Contestant, Footprint};
use crate::measure::{Lengths, Measure, measure, rate};
use crate::mock::Mock;
use crate::process::Cores;
use crate::row::Row;

/// The configuration of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cases, in this order.
    pub cases: Vec<Case>,
    /// How often each row is measured under each case.
    pub rounds: usize,
    /// The same for the cases with many streams at a time, which take ten seconds each.
    pub open_rounds: usize,
    /// How long.
    pub lengths: Lengths,
    /// Small requests a second on a fixed schedule; larger ones come less often.
    pub rate: f64,
    /// Starts of which the median is reported.
    pub starts: usize,
}

/// The results.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Results {
    /// In the order of the table.
    pub rows: Vec<RowResults>,
    /// Why others did not run.
    pub skipped: Vec<(String, String)>,
}

/// What came of one row.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RowResults {
    /// Its name.
    pub name: String,
    /// Its version, where it says so.
    pub version: Option<String>,
    /// What must be known of it.
    pub note: Option<String>,
    /// What it costs to have it.
    pub footprint: Footprint,
    /// By case, in the order in which they ran; a measure for each round.
    pub cases: Vec<(Case, Vec<Measure>)>,
    /// Why it dropped out.
    pub lost: Option<String>,
}

struct Runner {
    contestant: Contestant,
    cases: Vec<(Case, Vec<Measure>)>,
    lost: Option<String>,
}

/// Runs it; `say` receives every step.
pub async fn race(
    rows: Vec<Box<dyn Row>>,
    plan: &Plan,
    mock: &Mock,
    cores: Cores,
    mut say: impl FnMut(&str),
) -> Results {
    let mut skipped = Vec::new();
    let mut runners = Vec::new();
    for row in rows {
        let name = row.name().to_owned();
        say(&format!("{name}: start"));
        let started = match Contestant::new(row, mock.address, cores) {
            Ok(mut contestant) => contestant.weigh(plan.starts).await.map(|()| contestant),
            Err(why) => Err(why),
        };
        match started {
            Ok(contestant) => runners.push(Runner { contestant, cases: Vec::new(), lost: None }),
            Err(why) => {
                say(&format!("{name}: skipped: {why}"));
                skipped.push((name, why));
            }
        }
    }
    for &case in &plan.cases {
        run_case(&mut runners, case, plan, mock, &mut say).await;
    }
    let rows = runners.into_iter().map(Runner::results).collect();
    Results { rows, skipped }
}

async fn run_case(runners: &mut [Runner], case: Case, plan: &Plan, mock: &Mock, say: &mut impl FnMut(&str)) {
    let held = matches!(case, Case::Open1000 | Case::Open5000);
    let rounds = if held { plan.open_rounds } else { plan.rounds };
    let mut rates = Vec::new();
    for runner in runners.iter() {
        rates.push(rate(&runner.contestant, case, plan.rate).await);
    }
    for round in 0..rounds {
        for (runner, rate) in runners.iter_mut().zip(&rates) {
            if runner.lost.is_some() || runner.contestant.target(case).is_none() {
                continue;
            }
            // Memory per stream is visible only in a process that has not served other streams.
            if held && let Err(why) = runner.contestant.start().await {
                runner.lost = Some(why);
                continue;
            }
            let measured = measure(&runner.contestant, case, plan.lengths, *rate, mock).await;
            let Some(measure) = measured else { continue };
            say(&line(case, round, rounds, runner.contestant.row.name(), &measure));
            match runner.cases.iter_mut().find(|(of, _)| *of == case) {
                Some((_, measures)) => measures.push(measure),
                None => runner.cases.push((case, vec![measure])),
            }
            // Its background work for this round must not disturb the next row.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn line(case: Case, round: usize, rounds: usize, name: &str, measure: &Measure) -> String {
    let Measure { whole, first, chunk, per_second, cpu_request, wrong, .. } = measure;
    let mut line = format!("{case} {}/{rounds} {name}:", round + 1);
    let mut add = |what: &str, value: f64, unit: &str| {
        if value.is_finite() {
            line.push_str(&format!(" {what} {value:.0}{unit}"));
        }
    };
    add("p50", whole[0], "µs");
    add("p99", whole[1], "µs");
    add("first", first[0], "µs");
    add("chunk", chunk[0], "µs");
    add("/s", *per_second, "");
    add("cpu", *cpu_request, "µs");
    if *wrong > 0 {
        line.push_str(&format!(" WRONG {wrong}: {}", measure.fault.as_deref().unwrap_or_default()));
    }
    line
}

impl Runner {
    fn results(self) -> RowResults {
        let Contestant { row, footprint, .. } = self.contestant;
        RowResults {
            name: row.name().to_owned(),
            version: row.version(),
            note: row.note(),
            footprint,
            cases: self.cases,
            lost: self.lost,
        }
    }
}
