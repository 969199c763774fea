//! What hands a piece from the run to the body that drives it: both are one task, so neither wakes the other.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use super::StreamItem;

/// Holds one piece. A sender that waits here is polled again by the body that takes the piece.
#[derive(Clone, Default)]
pub(super) struct ItemSlot(Arc<Mutex<Option<StreamItem>>>);

impl ItemSlot {
    fn lock_item(&self) -> MutexGuard<'_, Option<StreamItem>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a piece there, once the one before is taken.
    pub(super) async fn put(&self, piece: StreamItem) {
        self.wait_until_empty().await;
        *self.lock_item() = Some(piece);
    }

    /// Resolves when nothing is there.
    pub(super) async fn wait_until_empty(&self) {
        poll_fn(|_| if self.lock_item().is_some() { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    pub(super) fn take(&self) -> Option<StreamItem> {
        self.lock_item().take()
    }
}
