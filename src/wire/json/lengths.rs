//! Which keys an object cannot have, told from their lengths.

use super::Member;

/// The lengths of an object's keys, a bit each: most keys that are looked for and are not there are not as long as one
/// that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths(u64);

impl Lengths {
    /// Nothing is known.
    pub const ANY: Self = Self(u64::MAX);

    /// Of these members.
    #[must_use]
    pub fn of(text: &[u8], members: &[Member]) -> Self {
        let mut all = Self(0);
        for member in members {
            let key = text.get(member.key.clone()).unwrap_or_default();
            if key.contains(&b'\\') {
                // It is longer than what it means.
                return Self::ANY;
            }
            all.0 |= bit(key.len().saturating_sub(2));
        }
        all
    }

    /// Whether a key may be there; `false` is certain.
    #[must_use]
    #[inline]
    pub const fn may_have(self, key: &str) -> bool {
        self.0 & bit(key.len()) != 0
    }
}

/// Those that are longer than any name share the last one.
const fn bit(length: usize) -> u64 {
    1 << if length < 63 { length } else { 63 }
}
