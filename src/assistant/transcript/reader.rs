//! A file's lines as they are read: what is understood, what is of others, and what is broken.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::Line;

/// How a header begins; a killed writer can leave any part of it.
const HEADER: &[u8] = b"{\"type\":\"session\"";

/// A transcript, as far as it was read.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    header: Option<Header>,
    entries: Vec<Line>,
    ids: HashSet<String>,
    tip: Option<String>,
    lines: usize,
    broken: Vec<usize>,
    foreign: usize,
    stranger: bool,
}

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Of the shape.
    pub version: u32,
    /// RFC 3339; empty where it says none.
    pub timestamp: String,
    /// Where the session was begun; empty where it says nothing.
    pub cwd: String,
}

/// What a line is.
enum Piece {
    Known(Line),
    /// A JSON object with a type: of a later version, or of OpenClaw.
    Foreign(Option<String>),
    Broken,
}

impl Transcript {
    /// All of a file. A last line without an end is read too, where it is whole.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut transcript = Self::default();
        let whole = transcript.feed(bytes);
        transcript.line(bytes.get(whole..).unwrap_or_default());
        transcript
    }

    /// The lines of a file that can be read, each with its end.
    #[must_use]
    pub fn sound(bytes: &[u8]) -> Vec<u8> {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let sound = lines.filter(|line| !matches!(piece(line), Piece::Broken));
        sound.flat_map(|line| [line, b"\n"]).flatten().copied().collect()
    }

    /// Takes the whole lines in what follows of the file, and says how many bytes those are.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.line(bytes.get(from..end).unwrap_or_default());
            self.lines += 1;
            from = end + 1;
        }
        from
    }

    fn line(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match piece(line) {
            Piece::Known(Line::Session { version, timestamp, cwd, .. }) if self.header.is_none() => {
                self.header = Some(Header { version, timestamp, cwd });
                return;
            }
            Piece::Known(Line::Session { .. }) => self.foreign += 1,
            Piece::Known(entry) => {
                self.step(entry.place().map(|place| place.id.clone()));
                self.entries.push(entry);
            }
            Piece::Foreign(id) => {
                self.step(id);
                self.foreign += 1;
            }
            Piece::Broken => self.broken.push(self.lines + 1),
        }
        self.stranger |= self.header.is_none() && !is_torn_header(line);
    }

    fn step(&mut self, id: Option<String>) {
        if let Some(id) = id {
            self.ids.insert(id.clone());
            self.tip = Some(id);
        }
    }

    /// The first line; `None` of an empty file, or where its writer was killed within it.
    #[must_use]
    pub const fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// What is understood, without the header.
    #[must_use]
    pub fn entries(&self) -> &[Line] {
        &self.entries
    }

    /// The last entry's id.
    #[must_use]
    pub fn tip(&self) -> Option<&str> {
        self.tip.as_deref()
    }

    /// Whether an entry has this id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// The numbers, from 1 on, of the lines that are no entry: torn by a kill, a full disk or a power loss.
    #[must_use]
    pub fn broken(&self) -> &[usize] {
        &self.broken
    }

    /// How many lines are of a kind that is not known here.
    #[must_use]
    pub const fn foreign(&self) -> usize {
        self.foreign
    }

    /// Whether what was read, with a piece of a line behind it, can be the beginning of a transcript.
    #[must_use]
    pub fn may_continue(&self, piece: &[u8]) -> bool {
        !self.stranger && (self.header.is_some() || is_torn_header(piece))
    }

    /// Whether something else than a header stands first: then this is no transcript.
    #[must_use]
    pub const fn is_stranger(&self) -> bool {
        self.stranger
    }
}

fn piece(line: &[u8]) -> Piece {
    #[derive(Deserialize)]
    struct Any {
        #[serde(rename = "type")]
        _kind: String,
        #[serde(default)]
        id: Option<Value>,
    }
    if let Ok(known) = serde_json::from_slice(line) {
        return Piece::Known(known);
    }
    match serde_json::from_slice::<Any>(line) {
        Ok(any) => Piece::Foreign(any.id.as_ref().and_then(Value::as_str).map(str::to_owned)),
        Err(_) => Piece::Broken,
    }
}

/// A power loss can also leave zeros.
fn is_torn_header(line: &[u8]) -> bool {
    line.starts_with(HEADER) || HEADER.starts_with(line) || line.iter().all(|byte| *byte == 0)
}
