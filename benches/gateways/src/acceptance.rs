//! The performance targets as ratios of two rows of one run, and whether the run meets them.

use crate::case::Case;
use crate::race::Results;
use crate::summary::{Summary, summary};
use crate::table::{Table, number};

/// A target: a figure of one row divided by the same figure of another.
struct Target {
    what: &'static str,
    case: Case,
    figure: fn(&Summary) -> f64,
    row: &'static str,
    reference: &'static str,
    limit: Limit,
}

/// Of a ratio.
#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

const fn target(what: &'static str, case: Case, figure: fn(&Summary) -> f64, limit: Limit) -> Target {
    Target { what, case, figure, row: "moonrelay", reference: "floor", limit }
}

fn targets() -> [Target; 5] {
    let latency = |of: &Summary| of.absolute.whole[0];
    let per_second = |of: &Summary| of.absolute.per_second;
    [
        target("small body: p50 latency", Case::Small, latency, Limit::AtMost(1.2)),
        target("230 KB body: p50 latency", Case::Agent, latency, Limit::AtMost(1.2)),
        target("requests per second, 64 connections", Case::Throughput, per_second, Limit::AtLeast(0.8)),
        target("streams of 100 chunks per second", Case::Streams, per_second, Limit::AtLeast(2.0)),
        Target {
            row: "moonrelay-2-workers",
            reference: "moonrelay",
            ..target(
                "CPU time per request with two workers",
                Case::Throughput,
                |of| of.absolute.cpu_request,
                Limit::AtMost(1.4),
            )
        },
    ]
}

/// Each target, met or not; `None` when none was measured.
#[must_use]
pub fn table(results: &Results) -> Option<Table> {
    let mut table = Table::new("Targets", &["figure", "of", "here", "to", "there", "ratio", "target", "met"]);
    for Target { what, case, figure, row, reference, limit } in targets() {
        let find = |name| {
            let row = results.rows.iter().find(|row| row.name == name)?;
            summary(results, row, case)
        };
        let (Some(own), Some(other)) = (find(row), find(reference)) else { continue };
        let (here, there) = (figure(&own), figure(&other));
        table.rows.push(vec![
            what.to_owned(),
            row.to_owned(),
            number(here),
            reference.to_owned(),
            number(there),
            format!("{:.2}", here / there),
            limit.describe(),
            limit.verdict(here / there, own.absolute.wrong).to_owned(),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

impl Limit {
    fn describe(self) -> String {
        match self {
            Self::AtLeast(limit) => format!("≥ {limit}"),
            Self::AtMost(limit) => format!("≤ {limit}"),
        }
    }

    /// `wrong` is the number of wrong answers under the case: a figure counts only without any.
    fn verdict(self, ratio: f64, wrong: u64) -> &'static str {
        let is_met = match self {
            Self::AtLeast(limit) => ratio >= limit,
            Self::AtMost(limit) => ratio <= limit,
        };
        match wrong {
            _ if !ratio.is_finite() => "not measured",
            0 if is_met => "yes",
            0 => "no",
            _ => "no: errors",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::results;

    #[test]
    fn target_is_met_by_ratio_and_without_errors() {
        assert_eq!(Limit::AtLeast(0.8).verdict(0.8, 0), "yes");
        assert_eq!(Limit::AtLeast(0.8).verdict(0.79, 0), "no");
        assert_eq!(Limit::AtMost(1.2).verdict(1.3, 0), "no");
        assert_eq!(Limit::AtMost(1.2).verdict(1.1, 1), "no: errors");
        assert_eq!(Limit::AtMost(1.2).verdict(f64::NAN, 0), "not measured");
    }

    #[test]
    fn table_has_the_targets_whose_rows_ran() {
        let table = table(&results(&[("floor", &[100.0]), ("moonrelay", &[110.0])])).expect("both ran");
        let rows: Vec<_> = table.rows.iter().map(|row| (&*row[0], &*row[5], &*row[7])).collect();
        assert_eq!(rows, [("small body: p50 latency", "1.10", "yes")]);
        assert!(super::table(&results(&[("moonrelay", &[110.0])])).is_none());
    }
}
