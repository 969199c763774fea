//! Memory, file descriptors and threads of the gateway, from `/proc`.

use std::fs;
use std::time::Duration;

/// Idle connections to one upstream that the gateway keeps, and the last ones of the clients.
const DESCRIPTOR_SLACK: usize = 12;
/// Descriptors that read a file for a reload are temporary.
const THREAD_SLACK: usize = 2;
/// Memory that a round may need beyond all earlier ones, in KiB: about 10 KB for each of its streams.
const STEP: u64 = 1024;

/// Whether each of these rounds needed more memory than all earlier ones, in KiB; the first one has no
/// comparison.
pub fn has_grown(rounds: &[u64]) -> bool {
    let Some((last, before)) = rounds.split_last() else { return true };
    before.iter().max().is_none_or(|most| *last > most + STEP)
}

/// One sample.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the start.
    pub at: Duration,
    /// Resident set, in KiB.
    pub memory: u64,
    pub descriptors: usize,
    pub threads: usize,
    /// 0 is the first process.
    pub process: usize,
}

/// Samples one process after the other.
pub struct Gauge {
    pid: u32,
    process: usize,
    pub samples: Vec<Sample>,
    /// Of each process, before it served a request.
    pub fresh: Vec<Sample>,
}

impl Gauge {
    pub fn new(pid: u32) -> Self {
        let fresh = vec![look(pid, Duration::ZERO, 0)];
        Self { pid, process: 0, samples: Vec::new(), fresh }
    }

    /// Switches to another process.
    pub fn follow(&mut self, pid: u32) {
        self.pid = pid;
        self.process += 1;
        let at = self.samples.last().map_or(Duration::ZERO, |sample| sample.at);
        self.fresh.push(look(pid, at, self.process));
    }

    pub fn sample(&mut self, at: Duration) -> Sample {
        let sample = look(self.pid, at, self.process);
        self.samples.push(sample);
        sample
    }

    /// Whether descriptors and threads have returned to their initial numbers.
    pub fn is_back(&self, sample: &Sample) -> bool {
        self.leaks(sample).is_empty()
    }

    /// Describes what exceeds the initial numbers. The first process is the reference, because all are alike.
    pub fn leaks(&self, sample: &Sample) -> Vec<String> {
        let Some(fresh) = self.fresh.first() else { return Vec::new() };
        let mut leaks = Vec::new();
        let mut compare = |what: &str, now: usize, then: usize, slack: usize| {
            if now > then + slack {
                leaks.push(format!("{now} {what}, {then} at the start"));
            }
        };
        compare("descriptors", sample.descriptors, fresh.descriptors, DESCRIPTOR_SLACK);
        compare("threads", sample.threads, fresh.threads, THREAD_SLACK);
        leaks
    }

    /// The warm state of the last process: the median of the first third of its samples.
    pub fn warm(&self) -> Option<Sample> {
        let mut own: Vec<Sample> =
            self.samples.iter().filter(|sample| sample.process == self.process).copied().collect();
        own.truncate(own.len().div_ceil(3));
        own.sort_by_key(|sample| sample.memory);
        own.get(own.len() / 2).copied()
    }
}

fn look(pid: u32, at: Duration, process: usize) -> Sample {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the gateway runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
    let memory = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).expect("the gateway runs").count();
    Sample { at, memory, descriptors: count("fd"), threads: count("task"), process }
}
