//! Refreshes that must not be broken off: their answer may hold the only token that still gets the next key.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Of this process: whoever ends it knows of no one in particular.
static PENDING_REFRESHES: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// A process that ends waits no longer: longer than one answer may take, and than its writing.
const WAIT_TIMEOUT: Duration = Duration::from_secs(20);

/// One of them, until this is dropped.
pub(super) struct PendingRefresh(());

impl PendingRefresh {
    pub(super) fn start() -> Self {
        PENDING_REFRESHES.send_modify(|count| *count += 1);
        Self(())
    }
}

impl Drop for PendingRefresh {
    fn drop(&mut self) {
        PENDING_REFRESHES.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Whether none is under way, in any of the tests that run beside each other.
#[cfg(test)]
pub(super) fn is_idle() -> bool {
    *PENDING_REFRESHES.subscribe().borrow() == 0
}

/// Resolves when none is under way, for the end of the process; after 20 s in any case.
pub async fn wait_for_refreshes() {
    let mut count = PENDING_REFRESHES.subscribe();
    // It fails when the sender is gone, and that is static.
    let _ = timeout(WAIT_TIMEOUT, count.wait_for(|count| *count == 0)).await;
}
