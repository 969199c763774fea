//! Events that are the same but for one text, as most of a stream's are: they are recognised by comparing, not by reading.

use bytes::Bytes;

use super::json::Span;

/// Longer ones are not kept, in bytes.
const LONGEST: usize = 1024;

/// What stands before and behind the text of an event, its line end and empty line included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    before: Vec<u8>,
    behind: Vec<u8>,
}

/// An event that has the pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it stands.
    pub place: Span,
    /// Where its text stands: at least a byte, no escape.
    pub text: Span,
}

impl Pattern {
    /// Of a whole event. `text` is the place of a string in it, quotes included.
    #[must_use]
    pub fn of(event: &Bytes, text: &Span) -> Option<Self> {
        let before = event.get(..text.start + 1)?;
        let behind = event.get(text.end.checked_sub(1)?..)?;
        // Behind a CR an LF may follow that belongs to it.
        let is_kept = before.ends_with(b"\"")
            && behind.starts_with(b"\"")
            && behind.ends_with(b"\n")
            && before.len() + behind.len() <= LONGEST;
        is_kept.then(|| Self { before: before.to_vec(), behind: behind.to_vec() })
    }

    /// Whether this event has the pattern, whatever its text holds.
    #[must_use]
    pub fn is_of(&self, event: &[u8]) -> bool {
        event.starts_with(&self.before) && event.ends_with(&self.behind)
    }

    /// The event that begins at `at`. What follows the pattern up to the text's end reads as it did there, so the text's
    /// bytes alone need a look: a quote ends it, and what JSON forbids in a string is none.
    #[must_use]
    pub fn at(&self, bytes: &[u8], at: usize) -> Option<Found> {
        let start = at + self.before.len();
        if bytes.get(at..start)? != self.before {
            return None;
        }
        let rest = bytes.get(start..)?;
        let length = memchr::memchr2(b'"', b'\\', rest)?;
        let (text, behind) = rest.split_at_checked(length)?;
        if text.is_empty() || text.iter().any(|byte| *byte < 0x20) || !behind.starts_with(&self.behind) {
            return None;
        }
        let end = start + length;
        Some(Found { place: at..end + self.behind.len(), text: start..end })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::json;
    use crate::protocol::sse::FrameReader;

    const BEFORE: &str = "data: {\"n\":[1,\"a\"],\"text\":\"";
    const BEHIND: &str = "\",\"end\":null}\n\n";

    fn pattern() -> Pattern {
        let event = Bytes::from(format!("{BEFORE}word{BEHIND}"));
        Pattern::of(&event, &(BEFORE.len() - 1..BEFORE.len() + 5)).unwrap()
    }

    #[test]
    fn what_may_read_otherwise_is_not_alike() {
        let alike = |text: &str| pattern().at(format!("{BEFORE}{text}{BEHIND}data").as_bytes(), 0);
        assert_eq!(alike("other").unwrap().text, BEFORE.len()..BEFORE.len() + 5);
        for text in ["", "\\n", "a\\\"", "a\u{1}", "a\nb", "\",\"text\":\"x"] {
            assert_eq!(alike(text), None, "{text:?}");
        }
        let whole = format!("{BEFORE}word{BEHIND}");
        for end in 0..whole.len() {
            assert_eq!(pattern().at(&whole.as_bytes()[..end], 0), None, "it is not all there");
        }
    }

    proptest! {
        /// Whatever the text is: where the comparison finds an event, reading finds the same one with the same text.
        #[test]
        fn an_event_that_is_alike_reads_so(text in "[a-z\"\\\\\u{0}-\u{20}é{}:,]{0,8}", rest in "[a\"\n]{0,3}") {
            let bytes = Bytes::from(format!("{BEFORE}{text}{BEHIND}{rest}"));
            if let Some(alike) = pattern().at(&bytes, 0) {
                let mut reader = FrameReader::new();
                reader.feed(bytes.clone());
                let frame = reader.next_frame().unwrap().unwrap();
                prop_assert_eq!(frame.place.clone(), Some(alike.place));
                let payload = frame.data().unwrap();
                prop_assert!(json::is_valid(&payload));
                let (members, _) = json::members(&payload, 0).unwrap();
                let value = json::find(&payload, &members, "text").unwrap().value.clone();
                let read = json::unescape(&payload[value]).unwrap().into_owned();
                prop_assert_eq!(read.as_bytes(), &bytes[alike.text]);
            }
        }
    }
}
