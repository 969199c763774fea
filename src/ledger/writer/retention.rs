//! Forgetting what is older than the settings ask for.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;
use tracing::info;

use crate::ledger::queue::Queue;

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(3_600);

const DAY: Duration = Duration::from_secs(86_400);

/// At once, whenever the store or the settings change, and every hour.
pub(super) async fn keep(queue: &Queue) {
    let (mut stores, mut usage) = (queue.store.subscribe(), queue.usage.subscribe());
    loop {
        let store = stores.borrow_and_update().clone();
        let days = usage.borrow_and_update().retention_days;
        // So many days may be more than there were since 1970.
        let before = SystemTime::now().checked_sub(DAY * days);
        if let (Some(store), Some(before)) = (store, before) {
            match store.prune(before).await {
                Ok(0) => {}
                Ok(removed) => info!(removed, days, "the ledger forgot what is too old"),
                Err(why) => queue.troubled(&why),
            }
        }
        tokio::select! {
            _ = stores.changed() => {}
            _ = usage.changed() => {}
            () = sleep(EVERY) => {}
        }
    }
}
