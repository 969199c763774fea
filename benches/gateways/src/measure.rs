//! One row under one case, once.

use std::cell::Cell;
use std::time::Duration;

use crate::case::Case;
use crate::contestant::Contestant;
use crate::load::{Burst, Connection, Samples, Schedule, Target, closed, cold, open, streams};
use crate::mock::Mock;
use crate::stats::{median, percentile};
use crate::usage::audit;

/// Connections of [`Case::Throughput`] and of [`Case::Streams`].
pub const CLIENTS: [usize; 2] = [64, 16];
/// The share of its time that a row may be busy on a fixed schedule: one that is slower than that is asked less often.
const BUSY: f64 = 0.4;

/// Requests with empty caches for each second of [`Lengths::open`]: each takes more than a millisecond.
const COLD: f64 = 250.0;

/// How long each case is measured.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// On a fixed schedule.
    pub open: Duration,
    /// As fast as it goes.
    pub closed: Duration,
    /// Paced streams.
    pub paced: Duration,
}

impl Lengths {
    /// For figures.
    pub const STANDARD: Self = Self::milliseconds(1600, 2000, 3000);
    /// For a look.
    pub const QUICK: Self = Self::milliseconds(700, 800, 1200);

    const fn milliseconds(open: u64, closed: u64, paced: u64) -> Self {
        Self {
            open: Duration::from_millis(open),
            closed: Duration::from_millis(closed),
            paced: Duration::from_millis(paced),
        }
    }
}

/// What came of it. Times are microseconds; NaN is what the case does not tell.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Measure {
    /// Whole answers: median and 99th percentile, from when they were due.
    pub whole: [f64; 2],
    /// The first text of streams.
    pub first: [f64; 2],
    /// A chunk, from the mock to the client.
    pub chunk: [f64; 2],
    /// Right answers a second, where it is asked as fast as it goes.
    pub per_second: f64,
    /// Requests a second, where it is asked on a schedule.
    pub rate: f64,
    /// Processor time of a request (of a stream: all of it).
    pub cpu_request: f64,
    /// Processor time of a request divided by its chunks.
    pub cpu_chunk: f64,
    /// The most resident bytes.
    pub peak: f64,
    /// What each stream added to the resident bytes of a fresh process.
    pub stream_bytes: f64,
    /// Right answers.
    pub right: u64,
    /// Others.
    pub wrong: u64,
    /// The first of these.
    pub fault: Option<String>,
}

/// How many requests a second a case is asked, when a small one is asked `small` times.
#[must_use]
pub const fn nominal_rate(case: Case, small: f64) -> f64 {
    match case {
        Case::Agent => small / 4.0,
        Case::Image => small / 40.0,
        // Ten streams are open at a time, and no two of them have their chunks in the same millisecond.
        Case::Paced | Case::PacedBesideLarge => 100.0,
        _ => small,
    }
}

/// Measures one row under one case; `None` when it cannot do the case.
pub async fn measure(
    contestant: &Contestant,
    case: Case,
    lengths: Lengths,
    rate: f64,
    mock: &Mock,
) -> Option<Measure> {
    let target = contestant.target(case)?;
    let books = contestant.books().await;
    contestant.forget_peak();
    let before = Cell::new(contestant.usage());
    let after = Cell::new(None);
    let begun = || before.set(contestant.usage());
    let counts = mock.counts();
    let warm = lengths.closed / 4;
    let mut samples = match case {
        Case::Throughput | Case::Streams => {
            let clients = CLIENTS[usize::from(case == Case::Streams)];
            let ended = || after.set(Some(contestant.usage()));
            closed(&target, clients, warm, lengths.closed, begun, ended).await
        }
        Case::Open1000 | Case::Open5000 => {
            let count = if case == Case::Open1000 { 1000 } else { 5000 };
            // All are open for some seconds: each takes nine.
            let ramp = Duration::from_secs_f64(count as f64 / 2000.0);
            streams(&target, Burst { count, ramp, patience: Duration::from_secs(120) }).await
        }
        Case::Cold | Case::ColdStream => {
            let count = (lengths.open.as_secs_f64() * COLD) as usize;
            cold(&target, contestant.core(), count, begun).await
        }
        Case::Paced => open(&target, Schedule::new(rate, lengths.paced), begun).await,
        Case::PacedBesideLarge => {
            let large = contestant.large_target()?;
            tokio::select! {
                samples = open(&target, Schedule::new(rate, lengths.paced), begun) => samples,
                fault = repeat(&large) => Samples { wrong: 1, fault: Some(fault), ..Samples::default() },
            }
        }
        _ => open(&target, Schedule::new(rate, lengths.open), begun).await,
    };
    if case == Case::Fallback && contestant.is_process() {
        let (asked, failed) = (mock.counts().whole - counts.whole, mock.counts().failed - counts.failed);
        if asked != failed {
            samples.wrong += 1;
            let fault =
                format!("the first target was asked {failed} times for {asked} answers of the second");
            samples.fault.get_or_insert(fault);
        }
    }
    let after = after.take().unwrap_or_else(|| contestant.usage());
    audit(&mut samples, books, contestant.books().await);
    let cpu = after.cpu.saturating_sub(before.get().cpu) as f64 / 1e3;
    let load = Load { case, cpu, peak: after.peak as f64, fresh: contestant.fresh() as f64, rate };
    Some(load.measure(samples, target.chunks, contestant.is_process()))
}

struct Load {
    case: Case,
    cpu: f64,
    peak: f64,
    fresh: f64,
    rate: f64,
}

impl Load {
    fn measure(&self, mut samples: Samples, chunks: Option<u32>, process: bool) -> Measure {
        let both = |times: &mut [u64]| [50.0, 99.0].map(|percent| percentile(times, percent) / 1e3);
        let right = samples.right as f64;
        let when = |holds: bool, value: f64| if holds { value } else { f64::NAN };
        let held = matches!(self.case, Case::Open1000 | Case::Open5000);
        let closed = matches!(self.case, Case::Throughput | Case::Streams);
        let one_by_one = matches!(self.case, Case::Cold | Case::ColdStream);
        let cpu_request = when(process, self.cpu / right);
        Measure {
            whole: both(&mut samples.whole),
            first: both(&mut samples.first),
            chunk: both(&mut samples.chunks),
            per_second: when(closed, right / (samples.elapsed as f64 / 1e9)),
            rate: when(!held && !closed && !one_by_one, self.rate),
            cpu_request,
            cpu_chunk: chunks.map_or(f64::NAN, |chunks| cpu_request / f64::from(chunks)),
            peak: when(process, self.peak),
            stream_bytes: when(process && held, (self.peak - self.fresh) / right),
            right: samples.right,
            wrong: samples.wrong,
            fault: samples.fault,
        }
    }
}

/// The rate at which this row is asked: the nominal one, or less where it would be busy too much of its time.
pub async fn rate(contestant: &Contestant, case: Case, small: f64) -> f64 {
    let nominal = nominal_rate(case, small);
    // A stream says nothing of how busy its gateway is; a small request does.
    let asked = if case.streams() { Case::Small } else { case };
    let Some(target) = contestant.target(asked) else { return nominal };
    let seconds = one_by_one(&target, 20).await;
    let share = if matches!(case, Case::Paced | Case::PacedBesideLarge) { BUSY / 2.0 } else { BUSY };
    if seconds.is_finite() { nominal.min(share / seconds) } else { nominal }
}

/// Sends requests, each after the one before; returns what was wrong with one.
async fn repeat(target: &Target) -> String {
    let mut connection = match Connection::open(target.address).await {
        Ok(connection) => connection,
        Err(error) => return error.to_string(),
    };
    loop {
        if let Err(fault) = connection.ask(target).await {
            return format!("a body of 4.5 MB beside the streams: {fault}");
        }
    }
}

/// The median time of some requests, each after the one before.
async fn one_by_one(target: &Target, count: usize) -> f64 {
    let mut times = Vec::new();
    let Ok(mut connection) = Connection::open(target.address).await else { return f64::NAN };
    for _ in 0..count {
        let begun = crate::clock::now();
        match connection.ask(target).await {
            Ok(reply) => times.push((reply.end - begun) as f64 / 1e9),
            Err(_) => return f64::NAN,
        }
    }
    median(&times)
}
