//! The performance targets, and whether this run meets them.

use crate::case::Case;
use crate::race::{Results, RowResults};
use crate::summary::{Summary, loaded, summary};
use crate::table::{Table, number, ratio};

/// The row to check, and the reference row for the speed of the machine.
const JUDGED: &str = "moonrelay";
const FLOOR: &str = "floor";

type Figure = fn(&Results, &RowResults) -> f64;

/// A target.
struct Promise {
    what: &'static str,
    figure: Figure,
    /// The measure; it counts only without errors.
    case: Option<Case>,
    /// The floor's figure on the reference machine; without it only the absolute figure counts.
    floor: Option<f64>,
    must: f64,
    aim: f64,
    /// More is better.
    more: bool,
}

/// A figure of a case.
macro_rules! figure {
    ($case:ident, $figure:expr) => {
        (Some(Case::$case), |results, row| {
            let figure: fn(&Summary) -> f64 = $figure;
            summary(results, row, Case::$case).as_ref().map_or(f64::NAN, figure)
        })
    };
}

const fn less(
    what: &'static str,
    (case, figure): (Option<Case>, Figure),
    floor: Option<f64>,
    must: f64,
    aim: f64,
) -> Promise {
    Promise { what, figure, case, floor, must, aim, more: false }
}

/// From the issue, with the floor's figures of that day.
fn promises() -> Vec<Promise> {
    let more = |promise: Promise| Promise { more: true, ..promise };
    vec![
        less("added, small body, p50 µs", figure!(Small, |of| of.added[0]), Some(146.0), 170.0, 130.0),
        less("added, small body, p99 µs", figure!(Small, |of| of.added[1]), Some(187.0), 230.0, 180.0),
        less("added, 230 KB body, p50 µs", figure!(Agent, |of| of.added[0]), Some(261.0), 320.0, 200.0),
        less("added, 230 KB body, p99 µs", figure!(Agent, |of| of.added[1]), Some(535.0), 600.0, 400.0),
        less(
            "added to the first byte, p50 µs",
            figure!(Paced, |of| of.added_first[0]),
            Some(165.0),
            200.0,
            155.0,
        ),
        less(
            "added to the first byte, p99 µs",
            figure!(Paced, |of| of.added_first[1]),
            Some(171.0),
            300.0,
            200.0,
        ),
        less(
            "added per paced chunk, p50 µs",
            figure!(Paced, |of| of.added_chunk[0]),
            Some(74.0),
            110.0,
            80.0,
        ),
        less(
            "added per paced chunk, p99 µs",
            figure!(Paced, |of| of.added_chunk[1]),
            Some(70.0),
            200.0,
            150.0,
        ),
        more(less(
            "requests a second, 64 connections",
            figure!(Throughput, |of| of.absolute.per_second),
            Some(32_300.0),
            24_000.0,
            35_000.0,
        )),
        more(less(
            "streams of 100 chunks a second",
            figure!(Streams, |of| of.absolute.per_second),
            Some(1_515.0),
            2_200.0,
            4_000.0,
        )),
        less("5,000 streams: errors", figure!(Open5000, |of| of.absolute.wrong as f64), None, 0.0, 0.0),
        less(
            "5,000 streams: KB each",
            figure!(Open5000, |of| of.absolute.stream_bytes / 1e3),
            None,
            40.0,
            20.0,
        ),
        less(
            "memory idle, MB",
            (None, |_, row| row.footprint.idle.map_or(f64::NAN, |idle| idle as f64 / 1e6)),
            None,
            15.0,
            11.0,
        ),
        less("memory under load, MB", (None, |results, row| loaded(results, row) / 1e6), None, 35.0, 22.0),
        less(
            "exec to the first 200, ms",
            (None, |_, row| row.footprint.start_ms.unwrap_or(f64::NAN)),
            Some(6.0),
            20.0,
            15.0,
        ),
        less(
            "binary, MB",
            (None, |_, row| row.footprint.binary.map_or(f64::NAN, |bytes| bytes as f64 / 1e6)),
            None,
            15.0,
            11.0,
        ),
    ]
}

/// Each target, met or not: absolute, and in proportion to the floor of this run. The proportion counts if the
/// speed of the machine differs from the reference.
#[must_use]
pub fn table(results: &Results) -> Option<Table> {
    let find = |name| results.rows.iter().find(|row| row.name == name);
    let judged = find(JUDGED)?;
    let mut table = Table::new(
        "What was promised: as written, and in proportion to the floor of this run",
        &["figure", "here", "floor here", "× floor", "must", "met", "aim", "met"],
    );
    for promise in promises() {
        let here = (promise.figure)(results, judged);
        let floor = find(FLOOR).map_or(f64::NAN, |floor| (promise.figure)(results, floor));
        let wrong =
            promise.case.and_then(|case| summary(results, judged, case)).map_or(0, |of| of.absolute.wrong);
        let verdict = |limit| match wrong {
            0 => promise.verdict(here, floor, limit),
            _ => "not met: errors".to_owned(),
        };
        table.rows.push(vec![
            promise.what.to_owned(),
            number(here),
            number(floor),
            ratio(here, floor),
            number(promise.must),
            verdict(promise.must),
            number(promise.aim),
            verdict(promise.aim),
        ]);
    }
    Some(table)
}

impl Promise {
    fn verdict(&self, here: f64, floor: f64, limit: f64) -> String {
        if !here.is_finite() {
            return "not measured".to_owned();
        }
        let kept = |here: f64, limit: f64| if self.more { here >= limit } else { here <= limit };
        let then = self.floor.filter(|_| floor > 0.0);
        let in_proportion = then.map(|then| kept(here / floor, limit / then));
        match (kept(here, limit), in_proportion) {
            (true, Some(true) | None) => "met",
            (true, Some(false)) => "met as written",
            (false, Some(true)) => "met by ratio",
            (false, Some(false) | None) => "not met",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(more: bool) -> Promise {
        Promise { more, ..less("x", (None, |_, _| 0.0), Some(100.0), 120.0, 90.0) }
    }

    #[test]
    fn other_machine_is_compared_by_the_floor() {
        let promise = promise(false);
        assert_eq!(promise.verdict(110.0, 100.0, 120.0), "met");
        assert_eq!(promise.verdict(220.0, 200.0, 120.0), "met by ratio");
        assert_eq!(promise.verdict(260.0, 200.0, 120.0), "not met");
        assert_eq!(promise.verdict(50.0, 20.0, 120.0), "met as written");
        assert_eq!(promise.verdict(50.0, f64::NAN, 120.0), "met", "without a floor");
        assert_eq!(promise.verdict(f64::NAN, 200.0, 120.0), "not measured");
    }

    #[test]
    fn lower_throughput_misses_the_target() {
        let promise = promise(true);
        assert_eq!(promise.verdict(130.0, 100.0, 120.0), "met");
        assert_eq!(promise.verdict(65.0, 50.0, 120.0), "met by ratio");
        assert_eq!(promise.verdict(55.0, 50.0, 120.0), "not met");
    }
}
