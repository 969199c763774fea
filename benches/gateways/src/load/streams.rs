//! Many streams at a time.

use std::time::Duration;

use super::{Connection, Samples, Shared, Target};
use crate::clock;

/// How they are begun.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// How many.
    pub count: u64,
    /// The time over which they are begun, evenly.
    pub ramp: Duration,
    /// The time after which what has not ended counts as wrong.
    pub patience: Duration,
}

/// Begins them, each on a connection of its own, and waits for the end of all.
pub async fn streams(target: &Target, burst: Burst) -> Samples {
    let shared = Shared::default();
    let start = clock::now();
    let ramp = u64::try_from(burst.ramp.as_nanos()).unwrap_or(u64::MAX);
    let mut tasks = Vec::new();
    for index in 0..burst.count {
        let due = start + ramp * index / burst.count.max(1);
        while clock::now() < due {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (target, shared) = (target.clone(), shared.clone());
        tasks.push(tokio::spawn(async move {
            let reply = match Connection::open(target.address).await {
                Ok(mut connection) => connection.ask(&target).await,
                Err(error) => Err(error.to_string()),
            };
            shared.add(due, reply);
        }));
    }
    let deadline = tokio::time::Instant::now() + burst.patience;
    for task in tasks {
        let abort = task.abort_handle();
        if tokio::time::timeout_at(deadline, task).await.is_err() {
            abort.abort();
        }
    }
    let mut samples = shared.take();
    samples.missing(burst.count);
    samples.elapsed = clock::now() - start;
    samples
}
