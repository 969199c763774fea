//! Contenders that run in turn.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One implementation.
pub struct Contender<'a> {
    name: &'static str,
    work: Box<dyn FnMut() -> usize + 'a>,
    times: Vec<Duration>,
}

impl<'a> Contender<'a> {
    pub fn new(name: &'static str, work: impl FnMut() -> usize + 'a) -> Self {
        Self { name, work: Box::new(work), times: Vec::new() }
    }

    fn run(&mut self) -> Duration {
        let start = Instant::now();
        black_box((self.work)());
        start.elapsed()
    }

    /// The time that this share of the rounds did not exceed.
    fn quantile(&self, percent: usize) -> f64 {
        let place = (self.times.len() - 1) * percent / 100;
        self.times.get(place).map_or(f64::NAN, Duration::as_secs_f64)
    }
}

/// Runs the contenders in turn, each round starting with another one, and prints their times; ratios are
/// relative to the first.
pub fn race(title: &str, unit: &str, per_second: f64, rounds: usize, contenders: &mut [Contender<'_>]) {
    for contender in contenders.iter_mut() {
        for _ in 0..=rounds / 10 {
            contender.run();
        }
    }
    for round in 0..rounds {
        let first = round % contenders.len();
        contenders.rotate_left(first);
        for contender in contenders.iter_mut() {
            let took = contender.run();
            contender.times.push(took);
        }
        contenders.rotate_right(first);
    }
    for contender in contenders.iter_mut() {
        contender.times.sort_unstable();
    }
    println!("\n{title} ({rounds} rounds)");
    println!(
        "{:34}{:>12}{:>12}{:>12}{:>9}",
        "",
        format!("median {unit}"),
        format!("p10 {unit}"),
        format!("p90 {unit}"),
        "ratio"
    );
    let base = contenders.first().map_or(f64::NAN, |first| first.quantile(50));
    for contender in contenders.iter() {
        let [median, p10, p90] = [50, 10, 90].map(|percent| contender.quantile(percent) * per_second);
        let ratio = contender.quantile(50) / base;
        println!("{:34}{median:>12.1}{p10:>12.1}{p90:>12.1}{ratio:>9.2}", contender.name);
    }
}
