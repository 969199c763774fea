//! The phase of a connection between one request and the next.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// No response is pending. Half a head counts as idle too.
const IDLE: u8 = 0;
/// A request is being read or answered.
const IN_REQUEST: u8 = 1;
/// The response is complete, but not in the socket yet.
const FLUSHING: u8 = 2;

/// One connection's phase, for its socket, its requests, and the search for an idle connection: a head, its
/// response, the response's last byte, then idle again. Only the connection's task changes it. Its socket reads
/// it at each read and write.
#[derive(Debug)]
pub(super) struct Phase {
    stage: AtomicU8,
    /// Since when the connection is idle. It is set before the phase changes to idle.
    since: Mutex<Instant>,
    has_begun: AtomicBool,
}

impl Default for Phase {
    fn default() -> Self {
        let since = Mutex::new(Instant::now());
        Self { stage: AtomicU8::new(IDLE), since, has_begun: AtomicBool::new(false) }
    }
}

impl Phase {
    fn is(&self, stage: u8) -> bool {
        self.stage.load(Ordering::Acquire) == stage
    }

    fn since(&self) -> MutexGuard<'_, Instant> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn head_is_complete(&self) {
        self.stage.store(IN_REQUEST, Ordering::Release);
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether a request has arrived.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    pub(super) fn answer_is_out(&self) {
        self.stage.store(FLUSHING, Ordering::Release);
    }

    pub(super) fn flushed(&self) {
        if self.is(FLUSHING) {
            *self.since() = Instant::now();
            self.stage.store(IDLE, Ordering::Release);
        }
    }

    /// Whether a request is being read or answered.
    pub(super) fn in_request(&self) -> bool {
        self.is(IN_REQUEST)
    }

    /// Whether no response is pending.
    pub(super) fn is_idle(&self) -> bool {
        self.is(IDLE)
    }

    /// Since when no response is pending, if that is so.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.is_idle().then(|| *self.since())
    }
}
