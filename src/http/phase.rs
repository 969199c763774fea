//! Where a connection stands between one request and the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// A head, its answer, the answer's last byte: then idle again. Half a head is idle too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle {
        since: Instant,
    },
    InRequest,
    /// The answer is out of our hands, but not in the socket yet.
    Flushing,
}

/// One connection's stage, for its socket, its requests, and who looks for an idle one.
#[derive(Debug)]
pub(super) struct Phase {
    stage: Mutex<Stage>,
    has_begun: AtomicBool,
}

impl Default for Phase {
    fn default() -> Self {
        Self { stage: Mutex::new(Stage::Idle { since: Instant::now() }), has_begun: AtomicBool::new(false) }
    }
}

impl Phase {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn head_is_complete(&self) {
        *self.stage() = Stage::InRequest;
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether a request has come.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    pub(super) fn answer_is_out(&self) {
        *self.stage() = Stage::Flushing;
    }

    pub(super) fn flushed(&self) {
        let mut stage = self.stage();
        if *stage == Stage::Flushing {
            *stage = Stage::Idle { since: Instant::now() };
        }
    }

    /// Whether a request is being read or answered.
    pub(super) fn in_request(&self) -> bool {
        *self.stage() == Stage::InRequest
    }

    /// Whether nothing is owed to the client.
    pub(super) fn is_idle(&self) -> bool {
        self.idle_since().is_some()
    }

    /// Since when, where nothing is owed to the client.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        match *self.stage() {
            Stage::Idle { since } => Some(since),
            Stage::InRequest | Stage::Flushing => None,
        }
    }
}
