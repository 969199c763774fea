//! What is held in memory, counted: bodies that are held whole, and what of a stream waits or is kept. What it takes
//! together has a limit, however much comes at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The largest first allocation; from then on a body grows as it comes, so that announcing much costs little here.
const FIRST: usize = 64 * 1024;

/// Who has sent so much is believed this many times as much of what was announced: each growth copies what there is.
const BELIEVED: usize = 8;

/// The bytes that are held now.
#[derive(Debug, Default)]
pub struct Held {
    bytes: AtomicUsize,
}

/// All together would take more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Held {
    /// In bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A body that is to be read; all together may hold `total` bytes.
    #[must_use]
    pub fn body(self: &Arc<Self>, total: usize) -> Body {
        Body { bytes: Vec::new(), room: self.room(total), expected: 0 }
    }

    /// Room for what is held otherwise, of the same `total`.
    #[must_use]
    pub fn room(self: &Arc<Self>, total: usize) -> Room {
        Room { held: self.clone(), bytes: 0, total }
    }
}

/// What one body, or one stream, takes. Dropped, it gives that back.
#[derive(Debug)]
pub struct Room {
    held: Arc<Held>,
    bytes: usize,
    total: usize,
}

impl Room {
    /// Takes as many bytes as this in all.
    ///
    /// # Errors
    /// When all together would take too much; then it takes what it took.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes > self.bytes {
            return self.grow(bytes - self.bytes);
        }
        self.held.bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        self.bytes = bytes;
        Ok(())
    }

    fn grow(&mut self, by: usize) -> Result<(), Full> {
        let room = |now: usize| now.checked_add(by).filter(|after| *after <= self.total);
        let taken = self.held.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        taken.map_err(|_| Full)?;
        self.bytes += by;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One body while it is read.
pub struct Body {
    bytes: Vec<u8>,
    room: Room,
    /// How long it is said to be.
    expected: usize,
}

impl Body {
    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room for a body of about this many bytes.
    ///
    /// # Errors
    /// When all bodies together would take too much.
    pub fn expect(&mut self, length: usize) -> Result<(), Full> {
        self.expected = length;
        let room = length.min(FIRST);
        if room > self.room.bytes {
            self.room.resize(room)?;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a piece. What is counted is the allocation.
    ///
    /// # Errors
    /// When all bodies together would take too much; this one is as it was.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Full> {
        let needed = self.bytes.len() + piece.len();
        if needed > self.room.bytes {
            let room = self.room.bytes;
            let more = if self.expected > room { self.expected.min(BELIEVED * room) } else { 2 * room };
            let more = needed.max(more);
            // Where that is too much, exactly what came may still fit.
            let grown = if self.room.resize(more).is_ok() {
                more
            } else {
                self.room.resize(needed)?;
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
        Bytes::from_owner(Counted { bytes: self.bytes, _room: self.room })
    }
}

struct Counted {
    bytes: Vec<u8>,
    _room: Room,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_counts_from_its_first_byte_to_its_last_slice() {
        let held = Arc::new(Held::default());
        let mut body = held.body(1 << 20);
        for _ in 0..3 {
            body.push(&[7; FIRST]).unwrap();
        }
        assert_eq!((body.len(), held.bytes()), (3 * FIRST, 4 * FIRST));
        let whole = body.into_bytes();
        let slice = whole.slice(10..20);
        drop(whole);
        assert_eq!((slice.as_ref(), held.bytes()), ([7; 10].as_slice(), 4 * FIRST));
        drop(slice);
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn what_is_announced_is_believed_as_far_as_much_has_come() {
        let held = Arc::new(Held::default());
        for (announced, grown) in
            [(5 * FIRST + 7, 5 * FIRST + 7), (usize::MAX, BELIEVED * FIRST), (7, 2 * FIRST)]
        {
            let mut body = held.body(1 << 20);
            body.expect(announced).unwrap();
            assert_eq!(held.bytes(), announced.min(FIRST), "little before the first byte");
            body.push(&[7; FIRST]).unwrap();
            assert_eq!(held.bytes(), FIRST);
            body.push(&[7]).unwrap();
            assert_eq!((body.len(), held.bytes()), (FIRST + 1, grown));
        }
    }

    #[test]
    fn together_they_stay_under_the_limit_and_use_all_of_it() {
        let held = Arc::new(Held::default());
        let total = 3 * FIRST;
        let (mut one, mut two) = (held.body(total), held.body(total));
        one.push(&[1; FIRST]).unwrap();
        two.push(&[2; FIRST]).unwrap();
        assert_eq!(one.push(&[1; 2 * FIRST]), Err(Full));
        assert_eq!((one.len(), held.bytes()), (FIRST, 2 * FIRST), "a refused piece costs nothing");
        one.push(&[1; FIRST]).unwrap();
        assert_eq!(two.push(&[2]), Err(Full));
        drop(one);
        two.push(&[2]).unwrap();
        assert_eq!(two.into_bytes().len(), FIRST + 1);
        assert_eq!(held.bytes(), 0);
    }
}
