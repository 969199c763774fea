//! What hands a piece from the run to the body that drives it: both are one task, so neither wakes the other.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use super::Piece;

/// Room for one piece. Who waits here is polled again by the body that takes it.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Piece>>>);

impl Slot {
    fn piece(&self) -> MutexGuard<'_, Option<Piece>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a piece there, once the one before is taken.
    pub(super) async fn put(&self, piece: Piece) {
        self.taken().await;
        *self.piece() = Some(piece);
    }

    /// Resolves when nothing is there.
    pub(super) async fn taken(&self) {
        poll_fn(|_| if self.piece().is_some() { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    pub(super) fn take(&self) -> Option<Piece> {
        self.piece().take()
    }
}
