//! Cost: stored as an integer, exported as the float that the format has.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, Registry};

use super::family;
use crate::protocol::amount::Amount;

/// Model, currency, and what it was paid for.
type Labels = [String; 3];

/// The sums; what is added to often is at the front. A float that grew by each cost would lose the small ones: a cached
/// token is a ten-millionth of a dollar.
#[derive(Clone)]
pub(super) struct CostCounter {
    totals: Arc<Mutex<Vec<(Labels, Amount)>>>,
    exported: CounterVec,
}

impl CostCounter {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let cost = Self { totals: Arc::default(), exported: family::COST.float_counter()? };
        registry.register(Box::new(cost.clone()))?;
        Ok(cost)
    }

    pub(super) fn add(&self, labels: [&str; 3], amount: Amount) {
        let mut sums = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let place = sums.iter().position(|(known, _)| *known == labels).unwrap_or_else(|| {
            sums.push((labels.map(str::to_owned), Amount::default()));
            sums.len() - 1
        });
        sums[place].1 = sums[place].1.saturating_add(amount);
        sums.swap(place, place / 2);
    }
}

impl Collector for CostCounter {
    fn desc(&self) -> Vec<&Desc> {
        self.exported.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // The lock is held to the end, so that each of two concurrent scrapes exports the sums once.
        let sums = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, sum) in &*sums {
            if let Ok(counter) = self.exported.get_metric_with_label_values(labels) {
                counter.reset();
                counter.inc_by(sum.as_f64());
            }
        }
        self.exported.collect()
    }
}
