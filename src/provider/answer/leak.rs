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

use crate::protocol::json;

const SECTION_BEGIN: &[u8] = b"<|tool_calls_section_begin|>";
const SECTION_END: &[u8] = b"<|tool_calls_section_end|>";
const CALL_BEGIN: &[u8] = b"<|tool_call_begin|>";
const ARGUMENT_BEGIN: &[u8] = b"<|tool_call_argument_begin|>";
const CALL_END: &[u8] = b"<|tool_call_end|>";

/// A section longer than this is text: it bounds what one stream holds back.
const MAX_SECTION: usize = 1 << 20;

/// Longer ids than any provider's.
const MAX_ID: usize = 256;

/// A call that was found in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeakedCall {
    /// As the model wrote it: `functions.NAME:IDX`.
    pub id: String,
    /// The name in it.
    pub name: String,
    /// The JSON of the arguments, escaped as for a string literal.
    pub arguments: Vec<u8>,
}

/// What a text turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text, escaped as it came.
    Text(Vec<u8>),
    /// The calls of one section.
    Calls(Vec<LeakedCall>),
}

/// Finds sections in a text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct LeakFilter {
    /// Escaped text; between pushes it starts with a marker, or a part of one.
    held: Vec<u8>,
    /// Offset in `held` up to which it has gone on.
    gone: usize,
    /// Offset in `held` up to which it was looked at.
    at: usize,
    state: State,
    calls: Vec<LeakedCall>,
}

/// Where in a section `at` stands.
#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    /// Before a call or the section's end.
    Between,
    /// In a call's id, which starts there.
    Id(usize),
    /// In a call's arguments, which start there.
    Arguments { id: String, name: String, from: usize },
}

/// Whether a marker stands at an offset.
enum Marker {
    /// Yes, up to there.
    Whole(usize),
    /// The text ends inside it.
    Part,
    No,
}

/// Whether a literal may hold (the beginning of) a marker.
pub(super) fn may_leak(escaped: &[u8]) -> bool {
    memchr::memchr(b'<', escaped).is_some() || memchr::memmem::find(escaped, br"\u003").is_some()
}

impl LeakFilter {
    /// Whether nothing is held back.
    pub(super) const fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes the inside of a string literal; gives what it is sure of.
    pub(super) fn push(&mut self, escaped: &[u8]) -> Vec<Piece> {
        self.held.extend_from_slice(escaped);
        let mut out = Vec::new();
        while self.step(&mut out) {}
        if self.held.len() - self.gone > MAX_SECTION {
            self.give_back(self.held.len(), &mut out);
        }
        self.forget_gone();
        out
    }

    /// Once a push, so that a text full of markers costs no more than its length.
    fn forget_gone(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        self.held.drain(..gone);
        self.at -= gone;
        if let State::Id(from) | State::Arguments { from, .. } = &mut self.state {
            *from -= gone;
        }
    }

    /// What is held back, as text: no more comes.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        self.state = State::Text;
        self.calls.clear();
        self.at = 0;
        std::mem::take(&mut self.held)
    }

    /// One step through the grammar; false when more text is needed.
    fn step(&mut self, out: &mut Vec<Piece>) -> bool {
        match &self.state {
            State::Text => self.step_text(out),
            State::Between => self.step_between(out),
            State::Id(from) => self.step_id(*from, out),
            State::Arguments { from, .. } => self.step_arguments(*from, out),
        }
    }

    fn step_text(&mut self, out: &mut Vec<Piece>) -> bool {
        let Some(open) = find_open(&self.held, self.at) else {
            self.give_back(self.held.len(), out);
            return false;
        };
        match marker_at(&self.held, open, SECTION_BEGIN) {
            Marker::No => {
                self.at = open + unit(&self.held, open).1;
                true
            }
            Marker::Part => {
                self.give_back(open, out);
                false
            }
            Marker::Whole(end) => {
                self.give_back(open, out);
                self.at = end;
                self.state = State::Between;
                true
            }
        }
    }

    fn step_between(&mut self, out: &mut Vec<Piece>) -> bool {
        while let (Some(byte), length) = unit(&self.held, self.at)
            && byte.is_ascii_whitespace()
        {
            self.at += length;
        }
        if self.at >= self.held.len() {
            return false;
        }
        match marker_at(&self.held, self.at, CALL_BEGIN) {
            Marker::Whole(end) => {
                self.at = end;
                self.state = State::Id(end);
                return true;
            }
            Marker::Part => return false,
            Marker::No => {}
        }
        match marker_at(&self.held, self.at, SECTION_END) {
            Marker::Whole(end) if !self.calls.is_empty() => {
                out.push(Piece::Calls(std::mem::take(&mut self.calls)));
                self.gone = end;
                self.at = end;
                self.state = State::Text;
                true
            }
            Marker::Part => false,
            Marker::Whole(_) | Marker::No => self.give_back(self.at, out),
        }
    }

    fn step_id(&mut self, from: usize, out: &mut Vec<Piece>) -> bool {
        while let (Some(byte), length) = unit(&self.held, self.at)
            && byte != b'<'
            && self.at - from <= MAX_ID
        {
            self.at += length;
        }
        if self.at >= self.held.len() {
            return false;
        }
        match marker_at(&self.held, self.at, ARGUMENT_BEGIN) {
            Marker::Part => false,
            Marker::No => self.give_back(self.at, out),
            Marker::Whole(end) => {
                let Some((id, name)) = self.held.get(from..self.at).and_then(read_id) else {
                    return self.give_back(self.at, out);
                };
                self.at = end;
                self.state = State::Arguments { id, name, from: end };
                true
            }
        }
    }

    fn step_arguments(&mut self, from: usize, out: &mut Vec<Piece>) -> bool {
        let Some(open) = find_open(&self.held, self.at) else {
            self.at = self.held.len();
            return false;
        };
        self.at = open;
        match marker_at(&self.held, open, CALL_END) {
            Marker::Part => false,
            Marker::No => {
                self.at += unit(&self.held, open).1;
                true
            }
            Marker::Whole(end) => {
                let arguments = self.held.get(from..open).map(trim).filter(|escaped| is_json_object(escaped));
                let state = std::mem::replace(&mut self.state, State::Between);
                let (Some(arguments), State::Arguments { id, name, .. }) = (arguments, state) else {
                    return self.give_back(end, out);
                };
                self.calls.push(LeakedCall { id, name, arguments: arguments.to_vec() });
                self.at = end;
                true
            }
        }
    }

    /// What is held up to there is text after all; goes on behind it.
    fn give_back(&mut self, end: usize, out: &mut Vec<Piece>) -> bool {
        let text = self.held.get(self.gone..end).unwrap_or_default();
        match out.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(before)) => before.extend_from_slice(text),
            _ => out.push(Piece::Text(text.to_vec())),
        }
        self.gone = end;
        self.at = end;
        self.calls.clear();
        self.state = State::Text;
        true
    }
}

/// The character at an offset when it is ASCII, and the length of its escaped form (at least 1).
fn unit(escaped: &[u8], at: usize) -> (Option<u8>, usize) {
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
        match unit(escaped, at) {
            (Some(b'<'), _) => return Some(at),
            (_, length) => at += length,
        }
    }
}

fn marker_at(escaped: &[u8], at: usize, marker: &[u8]) -> Marker {
    let mut at = at;
    for expected in marker {
        if at >= escaped.len() {
            return Marker::Part;
        }
        let (byte, length) = unit(escaped, at);
        if byte != Some(*expected) {
            return Marker::No;
        }
        at += length;
    }
    Marker::Whole(at)
}

/// Without white space at both ends, which may be escaped.
fn trim(escaped: &[u8]) -> &[u8] {
    let mut kept: Option<Range<usize>> = None;
    let mut at = 0;
    while at < escaped.len() {
        let (byte, length) = unit(escaped, at);
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
