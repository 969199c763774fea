//! Refreshes that must not be broken off: their answer may hold the only token that still gets the next key.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Of this process: whoever ends it knows of no one in particular.
static UNFINISHED: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// A process that ends waits no longer: longer than one answer may take, and than its writing.
const PATIENCE: Duration = Duration::from_secs(20);

/// One of them, until this is dropped.
pub(super) struct Unfinished(());

impl Unfinished {
    pub(super) fn begin() -> Self {
        UNFINISHED.send_modify(|count| *count += 1);
        Self(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        UNFINISHED.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Whether none is under way, in any of the tests that run beside each other.
#[cfg(test)]
pub(super) fn are_none() -> bool {
    *UNFINISHED.subscribe().borrow() == 0
}

/// Resolves when none is under way, for the end of the process; after 20 s in any case.
pub async fn settled() {
    let mut count = UNFINISHED.subscribe();
    // It fails when the sender is gone, and that is static.
    let _ = timeout(PATIENCE, count.wait_for(|count| *count == 0)).await;
}
