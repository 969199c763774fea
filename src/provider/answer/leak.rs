//! Tool calls that Kimi leaks into its text as the markup of its chat template.
//!
//! ```text
//! <|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:IDX<|tool_call_argument_begin|>{…}<|tool_call_end|>…<|tool_calls_section_end|>
//! ```
//!
//! The filter works on JSON string literals as they came (Go back ends write `<` as `\u003c`), so that text and
//! arguments keep their escapes. It holds back no more than what may still become a section; what does not goes on as
//! text.

use std::ops::Range;

use super::body::server_failure;
use crate::failure::Failure;
use crate::protocol::json;

const SECTION_BEGIN: &[u8] = b"<|tool_calls_section_begin|>";
const SECTION_END: &[u8] = b"<|tool_calls_section_end|>";
const CALL_BEGIN: &[u8] = b"<|tool_call_begin|>";
const ARGUMENT_BEGIN: &[u8] = b"<|tool_call_argument_begin|>";
const CALL_END: &[u8] = b"<|tool_call_end|>";

/// A section longer than this is text: it bounds what one stream holds back.
const MAX_SECTION_BYTES: usize = 1 << 20;

/// Longer ids than any provider's.
const MAX_ID_BYTES: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeakedCall {
    /// As the model wrote it: `functions.NAME:IDX`.
    pub id: String,
    /// The name in it.
    pub name: String,
    /// The JSON of the arguments, escaped as for a string literal.
    pub arguments: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FilteredPiece {
    /// Text, escaped as received.
    Text(Vec<u8>),
    Calls(Vec<LeakedCall>),
}

/// An answer that begins with a section that is not complete calls. Later in an answer it may be a text about the markup.
pub(super) fn broken_section() -> Failure {
    server_failure("the answer is tool-call markup that cannot be read as tool calls")
}

/// Finds sections in a text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct LeakFilter {
    /// Escaped text; between pushes it starts with a marker, or a part of one.
    buffered: Vec<u8>,
    /// Offset in `buffered` up to which it was released.
    released_to: usize,
    /// Offset in `buffered` up to which it was inspected.
    position: usize,
    state: FilterState,
    calls: Vec<LeakedCall>,
    /// Text other than white space was released.
    has_text: bool,
    /// The text began with a section that was no calls.
    is_broken: bool,
}

/// The part of a section that contains `at`.
#[derive(Debug, Default)]
enum FilterState {
    #[default]
    Text,
    /// Before a call or the section's end.
    Between,
    /// In a call's id, which starts there.
    Id(usize),
    /// In a call's arguments, which start there.
    Arguments { id: String, name: String, from: usize },
}

/// Whether a marker begins at an offset.
enum MarkerMatch {
    Complete(usize),
    /// The text ends inside it.
    Partial,
    Absent,
}

/// Whether a text begins with a section, complete or not.
pub(super) fn begins_with_section(escaped: &[u8]) -> bool {
    matches!(match_marker(trim(escaped), 0, SECTION_BEGIN), MarkerMatch::Complete(_))
}

/// Whether a literal may hold (the beginning of) a marker.
pub(super) fn may_leak(escaped: &[u8]) -> bool {
    memchr::memchr(b'<', escaped).is_some() || memchr::memmem::find(escaped, br"\u003").is_some()
}

impl LeakFilter {
    pub(super) const fn is_idle(&self) -> bool {
        self.buffered.is_empty()
    }

    /// Whether the withheld text is a section, as far as it came.
    pub(super) const fn is_in_section(&self) -> bool {
        !matches!(self.state, FilterState::Text)
    }

    /// Whether the text began with a section that was not complete calls: then it is in the text.
    pub(super) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Takes the text between the quotes of a string literal; returns the decided pieces.
    pub(super) fn push(&mut self, escaped: &[u8]) -> Vec<FilteredPiece> {
        self.buffered.extend_from_slice(escaped);
        let mut out = Vec::new();
        while self.step(&mut out) {}
        if self.buffered.len() - self.released_to > MAX_SECTION_BYTES {
            self.release_as_text(self.buffered.len(), &mut out);
        }
        self.drop_released();
        out
    }

    /// Called once a push, so that a text full of markers costs linear time.
    fn drop_released(&mut self) {
        let gone = std::mem::take(&mut self.released_to);
        self.buffered.drain(..gone);
        self.position -= gone;
        if let FilterState::Id(from) | FilterState::Arguments { from, .. } = &mut self.state {
            *from -= gone;
        }
    }

    /// The withheld text, because no more follows.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        self.record_release(self.buffered.len());
        self.state = FilterState::Text;
        self.calls.clear();
        self.position = 0;
        std::mem::take(&mut self.buffered)
    }

    /// One step through the grammar; false when more text is needed.
    fn step(&mut self, out: &mut Vec<FilteredPiece>) -> bool {
        match &self.state {
            FilterState::Text => self.step_text(out),
            FilterState::Between => self.step_between(out),
            FilterState::Id(from) => self.step_id(*from, out),
            FilterState::Arguments { from, .. } => self.step_arguments(*from, out),
        }
    }

    fn step_text(&mut self, out: &mut Vec<FilteredPiece>) -> bool {
        let Some(open) = find_open(&self.buffered, self.position) else {
            self.release_as_text(self.buffered.len(), out);
            return false;
        };
        match match_marker(&self.buffered, open, SECTION_BEGIN) {
            MarkerMatch::Absent => {
                self.position = open + decode_unit(&self.buffered, open).1;
                true
            }
            MarkerMatch::Partial => {
                self.release_as_text(open, out);
                false
            }
            MarkerMatch::Complete(end) => {
                self.release_as_text(open, out);
                self.position = end;
                self.state = FilterState::Between;
                true
            }
        }
    }

    fn step_between(&mut self, out: &mut Vec<FilteredPiece>) -> bool {
        while let (Some(byte), length) = decode_unit(&self.buffered, self.position)
            && byte.is_ascii_whitespace()
        {
            self.position += length;
        }
        if self.position >= self.buffered.len() {
            return false;
        }
        match match_marker(&self.buffered, self.position, CALL_BEGIN) {
            MarkerMatch::Complete(end) => {
                self.position = end;
                self.state = FilterState::Id(end);
                return true;
            }
            MarkerMatch::Partial => return false,
            MarkerMatch::Absent => {}
        }
        match match_marker(&self.buffered, self.position, SECTION_END) {
            MarkerMatch::Complete(end) if !self.calls.is_empty() => {
                out.push(FilteredPiece::Calls(std::mem::take(&mut self.calls)));
                self.released_to = end;
                self.position = end;
                self.state = FilterState::Text;
                true
            }
            MarkerMatch::Partial => false,
            MarkerMatch::Complete(_) | MarkerMatch::Absent => self.release_as_text(self.position, out),
        }
    }

    fn step_id(&mut self, from: usize, out: &mut Vec<FilteredPiece>) -> bool {
        while let (Some(byte), length) = decode_unit(&self.buffered, self.position)
            && byte != b'<'
            && self.position - from <= MAX_ID_BYTES
        {
            self.position += length;
        }
        if self.position >= self.buffered.len() {
            return false;
        }
        match match_marker(&self.buffered, self.position, ARGUMENT_BEGIN) {
            MarkerMatch::Partial => false,
            MarkerMatch::Absent => self.release_as_text(self.position, out),
            MarkerMatch::Complete(end) => {
                let Some((id, name)) = self.buffered.get(from..self.position).and_then(read_id) else {
                    return self.release_as_text(self.position, out);
                };
                self.position = end;
                self.state = FilterState::Arguments { id, name, from: end };
                true
            }
        }
    }

    fn step_arguments(&mut self, from: usize, out: &mut Vec<FilteredPiece>) -> bool {
        let Some(open) = find_open(&self.buffered, self.position) else {
            self.position = self.buffered.len();
            return false;
        };
        self.position = open;
        match match_marker(&self.buffered, open, CALL_END) {
            MarkerMatch::Partial => false,
            MarkerMatch::Absent => {
                self.position += decode_unit(&self.buffered, open).1;
                true
            }
            MarkerMatch::Complete(end) => {
                let arguments =
                    self.buffered.get(from..open).map(trim).filter(|escaped| is_json_object(escaped));
                let state = std::mem::replace(&mut self.state, FilterState::Between);
                let (Some(arguments), FilterState::Arguments { id, name, .. }) = (arguments, state) else {
                    return self.release_as_text(end, out);
                };
                self.calls.push(LeakedCall { id, name, arguments: arguments.to_vec() });
                self.position = end;
                true
            }
        }
    }

    /// The buffer up to `end` is text.
    fn record_release(&mut self, end: usize) {
        self.is_broken |= !self.has_text && !matches!(self.state, FilterState::Text);
        let text = self.buffered.get(self.released_to..end).unwrap_or_default();
        self.has_text |= !trim(text).is_empty();
    }

    /// Releases the buffer up to `end` as text and continues after it.
    fn release_as_text(&mut self, end: usize, out: &mut Vec<FilteredPiece>) -> bool {
        self.record_release(end);
        let text = self.buffered.get(self.released_to..end).unwrap_or_default();
        match out.last_mut() {
            _ if text.is_empty() => {}
            Some(FilteredPiece::Text(before)) => before.extend_from_slice(text),
            _ => out.push(FilteredPiece::Text(text.to_vec())),
        }
        self.released_to = end;
        self.position = end;
        self.calls.clear();
        self.state = FilterState::Text;
        true
    }
}

/// The character at an offset when it is ASCII, and the length of its escaped form (at least 1).
fn decode_unit(escaped: &[u8], at: usize) -> (Option<u8>, usize) {
    let rest = escaped.get(at..).unwrap_or_default();
    match rest {
        [b'\\', b'u', hex @ ..] => {
            let code = hex.get(..4).and_then(|hex| std::str::from_utf8(hex).ok());
            let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            (code.filter(u8::is_ascii), 6)
        }
        [b'\\', b'n', ..] => (Some(b'\n'), 2),
        [b'\\', b't', ..] => (Some(b'\t'), 2),
        [b'\\', b'r', ..] => (Some(b'\r'), 2),
        [b'\\', ..] => (None, 2),
        [byte, ..] => (byte.is_ascii().then_some(*byte), 1),
        [] => (None, 1),
    }
}

/// The offset of the next `<`, escaped or not.
fn find_open(escaped: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'<', b'\\', escaped.get(at..)?)?;
        match decode_unit(escaped, at) {
            (Some(b'<'), _) => return Some(at),
            (_, length) => at += length,
        }
    }
}

fn match_marker(escaped: &[u8], at: usize, marker: &[u8]) -> MarkerMatch {
    let mut at = at;
    for expected in marker {
        if at >= escaped.len() {
            return MarkerMatch::Partial;
        }
        let (byte, length) = decode_unit(escaped, at);
        if byte != Some(*expected) {
            return MarkerMatch::Absent;
        }
        at += length;
    }
    MarkerMatch::Complete(at)
}

/// Without white space at both ends, which may be escaped.
fn trim(escaped: &[u8]) -> &[u8] {
    let mut kept: Option<Range<usize>> = None;
    let mut at = 0;
    while at < escaped.len() {
        let (byte, length) = decode_unit(escaped, at);
        if !byte.is_some_and(|byte| byte.is_ascii_whitespace()) {
            kept = Some(kept.map_or(at, |kept| kept.start)..at + length);
        }
        at += length;
    }
    kept.and_then(|kept| escaped.get(kept)).unwrap_or_default()
}

fn unescape(escaped: &[u8]) -> Option<String> {
    let literal = [b"\"", escaped, b"\""].concat();
    json::unescape(&literal).map(std::borrow::Cow::into_owned)
}

/// The id and the name in it: `functions.NAME:IDX` (K2), `NAME:IDX` (K2.5 and later).
fn read_id(escaped: &[u8]) -> Option<(String, String)> {
    let text = unescape(escaped)?;
    let id = text.trim();
    let (name, index) = id.rsplit_once(':')?;
    let name = name.strip_prefix("functions.").unwrap_or(name);
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$'));
    let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    (is_name && is_index).then(|| (id.to_owned(), name.to_owned()))
}

fn is_json_object(escaped: &[u8]) -> bool {
    unescape(escaped).is_some_and(|text| text.starts_with('{') && json::is_valid(text.as_bytes()))
}
