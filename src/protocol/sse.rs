//! Server-sent events, byte by byte (WHATWG HTML, "Server-sent events", 9.2.6).
//!
//! Lines end with LF, CRLF or CR, in any mixture; a frame ends with an empty line. A frame keeps its raw bytes,
//! so that unedited frames are forwarded unchanged. Bytes are never decoded here, so a boundary inside a UTF-8
//! sequence is harmless.

use std::ops::Range;

use bytes::Bytes;

/// The frame that ends a chat stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// A payload as an event of one line: in JSON a line end is white space, in an event it ends the data line.
#[must_use]
pub fn encode_event(payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 8);
    out.extend_from_slice(b"data: ");
    out.extend(payload.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// The longest frame that is read, in bytes. It fits a 20 MB image as base64 and bounds the memory of one
/// stream.
pub const MAX_FRAME: usize = 32 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A frame exceeded the reader's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLong {
    /// The cap, in bytes.
    pub max_bytes: usize,
}

impl std::fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an event exceeds {} bytes", self.max_bytes)
    }
}

impl std::error::Error for FrameTooLong {}

/// One event, or a block of comments, with the empty line that ends it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Every byte, line ends included.
    pub raw: Bytes,
    /// The span of `raw` in the bytes that were fed last; `None` when it arrived in pieces and was joined.
    pub input_span: Option<Range<usize>>,
    /// Whether its empty line was received; only the last frame of a stream may lack it.
    pub is_terminated: bool,
    data: FrameData,
}

#[derive(Clone, Debug)]
enum FrameData {
    None,
    /// One `data:` line: the span of its value in `raw`.
    Line(Range<usize>),
    /// Several, joined with LF.
    Joined(Bytes),
}

impl Frame {
    fn new(raw: Bytes, input_span: Option<Range<usize>>, is_terminated: bool) -> Self {
        let data = parse_data(&raw);
        Self { raw, input_span, is_terminated, data }
    }

    /// The payload: the values of its `data:` lines. `None` for comments and frames without data.
    #[must_use]
    pub fn data(&self) -> Option<Bytes> {
        match &self.data {
            FrameData::None => None,
            FrameData::Line(place) => Some(self.raw.slice(place.clone())),
            FrameData::Joined(joined) => Some(joined.clone()),
        }
    }

    /// The span of the payload in `raw`; `None` when there is none, or it was joined from several lines.
    #[must_use]
    pub fn data_span(&self) -> Option<Range<usize>> {
        match &self.data {
            FrameData::Line(place) => Some(place.clone()),
            FrameData::None | FrameData::Joined(_) => None,
        }
    }

    /// The value of its last `event:` line.
    #[must_use]
    pub fn event_name(&self) -> Option<Bytes> {
        let mut event = None;
        for_each_line(&self.raw, |line| {
            if let Some(value) = field_value_span(&self.raw, &line, b"event") {
                event = Some(self.raw.slice(value));
            }
        });
        event
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct FrameReader {
    max_bytes: usize,
    /// The start of a frame whose end has not been received.
    pending: Vec<u8>,
    chunk: Bytes,
    /// Offset in `chunk` of the first byte that is not in `head` or in a frame.
    offset: usize,
    /// The current line has no byte yet.
    is_line_empty: bool,
    /// The last byte was a CR that ended a line, so a following LF belongs to it.
    pending_cr: Option<LineKind>,
    /// The line before the current one ended with a bare CR.
    has_bare_cr: bool,
    /// The received bytes of a possible byte order mark.
    bom_bytes_seen: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineKind {
    Empty,
    NonEmpty,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::with_max_bytes(MAX_FRAME)
    }
}

impl FrameReader {
    /// A reader for frames of at most [`MAX_FRAME`] bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader for frames of at most `cap` bytes.
    #[must_use]
    pub const fn with_max_bytes(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            pending: Vec::new(),
            chunk: Bytes::new(),
            offset: 0,
            is_line_empty: true,
            pending_cr: None,
            has_bare_cr: false,
            bom_bytes_seen: Some(0),
        }
    }

    /// A reader for frames that another reader has accepted: without a length limit, and without byte order
    /// mark detection.
    #[must_use]
    pub fn for_accepted_frames() -> Self {
        Self { bom_bytes_seen: None, ..Self::with_max_bytes(usize::MAX) }
    }

    /// Adds received bytes. Frames of earlier bytes should have been taken with [`Self::next_frame`]; the
    /// remainder is joined, which costs a copy.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.offset < self.chunk.len() {
            let mut joined = self.chunk.split_off(self.offset.min(self.chunk.len())).to_vec();
            joined.extend_from_slice(&chunk);
            self.chunk = joined.into();
        } else {
            self.chunk = chunk;
        }
        self.offset = 0;
    }

    /// The next complete frame; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When a frame exceeds the limit. The reader is unusable afterwards.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameTooLong> {
        self.skip_bom();
        let found = self.find_end();
        let end = found.unwrap_or(self.chunk.len());
        let piece = self.offset.min(end)..end;
        if self.pending.len() + piece.len() > self.max_bytes {
            self.pending = Vec::new();
            return Err(FrameTooLong { max_bytes: self.max_bytes });
        }
        self.offset = end;
        if found.is_none() {
            // Dropped at once: it may be a slice of a buffer that a socket needs back.
            let chunk = std::mem::take(&mut self.chunk);
            self.offset = 0;
            self.pending.extend_from_slice(chunk.get(piece).unwrap_or_default());
            return Ok(None);
        }
        if self.pending.is_empty() {
            return Ok(Some(Frame::new(self.chunk.slice(piece.clone()), Some(piece), true)));
        }
        let mut raw = std::mem::take(&mut self.pending);
        raw.extend_from_slice(self.chunk.get(piece).unwrap_or_default());
        Ok(Some(Frame::new(raw.into(), None, true)))
    }

    /// The last frame, which may lack its empty line. Call it when [`Self::next_frame`] returns `None` and no
    /// more bytes will arrive.
    pub fn finish(&mut self) -> Option<Frame> {
        if let Some(seen @ 1..) = self.bom_bytes_seen.take() {
            // The partial byte order mark was ordinary text.
            self.pending.splice(0..0, BOM.iter().copied().take(seen));
        }
        let raw = std::mem::take(&mut self.pending);
        // After the CR of an empty line only its optional LF was pending.
        let terminated = self.pending_cr == Some(LineKind::Empty);
        (!raw.is_empty()).then(|| Frame::new(raw.into(), None, terminated))
    }

    /// A byte order mark may start the stream; it may arrive in pieces.
    fn skip_bom(&mut self) {
        while let (Some(seen), Some(&byte)) = (self.bom_bytes_seen, self.chunk.get(self.offset)) {
            if BOM.get(seen) == Some(&byte) {
                self.offset += 1;
                self.bom_bytes_seen = (seen + 1 < BOM.len()).then_some(seen + 1);
            } else {
                self.pending.extend(BOM.iter().take(seen));
                self.is_line_empty = seen == 0;
                self.bom_bytes_seen = None;
            }
        }
    }

    /// The offset in `chunk` after the frame's end. The state outlives the chunk, so no byte is looked at twice.
    fn find_end(&mut self) -> Option<usize> {
        let (mut at, ended) = self.resolve_cr();
        if ended == Some(LineKind::Empty) {
            self.reset_line();
            return Some(at);
        }
        loop {
            let rest = self.chunk.get(at..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.is_line_empty &= rest.is_empty();
                return None;
            };
            let blank = self.is_line_empty && found == 0;
            let is_lf = rest.get(found) == Some(&b'\n');
            at += found + 1;
            self.is_line_empty = true;
            if is_lf {
                if blank {
                    self.reset_line();
                    return Some(at);
                }
                self.has_bare_cr = false;
                continue;
            }
            if blank && self.has_bare_cr {
                // Lines end with bare CRs here, so this one does not wait for an LF. If one follows anyway, it
                // starts the next frame and is ignored there.
                self.pending_cr = Some(LineKind::NonEmpty);
                return Some(at);
            }
            let ended = if blank { LineKind::Empty } else { LineKind::NonEmpty };
            match self.chunk.get(at) {
                None => {
                    self.pending_cr = Some(ended);
                    return None;
                }
                Some(b'\n') => {
                    at += 1;
                    self.has_bare_cr = false;
                }
                Some(_) => self.has_bare_cr = true,
            }
            if blank {
                self.reset_line();
                return Some(at);
            }
        }
    }

    /// Resolves a CR at the end of the earlier bytes: returns the offset to continue at and the line that it
    /// ended.
    fn resolve_cr(&mut self) -> (usize, Option<LineKind>) {
        let Some(&byte) = self.chunk.get(self.offset).filter(|_| self.pending_cr.is_some()) else {
            return (self.offset, None);
        };
        self.has_bare_cr = byte != b'\n';
        (self.offset + usize::from(byte == b'\n'), self.pending_cr.take())
    }

    const fn reset_line(&mut self) {
        self.is_line_empty = true;
        self.has_bare_cr = false;
    }
}

/// Calls `visit` with the span of each non-empty line.
fn for_each_line(raw: &[u8], mut visit: impl FnMut(Range<usize>)) {
    let mut at = 0;
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        if length > 0 {
            visit(at..at + length);
        }
        at += length + 1;
    }
}

/// The span of the value if the line has this field; one space after the colon is not part of it.
fn field_value_span(raw: &[u8], line: &Range<usize>, name: &[u8]) -> Option<Range<usize>> {
    let rest = raw.get(line.clone())?.strip_prefix(name)?;
    let value = match rest {
        [] => rest,
        [b':', b' ', value @ ..] | [b':', value @ ..] => value,
        _ => return None,
    };
    Some(line.end - value.len()..line.end)
}

fn parse_data(raw: &Bytes) -> FrameData {
    let mut first: Option<Range<usize>> = None;
    let mut joined: Option<Vec<u8>> = None;
    for_each_line(raw, |line| {
        let Some(place) = field_value_span(raw, &line, b"data") else { return };
        let Some(head) = &first else {
            first = Some(place);
            return;
        };
        let text = joined.get_or_insert_with(|| raw.get(head.clone()).unwrap_or_default().to_vec());
        text.push(b'\n');
        text.extend_from_slice(raw.get(place).unwrap_or_default());
    });
    match (joined, first) {
        (Some(joined), _) => FrameData::Joined(joined.into()),
        (None, Some(place)) => FrameData::Line(place),
        (None, None) => FrameData::None,
    }
}

#[cfg(test)]
mod tests;
