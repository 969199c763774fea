//! The figures of a row under a case: medians over its rounds.

use crate::case::Case;
use crate::measure::Measure;
use crate::race::{Results, RowResults};
use crate::stats::median;

/// The row that added times are measured against.
const BASE: &str = "direct";

/// Medians over the rounds; `added` are the medians of the differences to the direct row of the same round.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Summary {
    /// A measure whose figures are medians; its numbers of answers are sums.
    pub absolute: Measure,
    /// Beyond the direct way: whole answers.
    pub added: [f64; 2],
    /// Beyond the direct way: the first text.
    pub added_first: [f64; 2],
    /// Beyond the direct way: a chunk.
    pub added_chunk: [f64; 2],
}

/// The summary of this row under this case; `None` when it did not run it.
#[must_use]
pub fn summary(results: &Results, row: &RowResults, case: Case) -> Option<Summary> {
    let measures = of(row, case).filter(|measures| !measures.is_empty())?;
    let base = results.rows.iter().find(|row| row.name == BASE).and_then(|row| of(row, case));
    let over = |figure: &dyn Fn(&Measure) -> f64| median(&measures.iter().map(figure).collect::<Vec<_>>());
    let pair =
        |figure: &dyn Fn(&Measure) -> [f64; 2]| [0, 1].map(|place| over(&|measure| figure(measure)[place]));
    let added = |figure: &dyn Fn(&Measure) -> [f64; 2]| {
        [0, 1].map(|place| {
            let rounds = measures.iter().zip(base.unwrap_or_default());
            median(&rounds.map(|(own, base)| figure(own)[place] - figure(base)[place]).collect::<Vec<_>>())
        })
    };
    let absolute = Measure {
        whole: pair(&|measure| measure.whole),
        first: pair(&|measure| measure.first),
        chunk: pair(&|measure| measure.chunk),
        per_second: over(&|measure| measure.per_second),
        rate: over(&|measure| measure.rate),
        cpu_request: over(&|measure| measure.cpu_request),
        cpu_chunk: over(&|measure| measure.cpu_chunk),
        peak: over(&|measure| measure.peak),
        stream_bytes: over(&|measure| measure.stream_bytes),
        right: measures.iter().map(|measure| measure.right).sum(),
        wrong: measures.iter().map(|measure| measure.wrong).sum(),
        fault: measures.iter().find_map(|measure| measure.fault.clone()),
    };
    Some(Summary {
        added: added(&|measure| measure.whole),
        added_first: added(&|measure| measure.first),
        added_chunk: added(&|measure| measure.chunk),
        absolute,
    })
}

fn of(row: &RowResults, case: Case) -> Option<&[Measure]> {
    row.cases.iter().find(|(of, _)| *of == case).map(|(_, measures)| &measures[..])
}

/// The most resident bytes under load: many small requests, or many streams at full speed.
#[must_use]
pub fn loaded(results: &Results, row: &RowResults) -> f64 {
    let peaks = [Case::Throughput, Case::Streams].into_iter().filter_map(|case| summary(results, row, case));
    peaks.map(|summary| summary.absolute.peak).fold(f64::NAN, f64::max)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::contestant::Footprint;

    pub(crate) fn measure(p50: f64) -> Measure {
        Measure {
            whole: [p50, p50 * 2.0],
            first: [f64::NAN; 2],
            chunk: [f64::NAN; 2],
            per_second: 1e6 / p50,
            rate: f64::NAN,
            cpu_request: f64::NAN,
            cpu_chunk: f64::NAN,
            peak: 0.0,
            stream_bytes: f64::NAN,
            right: 10,
            wrong: 0,
            fault: None,
        }
    }

    pub(crate) fn results(rows: &[(&str, &[f64])]) -> Results {
        let rows = rows.iter().map(|(name, rounds)| RowResults {
            name: (*name).to_owned(),
            version: None,
            note: None,
            footprint: Footprint::default(),
            cases: vec![(Case::Small, rounds.iter().copied().map(measure).collect())],
            lost: None,
        });
        Results { rows: rows.collect(), skipped: Vec::new() }
    }

    #[test]
    fn added_is_the_median_of_per_round_differences() {
        let results = results(&[("direct", &[10.0, 100.0, 30.0]), ("floor", &[60.0, 140.0, 90.0])]);
        let summary = summary(&results, &results.rows[1], Case::Small).expect("it ran");
        assert_eq!(summary.added, [50.0, 100.0]);
        assert_eq!(summary.absolute.whole[0], 90.0);
        assert_eq!(summary.absolute.right, 30);
    }

    #[test]
    fn case_that_did_not_run_has_no_summary() {
        let results = results(&[("direct", &[10.0])]);
        assert!(super::summary(&results, &results.rows[0], Case::Agent).is_none());
    }
}
