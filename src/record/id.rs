//! A request's id.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The microsecond in which it came and a count, so that ids differ within a process and sort by time. An index over
/// them grows at its end; over random ones the ledger would write a page of the disk for each request. The count begins
/// at the process's id, so that two processes that write one ledger differ in the same microsecond.
#[must_use]
pub fn new_id() -> String {
    static COUNT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(u64::from(std::process::id())));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // 52 bits of microseconds last until 2112.
    let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}", micros << 12 | count & 0xfff)
}

#[cfg(test)]
mod tests {
    use super::new_id;

    #[test]
    fn ids_differ_and_sort_by_time() {
        let ids: Vec<String> = (0..4_000).map(|_| new_id()).collect();
        assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), ids.len());
        assert!(ids.first() < ids.last());
    }
}
