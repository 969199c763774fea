//! The connection limit. When every slot is in use, the connection that has been idle longest is closed for a new
//! one, so that idle clients cannot block others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Personal use has tens of connections, a large group of agents thousands. Each costs memory, and during a
/// request a second file descriptor for the provider.
const MAX_CONNECTIONS: usize = 8192;
/// With this many descriptors there are as many connection slots as are useful.
pub const WANTED_DESCRIPTORS: usize = 2 * MAX_CONNECTIONS + OTHER_DESCRIPTORS;
/// Descriptors for everything else: listeners, files, idle provider connections and rejected clients.
const OTHER_DESCRIPTORS: usize = 160;
/// The default of macOS, used where the system does not report a limit.
const DEFAULT_DESCRIPTORS: usize = 256;
/// How long a new connection waits for the slot of the idle one that is closed for it.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(1);

/// The connection slots of all listeners.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    max: usize,
    slots: Arc<Semaphore>,
    idle: AtomicUsize,
    /// Idle connections wait here, and `notify_one` wakes the one that has waited longest. A connection that
    /// becomes active drops its wait, which passes the notification on.
    eviction: Notify,
}

/// Counts one idle connection until it is dropped.
#[derive(Debug)]
pub(super) struct IdleMark<'l>(&'l ConnectionLimit);

impl ConnectionLimit {
    /// As many slots as the process' descriptors allow, and no more than are useful.
    pub(super) fn from_process() -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Self::new(fit_descriptors(parse_descriptor_limit(&limits).unwrap_or(DEFAULT_DESCRIPTORS)))
    }

    pub(super) fn new(max: usize) -> Self {
        let slots = Arc::new(Semaphore::new(max));
        Self { max, slots, idle: AtomicUsize::new(0), eviction: Notify::new() }
    }

    pub(super) const fn max(&self) -> usize {
        self.max
    }

    /// Takes a slot, if need be that of an idle connection. `None` when every connection is active.
    pub(super) async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Some(slot);
        }
        if self.idle.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.eviction.notify_one();
        timeout(EVICTION_TIMEOUT, self.slots.clone().acquire_owned()).await.ok()?.ok()
    }

    pub(super) fn mark_idle(&self) -> IdleMark<'_> {
        self.idle.fetch_add(1, Ordering::Relaxed);
        IdleMark(self)
    }

    /// Resolves when an idle connection must make room for a new one.
    pub(super) fn wait_for_eviction(&self) -> Notified<'_> {
        self.eviction.notified()
    }
}

impl Drop for IdleMark<'_> {
    fn drop(&mut self) {
        self.0.idle.fetch_sub(1, Ordering::Relaxed);
    }
}

fn fit_descriptors(descriptors: usize) -> usize {
    (descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2).clamp(16, MAX_CONNECTIONS)
}

/// The soft limit, which is the first of the two (proc(5)), or the word `unlimited`.
fn parse_descriptor_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    soft.parse().ok().or_else(|| (soft == "unlimited").then_some(usize::MAX))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn longest_idle_connection_makes_room() {
        let limit = ConnectionLimit::new(2);
        let (first_slot, _second_slot) = (limit.acquire().await.unwrap(), limit.acquire().await.unwrap());
        let _marks = (limit.mark_idle(), limit.mark_idle());
        let (mut first, mut second) = (pin!(limit.wait_for_eviction()), pin!(limit.wait_for_eviction()));
        first.as_mut().enable();
        second.as_mut().enable();
        let mut third = pin!(limit.acquire());
        assert!((&mut third).now_or_never().is_none(), "the idle connection has not closed yet");
        assert!(first.now_or_never().is_some());
        assert!(second.now_or_never().is_none());
        drop(first_slot);
        assert!(third.await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_becomes_active_passes_the_eviction_on() {
        let limit = ConnectionLimit::new(1);
        let _slot = limit.acquire().await.unwrap();
        let _mark = limit.mark_idle();
        let mut second = pin!(limit.wait_for_eviction());
        {
            let mut first = pin!(limit.wait_for_eviction());
            first.as_mut().enable();
            second.as_mut().enable();
            assert!(limit.acquire().await.is_none(), "no connection closed in time");
        }
        assert!(second.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn active_connections_keep_their_slots() {
        let limit = ConnectionLimit::new(1);
        let slot = limit.acquire().await.unwrap();
        assert!(limit.acquire().now_or_never().is_some_and(|slot| slot.is_none()), "rejected at once");
        drop(slot);
        assert!(limit.acquire().await.is_some());
    }

    #[test]
    fn slots_fit_the_descriptors() {
        let limits = "Limit            Soft Limit  Hard Limit  Units\nMax open files   1024        524288      files\n";
        assert_eq!(parse_descriptor_limit(limits), Some(1024));
        assert_eq!(parse_descriptor_limit("Max open files unlimited unlimited files"), Some(usize::MAX));
        assert_eq!(parse_descriptor_limit(""), None);
        assert_eq!([256, 1024, 4096, usize::MAX].map(fit_descriptors), [48, 432, 1968, MAX_CONNECTIONS]);
        let enough = [WANTED_DESCRIPTORS - 2, WANTED_DESCRIPTORS].map(fit_descriptors);
        assert_eq!(enough, [MAX_CONNECTIONS - 1, MAX_CONNECTIONS]);
    }
}
