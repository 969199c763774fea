//! Reads the lines of a session file: known, unknown and corrupt ones.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::line::TranscriptLine;

/// How a header begins; a killed writer can leave any part of it.
const HEADER_PREFIX: &[u8] = b"{\"type\":\"session\"";

/// A transcript, as far as it was read.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    header: Option<TranscriptHeader>,
    entries: Vec<TranscriptLine>,
    entry_ids: HashSet<String>,
    /// The id of the last entry that has one.
    pub(in crate::assistant) last_id: Option<String>,
    /// RFC 3339; the time of the last line that has one.
    pub(in crate::assistant) updated_at: String,
    line_count: usize,
    corrupt_lines: Vec<usize>,
    unknown_line_count: usize,
    is_foreign_file: bool,
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptHeader {
    /// The format version.
    pub version: u32,
    /// RFC 3339; empty if the header has none.
    pub timestamp: String,
    /// The working directory in which the session was created; empty if the header has none.
    pub cwd: String,
}

/// The fields of any line, also of a later version or of OpenClaw.
#[derive(Deserialize)]
struct AnyLine {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    timestamp: Value,
}

impl Transcript {
    /// Reads a whole file. An unterminated last line is read too, if it is complete.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut transcript = Self::default();
        let whole = transcript.feed(bytes);
        transcript.push_line(bytes.get(whole..).unwrap_or_default());
        transcript
    }

    /// The lines of a file that can be read, each with its newline.
    #[must_use]
    pub fn valid_lines(bytes: &[u8]) -> Vec<u8> {
        let lines = bytes.split(|byte| *byte == b'\n');
        let valid = lines.filter(|line| serde_json::from_slice::<AnyLine>(line).is_ok());
        valid.flat_map(|line| [line, b"\n"]).flatten().copied().collect()
    }

    /// Reads the complete lines of the following part of the file. Returns their length in bytes.
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
        match serde_json::from_slice(line) {
            Ok(TranscriptLine::Session { version, timestamp, cwd, .. }) if self.header.is_none() => {
                self.updated_at.clone_from(&timestamp);
                self.header = Some(TranscriptHeader { version, timestamp, cwd });
                return;
            }
            Ok(TranscriptLine::Session { .. }) => self.unknown_line_count += 1,
            Ok(entry) => {
                if let Some(meta) = entry.meta() {
                    self.push_meta(Some(&meta.id), Some(&meta.timestamp));
                }
                self.entries.push(entry);
            }
            Err(_) => match serde_json::from_slice::<AnyLine>(line) {
                Ok(any) => {
                    self.push_meta(any.id.as_str(), any.timestamp.as_str());
                    self.unknown_line_count += 1;
                }
                Err(_) => self.corrupt_lines.push(self.line_count + 1),
            },
        }
        self.is_foreign_file |= self.header.is_none() && !is_torn_header(line);
    }

    fn push_meta(&mut self, id: Option<&str>, timestamp: Option<&str>) {
        if let Some(id) = id {
            self.entry_ids.insert(id.to_owned());
            self.last_id = Some(id.to_owned());
        }
        if let Some(timestamp) = timestamp.filter(|timestamp| !timestamp.is_empty()) {
            timestamp.clone_into(&mut self.updated_at);
        }
    }

    /// The first line; `None` for an empty file, or if its writer was killed while writing it.
    #[must_use]
    pub const fn header(&self) -> Option<&TranscriptHeader> {
        self.header.as_ref()
    }

    /// The known entries, without the header.
    #[must_use]
    pub fn entries(&self) -> &[TranscriptLine] {
        &self.entries
    }

    /// Whether an entry has this id.
    pub(in crate::assistant) fn contains(&self, id: &str) -> bool {
        self.entry_ids.contains(id)
    }

    /// The 1-based numbers of lines that are not entries: torn by a kill, a full disk or a power loss.
    #[must_use]
    pub fn corrupt_lines(&self) -> &[usize] {
        &self.corrupt_lines
    }

    /// The number of entries of unknown types.
    #[must_use]
    pub const fn unknown_line_count(&self) -> usize {
        self.unknown_line_count
    }

    /// Whether the lines read, followed by this incomplete line, can be the beginning of a transcript.
    pub(in crate::assistant) fn may_continue(&self, piece: &[u8]) -> bool {
        !self.is_foreign_file && (self.header.is_some() || is_torn_header(piece))
    }

    /// Whether the first line is not a header; then the file is not a transcript.
    #[must_use]
    pub const fn is_foreign_file(&self) -> bool {
        self.is_foreign_file
    }
}

/// A power loss can also leave zeros.
fn is_torn_header(line: &[u8]) -> bool {
    line.starts_with(HEADER_PREFIX) || HEADER_PREFIX.starts_with(line) || line.iter().all(|byte| *byte == 0)
}
