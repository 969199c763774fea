//! Events that are the same but for one text, as most of a stream's are: they are recognised by comparing, not by reading.

use bytes::Bytes;

use super::json::Span;

/// Longer templates are not stored, in bytes.
const MAX_TEMPLATE_BYTES: usize = 1024;

/// The bytes before and after the text of an event, its line end and empty line included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTemplate {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
}

/// An event that has the pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateMatch {
    /// Its span.
    pub event_span: Span,
    /// The span of its text: at least one byte, no escape.
    pub text_span: Span,
}

impl EventTemplate {
    /// Creates the template of a whole event. `text` is the span of a string in it, quotes included.
    #[must_use]
    pub fn from_event(event: &Bytes, text: &Span) -> Option<Self> {
        let before = event.get(..text.start + 1)?;
        let behind = event.get(text.end.checked_sub(1)?..)?;
        // A CR may be followed by the LF of the same line end.
        let is_kept = before.ends_with(b"\"")
            && behind.starts_with(b"\"")
            && behind.ends_with(b"\n")
            && before.len() + behind.len() <= MAX_TEMPLATE_BYTES;
        is_kept.then(|| Self { prefix: before.to_vec(), suffix: behind.to_vec() })
    }

    /// Whether this event matches the template, whatever its text.
    #[must_use]
    pub fn matches(&self, event: &[u8]) -> bool {
        event.starts_with(&self.prefix) && event.ends_with(&self.suffix)
    }

    /// The event that starts at `at`. Only the text is inspected, because the bytes around it equal those of
    /// the template. A quote ends the text; a character that JSON forbids in a string is not a match.
    #[must_use]
    pub fn match_at(&self, bytes: &[u8], at: usize) -> Option<TemplateMatch> {
        let start = at + self.prefix.len();
        if bytes.get(at..start)? != self.prefix {
            return None;
        }
        let rest = bytes.get(start..)?;
        let length = memchr::memchr2(b'"', b'\\', rest)?;
        let (text, behind) = rest.split_at_checked(length)?;
        if text.is_empty() || text.iter().any(|byte| *byte < 0x20) || !behind.starts_with(&self.suffix) {
            return None;
        }
        let end = start + length;
        Some(TemplateMatch { event_span: at..end + self.suffix.len(), text_span: start..end })
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

    fn pattern() -> EventTemplate {
        let event = Bytes::from(format!("{BEFORE}word{BEHIND}"));
        EventTemplate::from_event(&event, &(BEFORE.len() - 1..BEFORE.len() + 5)).unwrap()
    }

    #[test]
    fn ambiguous_events_do_not_match() {
        let alike = |text: &str| pattern().match_at(format!("{BEFORE}{text}{BEHIND}data").as_bytes(), 0);
        assert_eq!(alike("other").unwrap().text_span, BEFORE.len()..BEFORE.len() + 5);
        for text in ["", "\\n", "a\\\"", "a\u{1}", "a\nb", "\",\"text\":\"x"] {
            assert_eq!(alike(text), None, "{text:?}");
        }
        let whole = format!("{BEFORE}word{BEHIND}");
        for end in 0..whole.len() {
            assert_eq!(pattern().match_at(&whole.as_bytes()[..end], 0), None, "it is not all there");
        }
    }

    proptest! {
        /// For any text: an event found by comparison is the same as the one found by parsing.
        #[test]
        fn matching_event_parses_to_the_same_text(text in "[a-z\"\\\\\u{0}-\u{20}é{}:,]{0,8}", rest in "[a\"\n]{0,3}") {
            let bytes = Bytes::from(format!("{BEFORE}{text}{BEHIND}{rest}"));
            if let Some(alike) = pattern().match_at(&bytes, 0) {
                let mut reader = FrameReader::new();
                reader.feed(bytes.clone());
                let frame = reader.next_frame().unwrap().unwrap();
                prop_assert_eq!(frame.input_span.clone(), Some(alike.event_span));
                let payload = frame.data().unwrap();
                prop_assert!(json::is_valid(&payload));
                let (members, _) = json::parse_members(&payload, 0).unwrap();
                let value = json::find_member(&payload, &members, "text").unwrap().value.clone();
                let read = json::unescape(&payload[value]).unwrap().into_owned();
                prop_assert_eq!(read.as_bytes(), &bytes[alike.text_span]);
            }
        }
    }
}
