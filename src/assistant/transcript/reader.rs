//! A file's lines as they are read: what is understood, what is of others, and what is broken.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::TranscriptLine;

/// How a header begins; a killed writer can leave any part of it.
const HEADER_PREFIX: &[u8] = b"{\"type\":\"session\"";

/// A transcript, as far as it was read.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    header: Option<TranscriptHeader>,
    entries: Vec<TranscriptLine>,
    entry_ids: HashSet<String>,
    last_id: Option<String>,
    line_count: usize,
    corrupt_lines: Vec<usize>,
    unknown_line_count: usize,
    is_foreign_file: bool,
}

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptHeader {
    /// Of the shape.
    pub version: u32,
    /// RFC 3339; empty where it says none.
    pub timestamp: String,
    /// Where the session was begun; empty where it says nothing.
    pub cwd: String,
}

/// What a line is.
enum ParsedLine {
    Known(TranscriptLine),
    /// A JSON object with a type: of a later version, or of OpenClaw.
    Unknown(Option<String>),
    Corrupt,
}

impl Transcript {
    /// All of a file. A last line without an end is read too, where it is whole.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut transcript = Self::default();
        let whole = transcript.feed(bytes);
        transcript.push_line(bytes.get(whole..).unwrap_or_default());
        transcript
    }

    /// The lines of a file that can be read, each with its end.
    #[must_use]
    pub fn valid_lines(bytes: &[u8]) -> Vec<u8> {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let sound = lines.filter(|line| !matches!(parse_line(line), ParsedLine::Corrupt));
        sound.flat_map(|line| [line, b"\n"]).flatten().copied().collect()
    }

    /// Takes the whole lines in what follows of the file, and says how many bytes those are.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.push_line(bytes.get(from..end).unwrap_or_default());
            self.line_count += 1;
            from = end + 1;
        }
        from
    }

    fn push_line(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match parse_line(line) {
            ParsedLine::Known(TranscriptLine::Session { version, timestamp, cwd, .. })
                if self.header.is_none() =>
            {
                self.header = Some(TranscriptHeader { version, timestamp, cwd });
                return;
            }
            ParsedLine::Known(TranscriptLine::Session { .. }) => self.unknown_line_count += 1,
            ParsedLine::Known(entry) => {
                self.push_id(entry.meta().map(|place| place.id.clone()));
                self.entries.push(entry);
            }
            ParsedLine::Unknown(id) => {
                self.push_id(id);
                self.unknown_line_count += 1;
            }
            ParsedLine::Corrupt => self.corrupt_lines.push(self.line_count + 1),
        }
        self.is_foreign_file |= self.header.is_none() && !is_torn_header(line);
    }

    fn push_id(&mut self, id: Option<String>) {
        if let Some(id) = id {
            self.entry_ids.insert(id.clone());
            self.last_id = Some(id);
        }
    }

    /// The first line; `None` of an empty file, or where its writer was killed within it.
    #[must_use]
    pub const fn header(&self) -> Option<&TranscriptHeader> {
        self.header.as_ref()
    }

    /// What is understood, without the header.
    #[must_use]
    pub fn entries(&self) -> &[TranscriptLine] {
        &self.entries
    }

    /// The last entry's id.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Whether an entry has this id.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.entry_ids.contains(id)
    }

    /// The 1-based numbers of lines that are not entries: torn by a kill, a full disk or a power loss.
    #[must_use]
    pub fn corrupt_lines(&self) -> &[usize] {
        &self.corrupt_lines
    }

    /// How many lines are of a kind that is not known here.
    #[must_use]
    pub const fn unknown_line_count(&self) -> usize {
        self.unknown_line_count
    }

    /// Whether what was read, with a piece of a line behind it, can be the beginning of a transcript.
    #[must_use]
    pub fn may_continue(&self, piece: &[u8]) -> bool {
        !self.is_foreign_file && (self.header.is_some() || is_torn_header(piece))
    }

    /// Whether the first line is not a header; then the file is not a transcript.
    #[must_use]
    pub const fn is_foreign_file(&self) -> bool {
        self.is_foreign_file
    }
}

fn parse_line(line: &[u8]) -> ParsedLine {
    #[derive(Deserialize)]
    struct Any {
        #[serde(rename = "type")]
        _kind: String,
        #[serde(default)]
        id: Option<Value>,
    }
    if let Ok(known) = serde_json::from_slice(line) {
        return ParsedLine::Known(known);
    }
    match serde_json::from_slice::<Any>(line) {
        Ok(any) => ParsedLine::Unknown(any.id.as_ref().and_then(Value::as_str).map(str::to_owned)),
        Err(_) => ParsedLine::Corrupt,
    }
}

/// A power loss can also leave zeros.
fn is_torn_header(line: &[u8]) -> bool {
    line.starts_with(HEADER_PREFIX) || HEADER_PREFIX.starts_with(line) || line.iter().all(|byte| *byte == 0)
}
