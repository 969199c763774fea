//! Closed loop: each connection sends its next request at once. Measures requests per second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::{Samples, Shared, Target, ask};
use crate::clock;

/// Delay before a retry after a failed response.
const AFTER_FAULT: Duration = Duration::from_millis(10);

/// Keeps `connections` busy. After `warm` the answers count, for `time`; `begun` is called in between, so that the
/// caller can read the clocks of processes; the second clock is read by the caller when this returns.
pub async fn closed(
    target: &Target,
    connections: usize,
    warm: Duration,
    time: Duration,
    begun: impl FnOnce(),
    ended: impl FnOnce(),
) -> Samples {
    let shared = Shared::default();
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let (target, shared, stop) = (target.clone(), shared.clone(), Arc::clone(&stop));
            tokio::spawn(async move { one(&target, &shared, &stop).await })
        })
        .collect();
    sleep(warm).await;
    let warmed = shared.take();
    begun();
    let start = clock::now();
    sleep(time).await;
    let mut samples = shared.take();
    samples.elapsed = clock::now() - start;
    ended();
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        // A task that panicked has no samples, and the run says so by their number.
        let _ = task.await;
    }
    samples.uncounted = warmed.right + shared.take().right;
    samples.wrong += warmed.wrong;
    samples.fault = samples.fault.or(warmed.fault);
    samples
}

async fn one(target: &Target, shared: &Shared, stop: &AtomicBool) {
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        let sent = clock::now();
        let reply = ask(target, &mut kept).await;
        if reply.is_err() {
            sleep(AFTER_FAULT).await;
        }
        shared.add(sent, reply);
    }
}
