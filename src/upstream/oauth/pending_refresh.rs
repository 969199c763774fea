//! Refreshes that must not be broken off: their answer may hold the only token that still gets the next key.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Shared by the whole process, because the code that ends it does not know the individual refreshes.
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

/// Whether no refresh is in progress in any of the tests that run in parallel.
#[cfg(test)]
pub(super) fn is_idle() -> bool {
    *PENDING_REFRESHES.subscribe().borrow() == 0
}

/// Resolves when no refresh is in progress, for the end of the process. Resolves after 20 s in any case.
pub async fn wait_for_refreshes() {
    let mut count = PENDING_REFRESHES.subscribe();
    // It fails when the sender is gone, and that is static.
    let _ = timeout(WAIT_TIMEOUT, count.wait_for(|count| *count == 0)).await;
}
