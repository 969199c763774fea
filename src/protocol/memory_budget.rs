//! The gateway's memory budget for buffered bodies and for the buffered parts of streams. The total is limited,
//! however many requests arrive at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The largest first allocation. After it a body grows as data arrives, so a large announced length alone costs
/// little.
const INITIAL_CAPACITY: usize = 64 * 1024;

/// The allocation grows up to this many times the received bytes, within the announced length: each growth
/// copies the existing data.
const MAX_GROWTH_FACTOR: usize = 8;

/// The bytes in use.
#[derive(Debug, Default)]
pub struct MemoryBudget {
    used_bytes: AtomicUsize,
}

/// The total limit would be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetExceeded;

impl MemoryBudget {
    /// In bytes.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// A body to be read, within the shared limit of `total` bytes.
    #[must_use]
    pub fn start_body(self: &Arc<Self>, total: usize) -> BodyBuffer {
        BodyBuffer { bytes: Vec::new(), reservation: self.start_reservation(total), expected_length: 0 }
    }

    /// A reservation for other buffers, within the same `total`.
    #[must_use]
    pub fn start_reservation(self: &Arc<Self>, total: usize) -> MemoryReservation {
        MemoryReservation { budget: self.clone(), bytes: 0, limit: total }
    }
}

/// The bytes reserved by one body or one stream, released on drop.
#[derive(Debug)]
pub struct MemoryReservation {
    budget: Arc<MemoryBudget>,
    bytes: usize,
    limit: usize,
}

impl MemoryReservation {
    /// Sets the reservation to this many bytes.
    ///
    /// # Errors
    /// When the total limit would be exceeded; then the reservation is unchanged.
    pub fn resize(&mut self, bytes: usize) -> Result<(), BudgetExceeded> {
        if bytes > self.bytes {
            return self.grow(bytes - self.bytes);
        }
        self.budget.used_bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        self.bytes = bytes;
        Ok(())
    }

    fn grow(&mut self, by: usize) -> Result<(), BudgetExceeded> {
        let room = |now: usize| now.checked_add(by).filter(|after| *after <= self.limit);
        let taken = self.budget.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        taken.map_err(|_| BudgetExceeded)?;
        self.bytes += by;
        Ok(())
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One body while it is read.
pub struct BodyBuffer {
    bytes: Vec<u8>,
    reservation: MemoryReservation,
    expected_length: usize,
}

impl BodyBuffer {
    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reserves capacity for a body of about this many bytes.
    ///
    /// # Errors
    /// When the total limit would be exceeded.
    pub fn reserve(&mut self, length: usize) -> Result<(), BudgetExceeded> {
        self.expected_length = length;
        let room = length.min(INITIAL_CAPACITY);
        if room > self.reservation.bytes {
            self.reservation.resize(room)?;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        Ok(())
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends a piece. The allocation is what counts against the budget.
    ///
    /// # Errors
    /// When the total limit would be exceeded; then this body is unchanged.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), BudgetExceeded> {
        let needed = self.bytes.len() + piece.len();
        if needed > self.reservation.bytes {
            let room = self.reservation.bytes;
            let more = if self.expected_length > room {
                self.expected_length.min(MAX_GROWTH_FACTOR * room)
            } else {
                2 * room
            };
            let more = needed.max(more);
            // If that exceeds the limit, the exact length may still fit.
            let grown = if self.reservation.resize(more).is_ok() {
                more
            } else {
                self.reservation.resize(needed)?;
                needed
            };
            self.bytes.reserve_exact(grown - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// The body. It counts until its last slice is gone.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.bytes.is_empty() {
            return Bytes::new();
        }
        Bytes::from_owner(BudgetedBytes { bytes: self.bytes, _reservation: self.reservation })
    }
}

struct BudgetedBytes {
    bytes: Vec<u8>,
    _reservation: MemoryReservation,
}

impl AsRef<[u8]> for BudgetedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_counts_until_its_last_slice_is_dropped() {
        let held = Arc::new(MemoryBudget::default());
        let mut body = held.start_body(1 << 20);
        for _ in 0..3 {
            body.push(&[7; INITIAL_CAPACITY]).unwrap();
        }
        assert_eq!((body.len(), held.used_bytes()), (3 * INITIAL_CAPACITY, 4 * INITIAL_CAPACITY));
        let whole = body.into_bytes();
        let slice = whole.slice(10..20);
        drop(whole);
        assert_eq!((slice.as_ref(), held.used_bytes()), ([7; 10].as_slice(), 4 * INITIAL_CAPACITY));
        drop(slice);
        assert_eq!(held.used_bytes(), 0);
    }

    #[test]
    fn announced_length_is_trusted_in_proportion_to_received_bytes() {
        let held = Arc::new(MemoryBudget::default());
        for (announced, grown) in [
            (5 * INITIAL_CAPACITY + 7, 5 * INITIAL_CAPACITY + 7),
            (usize::MAX, MAX_GROWTH_FACTOR * INITIAL_CAPACITY),
            (7, 2 * INITIAL_CAPACITY),
        ] {
            let mut body = held.start_body(1 << 20);
            body.reserve(announced).unwrap();
            assert_eq!(held.used_bytes(), announced.min(INITIAL_CAPACITY), "little before the first byte");
            body.push(&[7; INITIAL_CAPACITY]).unwrap();
            assert_eq!(held.used_bytes(), INITIAL_CAPACITY);
            body.push(&[7]).unwrap();
            assert_eq!((body.len(), held.used_bytes()), (INITIAL_CAPACITY + 1, grown));
        }
    }

    #[test]
    fn concurrent_bodies_use_the_whole_limit_and_no_more() {
        let held = Arc::new(MemoryBudget::default());
        let total = 3 * INITIAL_CAPACITY;
        let (mut one, mut two) = (held.start_body(total), held.start_body(total));
        one.push(&[1; INITIAL_CAPACITY]).unwrap();
        two.push(&[2; INITIAL_CAPACITY]).unwrap();
        assert_eq!(one.push(&[1; 2 * INITIAL_CAPACITY]), Err(BudgetExceeded));
        assert_eq!(
            (one.len(), held.used_bytes()),
            (INITIAL_CAPACITY, 2 * INITIAL_CAPACITY),
            "a refused piece costs nothing"
        );
        one.push(&[1; INITIAL_CAPACITY]).unwrap();
        assert_eq!(two.push(&[2]), Err(BudgetExceeded));
        drop(one);
        two.push(&[2]).unwrap();
        assert_eq!(two.into_bytes().len(), INITIAL_CAPACITY + 1);
        assert_eq!(held.used_bytes(), 0);
    }
}
