//! A family's series. Those used last are found without hashing: most requests are like the one before, and
//! each looks up ten.

use std::sync::{Mutex, PoisonError};

use prometheus::{Error, Histogram, HistogramVec, IntCounter, IntCounterVec};

/// A request of one attempt uses at most four series of a family, one for each kind of token.
const LAST: usize = 8;

/// What the crate keeps for a family.
pub(super) trait All {
    /// One of its series.
    type One;

    fn one(&self, labels: &[&str]) -> Result<Self::One, Error>;
}

impl All for IntCounterVec {
    type One = IntCounter;

    fn one(&self, labels: &[&str]) -> Result<IntCounter, Error> {
        self.get_metric_with_label_values(labels)
    }
}

impl All for HistogramVec {
    type One = Histogram;

    fn one(&self, labels: &[&str]) -> Result<Histogram, Error> {
        self.get_metric_with_label_values(labels)
    }
}

/// A family that is registered.
pub(super) struct Series<A: All> {
    all: A,
    last: Mutex<Vec<(Vec<String>, A::One)>>,
}

impl<A: All> Series<A> {
    pub(super) fn of(all: A) -> Self {
        Self { all, last: Mutex::default() }
    }

    /// Labels and definition are of one table, so nothing is lost here; a test sees that each counter counts.
    fn with(&self, labels: &[&str], count: impl FnOnce(&A::One)) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, one)) = last.iter().find(|(known, _)| known == labels) {
            return count(one);
        }
        let Ok(one) = self.all.one(labels) else { return };
        count(&one);
        if last.len() == LAST {
            last.clear();
        }
        last.push((labels.iter().map(ToString::to_string).collect(), one));
    }
}

impl Series<IntCounterVec> {
    pub(super) fn add(&self, labels: &[&str], count: u64) {
        self.with(labels, |counter| counter.inc_by(count));
    }
}

impl Series<HistogramVec> {
    pub(super) fn observe(&self, labels: &[&str], value: f64) {
        self.with(labels, |histogram| histogram.observe(value));
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;

    use super::*;

    #[test]
    fn each_series_counts_its_own_however_many_there_are() {
        let all = IntCounterVec::new(Opts::new("all", "all"), &["one", "other"]).unwrap();
        let series = Series::of(all.clone());
        for round in 1..=3 {
            for number in 0..LAST as u64 * 3 {
                series.add(&[&number.to_string(), "x"], number);
                let counted = all.with_label_values(&[&number.to_string(), "x"]).get();
                assert_eq!(counted, number * round);
            }
        }
        assert!(series.last.lock().unwrap().len() <= LAST);
        series.add(&["too few"], 1);
    }
}
