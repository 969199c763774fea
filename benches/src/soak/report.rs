//! The results: a table, JSON, a chart.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Break, Ended, How};
use crate::measure::{Gauge, Sample, has_grown};
use crate::run::Kill;

pub struct Report {
    pub length: Duration,
    pub streams: u32,
    pub ended: Vec<Ended>,
    pub reloads: u32,
    pub refused_reload: Option<String>,
    pub killed: Option<Kill>,
    pub gauge: Gauge,
    /// Memory after each round, in KiB.
    pub rounds: Vec<u64>,
    /// At the end.
    pub last: Sample,
    /// Providers that stay in cooldown.
    pub stuck: Vec<String>,
    /// The last log lines of the gateway.
    pub log: Vec<String>,
}

impl Report {
    fn count(&self, how: impl Fn(&Ended) -> bool) -> usize {
        self.ended.iter().filter(|ended| how(ended)).count()
    }

    fn wrong(&self) -> Vec<&str> {
        let why = |ended: &'_ Ended| matches!(ended.how, How::Wrong(_));
        let wrong = self.ended.iter().filter(|ended| why(ended));
        wrong
            .filter_map(|ended| if let How::Wrong(why) = &ended.how { Some(why.as_str()) } else { None })
            .collect()
    }

    /// A request sent before the new gateway served may have reached the killed one.
    fn broken_otherwise(&self) -> usize {
        let by_the_kill = |each: &Break| {
            self.killed.is_some_and(|kill| each.asked <= kill.over && each.noticed >= kill.began)
        };
        self.ended.iter().flat_map(|ended| &ended.broken).filter(|each| !by_the_kill(each)).count()
    }

    fn broken(&self) -> usize {
        self.ended.iter().map(|ended| ended.broken.len()).sum()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.wrong().into_iter().map(str::to_owned).collect();
        if self.broken_otherwise() > 0 {
            problems.push(format!(
                "{} connections broke although no process was killed",
                self.broken_otherwise()
            ));
        }
        if has_grown(&self.rounds) {
            problems.push(format!("memory grows with each round, in KiB: {:?}", self.rounds));
        }
        problems.extend(self.gauge.leaks(&self.last));
        if self.ended.len() != self.streams as usize {
            problems.push(format!("{} of {} streams ended", self.ended.len(), self.streams));
        }
        problems.extend(self.stuck.iter().map(|provider| format!("stays in cooldown: {provider}")));
        problems.extend(self.refused_reload.iter().map(|reload| format!("a reload was refused: {reload}")));
        problems
    }

    pub fn is_good(&self) -> bool {
        self.problems().is_empty()
    }

    pub fn as_json(&self) -> Value {
        let sample = |sample: &Sample| {
            json!({
                "seconds": sample.at.as_secs_f64(), "rssKiB": sample.memory, "descriptors": sample.descriptors,
                "threads": sample.threads, "process": sample.process,
            })
        };
        json!({
            "ok": self.is_good(),
            "seconds": self.length.as_secs_f64(),
            "streams": self.streams,
            "whole": self.count(|ended| ended.how == How::Whole),
            "movedOn": self.count(|ended| ended.how == How::Whole && ended.moved_on),
            "errorEvents": self.count(|ended| ended.how == How::ErrorEvent),
            "refused": self.count(|ended| ended.how == How::Refused),
            "wrong": self.wrong(),
            "retried": self.count(|ended| ended.retries > 0),
            "brokenByTheKill": self.broken() - self.broken_otherwise(),
            "slowestSeconds": self.slowest().as_secs_f64(),
            "reloads": self.reloads,
            "killedAtSeconds": self.killed.map(|kill| kill.at.as_secs_f64()),
            "fresh": self.gauge.fresh.iter().map(sample).collect::<Vec<_>>(),
            "warm": self.gauge.warm().as_ref().map(sample),
            "roundsKiB": self.rounds,
            "end": sample(&self.last),
            "samples": self.gauge.samples.iter().map(sample).collect::<Vec<_>>(),
            "problems": self.problems(),
        })
    }

    fn slowest(&self) -> Duration {
        self.ended.iter().map(|ended| ended.took).max().unwrap_or_default()
    }

    pub fn as_text(&self) -> String {
        let mut text = String::new();
        let mut row = |what: &str, value: String| {
            let _ = writeln!(text, "{what:<34} {value}");
        };
        let count = |how: How| self.count(|ended| ended.how == how).to_string();
        row("time", format!("{:.0} s", self.length.as_secs_f64()));
        row("streams", self.streams.to_string());
        row("whole answers", count(How::Whole));
        row(
            "  of another target or a later try",
            self.count(|e| e.how == How::Whole && e.moved_on).to_string(),
        );
        row(
            "  after another try of the client",
            self.count(|e| e.how == How::Whole && e.retries > 0).to_string(),
        );
        row("error events after a part", count(How::ErrorEvent));
        row("errors instead of an answer", count(How::Refused));
        row("silent truncations, wrong text", self.wrong().len().to_string());
        row("connections broken by kill -9", (self.broken() - self.broken_otherwise()).to_string());
        row("slowest stream", format!("{:.1} s", self.slowest().as_secs_f64()));
        row("reloads", self.reloads.to_string());
        for fresh in &self.gauge.fresh {
            row(&format!("process {}, fresh", fresh.process + 1), measured(fresh));
        }
        if let Some(warm) = self.gauge.warm() {
            row(&format!("process {}, warm", warm.process + 1), measured(&warm));
        }
        let rounds: Vec<String> = self.rounds.iter().map(|round| megabytes(*round)).collect();
        row("memory after rounds of the same", rounds.join(", "));
        row(&format!("process {}, at the end", self.last.process + 1), measured(&self.last));
        row("targets that rest for ever", self.stuck.len().to_string());
        for problem in self.problems() {
            row("WRONG", problem);
        }
        text.trim_end().to_owned()
    }

    /// Memory over time, one line per process.
    pub fn drawing(&self) -> String {
        let (width, height, left, base) = (640.0, 220.0, 50.0, 190.0);
        let seconds = self.last.at.as_secs_f64().max(1.0);
        let most = self.gauge.samples.iter().map(|sample| sample.memory).max().unwrap_or(1) as f64 * 1.15;
        let x = |at: Duration| left + at.as_secs_f64() / seconds * (width - left - 10.0);
        let y = |memory: u64| base - memory as f64 / most * (base - 20.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <title>Resident memory of the gateway during the soak</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <path d=\"M{left} 20V{base}H{}\" fill=\"none\" stroke=\"#888\"/>\n",
            width - 10.0
        );
        for process in 0..self.gauge.fresh.len() {
            let own = self.gauge.fresh.iter().chain(&self.gauge.samples).filter(|s| s.process == process);
            let points: Vec<String> = own.map(|s| format!("{:.1},{:.1}", x(s.at), y(s.memory))).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"#2563eb\" stroke-width=\"1.5\"/>",
                points.join(" ")
            );
        }
        if let Some(kill) = self.killed {
            let (x, top) = (x(kill.at), 20);
            let _ = writeln!(
                svg,
                "<path d=\"M{x:.1} {top}V{base}\" stroke=\"#dc2626\" stroke-dasharray=\"4 3\"/>"
            );
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"16\" fill=\"#dc2626\" text-anchor=\"middle\">kill -9</text>",
                x
            );
        }
        let peak = self.gauge.samples.iter().map(|sample| sample.memory).max().unwrap_or(0);
        let _ = writeln!(svg, "<text x=\"4\" y=\"{:.1}\">{} MB</text>", y(peak) + 4.0, peak / 1024);
        let _ = writeln!(svg, "<text x=\"{left}\" y=\"{}\">0 s</text>", base + 18.0);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{seconds:.0} s</text>",
            width - 10.0,
            base + 18.0
        );
        svg.push_str("</svg>\n");
        svg
    }
}

fn megabytes(kibibytes: u64) -> String {
    format!("{:.1} MB", kibibytes as f64 / 1024.0)
}

fn measured(sample: &Sample) -> String {
    let memory = megabytes(sample.memory);
    format!("{memory}, {} descriptors, {} threads", sample.descriptors, sample.threads)
}
