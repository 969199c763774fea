//! A filter for keys that an object cannot have.

use super::Member;

/// One bit per key of an object, by its length and first letter. Most absent keys map to a bit that no present
/// key sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFilter(u64);

impl KeyFilter {
    /// Nothing is known yet: any key may be present.
    pub const MATCH_ALL: Self = Self(u64::MAX);

    /// Of these members.
    #[must_use]
    pub fn from_members(text: &[u8], members: &[Member]) -> Self {
        let mut all = Self(0);
        for member in members {
            let [b'"', key @ .., b'"'] = text.get(member.key.clone()).unwrap_or_default() else { continue };
            if has_escape(key) {
                // An escaped key differs from its literal bytes.
                return Self::MATCH_ALL;
            }
            all.0 |= key_bit(key);
        }
        all
    }

    /// Whether a key may be present; `false` is certain.
    #[must_use]
    #[inline]
    pub const fn may_contain(self, key: &str) -> bool {
        self.0 & key_bit(key.as_bytes()) != 0
    }
}

/// Those of one length differ by their first letter, those of one first letter by their length.
#[inline]
const fn key_bit(key: &[u8]) -> u64 {
    let first = match key {
        [first, ..] => *first as usize,
        [] => 0,
    };
    1 << ((key.len() + 7 * first) % 64)
}

/// Whether a key, without its quotes, contains a backslash. Keys are short, so overlapping words are faster
/// than a loop.
#[must_use]
pub fn has_escape(key: &[u8]) -> bool {
    let in_word = |word: &[u8; 4]| word.iter().fold(false, |any, byte| any | (*byte == b'\\'));
    match (key.as_chunks().0, key.last_chunk()) {
        (words, Some(last)) => words.iter().any(in_word) || in_word(last),
        _ => key.contains(&b'\\'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json::parse_members;

    #[test]
    fn present_key_is_found_in_any_spelling() {
        for length in 0..80 {
            let key = "k".repeat(length);
            for (text, may) in [
                (format!("{{\"a\":1,\"{key}\":2}}"), true),
                (format!("{{\"{key}x\":1}}"), false),
                (format!("{{\"x{key}\":1}}"), false),
            ] {
                let (members, _) = parse_members(text.as_bytes(), 0).unwrap();
                let keys = KeyFilter::from_members(text.as_bytes(), &members);
                assert!(keys.may_contain(&key) == may || !may, "{text}");
            }
            for at in 0..length {
                let written = [&key[..at], "\\u006b", &key[at + 1..]].concat();
                let text = format!("{{\"{written}\":1}}");
                let (members, _) = parse_members(text.as_bytes(), 0).unwrap();
                assert_eq!(
                    KeyFilter::from_members(text.as_bytes(), &members),
                    KeyFilter::MATCH_ALL,
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn message_keys_have_distinct_bits() {
        let names = [
            "role",
            "content",
            "name",
            "tools",
            "output",
            "tool_calls",
            "tool_call_id",
            "reasoning",
            "reasoning_content",
            "type",
            "partial",
        ];
        for name in names {
            let text = format!("{{\"{name}\":1}}");
            let keys =
                KeyFilter::from_members(text.as_bytes(), &parse_members(text.as_bytes(), 0).unwrap().0);
            assert!(names.iter().all(|other| keys.may_contain(other) == (name == *other)), "{name}");
        }
    }
}
