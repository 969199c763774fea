//! Money: kept as the integer that it is, told as the float that the format has.

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
pub(super) struct Cost {
    sums: Arc<Mutex<Vec<(Labels, Amount)>>>,
    told: CounterVec,
}

impl Cost {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let cost = Self { sums: Arc::default(), told: family::COST.amounts()? };
        registry.register(Box::new(cost.clone()))?;
        Ok(cost)
    }

    pub(super) fn add(&self, labels: [&str; 3], amount: Amount) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let place = sums.iter().position(|(known, _)| *known == labels).unwrap_or_else(|| {
            sums.push((labels.map(str::to_owned), Amount::default()));
            sums.len() - 1
        });
        sums[place].1 = sums[place].1.plus(amount);
        sums.swap(place, place / 2);
    }
}

impl Collector for Cost {
    fn desc(&self) -> Vec<&Desc> {
        self.told.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Held to the end: of two scrapes at once each tells the sums once.
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, sum) in &*sums {
            if let Ok(counter) = self.told.get_metric_with_label_values(labels) {
                counter.reset();
                counter.inc_by(sum.as_f64());
            }
        }
        self.told.collect()
    }
}
