//! Server-sent events, byte by byte (WHATWG HTML, "Server-sent events", 9.2.6).
//!
//! Lines end with LF, CRLF or CR, in any mixture; a frame ends with an empty line. A frame keeps its raw bytes, so that
//! what nobody changes goes on as it came. Bytes are never decoded here: a boundary inside UTF-8 does no harm.

use std::ops::Range;

use bytes::Bytes;

use super::pattern::{Found, Pattern};

/// The frame that ends a chat stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// A payload as an event of one line: in JSON a line end is white space, in an event it ends the data line.
#[must_use]
pub fn event(payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 8);
    out.extend_from_slice(b"data: ");
    out.extend(payload.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// The longest frame that is read, in bytes: room for a 20 MB image as base64, and a bound on what one stream can hold.
pub const MAX_FRAME: usize = 32 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A frame went beyond the reader's cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLong {
    /// The cap, in bytes.
    pub cap: usize,
}

impl std::fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an event is longer than {} bytes", self.cap)
    }
}

impl std::error::Error for FrameTooLong {}

/// One event, or a block of comments, with the empty line that ends it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Every byte, line ends included.
    pub raw: Bytes,
    /// Where `raw` stands in the bytes that were fed last; `None` when it came in pieces and was joined.
    pub place: Option<Range<usize>>,
    /// Whether its empty line came; only the last frame of a stream may lack it.
    pub terminated: bool,
    data: Data,
}

#[derive(Clone, Debug)]
enum Data {
    None,
    /// One `data:` line: its value's place in `raw`.
    Line(Range<usize>),
    /// Several, joined with LF.
    Joined(Bytes),
}

impl Frame {
    fn new(raw: Bytes, place: Option<Range<usize>>, terminated: bool) -> Self {
        let data = read_data(&raw);
        Self { raw, place, terminated, data }
    }

    /// The payload: the values of its `data:` lines. `None` for comments and frames without data.
    #[must_use]
    pub fn data(&self) -> Option<Bytes> {
        match &self.data {
            Data::None => None,
            Data::Line(place) => Some(self.raw.slice(place.clone())),
            Data::Joined(joined) => Some(joined.clone()),
        }
    }

    /// Where the payload stands in `raw`; `None` when there is none, or it was joined of several lines.
    #[must_use]
    pub fn data_place(&self) -> Option<Range<usize>> {
        match &self.data {
            Data::Line(place) => Some(place.clone()),
            Data::None | Data::Joined(_) => None,
        }
    }

    /// The value of its last `event:` line.
    #[must_use]
    pub fn event(&self) -> Option<Bytes> {
        let mut event = None;
        for_each_line(&self.raw, |line| {
            if let Some(value) = field(&self.raw, &line, b"event") {
                event = Some(self.raw.slice(value));
            }
        });
        event
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct FrameReader {
    cap: usize,
    /// The head of a frame whose end has not come.
    head: Vec<u8>,
    chunk: Bytes,
    /// Offset in `chunk` of the first byte that is not in `head` or in a frame.
    at: usize,
    /// The current line has no byte yet.
    blank: bool,
    /// The last byte was a CR that ended a line: an LF now would belong to it.
    after_cr: Option<EndedLine>,
    /// The line before the current one ended with a bare CR.
    bare_cr: bool,
    /// Bytes of a byte order mark that have come, until it is known whether it is one.
    bom: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndedLine {
    Blank,
    Filled,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::with_cap(MAX_FRAME)
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
    pub const fn with_cap(cap: usize) -> Self {
        Self {
            cap,
            head: Vec::new(),
            chunk: Bytes::new(),
            at: 0,
            blank: true,
            after_cr: None,
            bare_cr: false,
            bom: Some(0),
        }
    }

    /// A reader for frames that another one has let pass: of any length, and a byte order mark is none there.
    #[must_use]
    pub fn again() -> Self {
        Self { bom: None, ..Self::with_cap(usize::MAX) }
    }

    /// Takes bytes as they were read. Frames of the bytes fed before must have been taken with [`Self::next_frame`];
    /// what was not is joined, at the cost of a copy.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.at < self.chunk.len() {
            let mut joined = self.chunk.split_off(self.at.min(self.chunk.len())).to_vec();
            joined.extend_from_slice(&chunk);
            self.chunk = joined.into();
        } else {
            self.chunk = chunk;
        }
        self.at = 0;
    }

    /// The next frame that is whole; `None` when more bytes must come.
    ///
    /// # Errors
    /// When a frame is longer than the cap. The reader is of no use afterwards.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameTooLong> {
        self.skip_bom();
        let found = self.find_end();
        let end = found.unwrap_or(self.chunk.len());
        let piece = self.at.min(end)..end;
        if self.head.len() + piece.len() > self.cap {
            self.head = Vec::new();
            return Err(FrameTooLong { cap: self.cap });
        }
        self.at = end;
        if found.is_none() {
            // Not kept until the next one comes: it may be a piece of a buffer that a socket waits with.
            let chunk = std::mem::take(&mut self.chunk);
            self.at = 0;
            self.head.extend_from_slice(chunk.get(piece).unwrap_or_default());
            return Ok(None);
        }
        if self.head.is_empty() {
            return Ok(Some(Frame::new(self.chunk.slice(piece.clone()), Some(piece), true)));
        }
        let mut raw = std::mem::take(&mut self.head);
        raw.extend_from_slice(self.chunk.get(piece).unwrap_or_default());
        Ok(Some(Frame::new(raw.into(), None, true)))
    }

    /// The next frame, where it has this pattern; [`Self::skip`] takes it. Nothing is read for it but its bytes.
    #[must_use]
    pub fn alike(&self, pattern: &Pattern) -> Option<Found> {
        let begins = self.head.is_empty()
            && self.blank
            && self.after_cr.is_none()
            && !self.bare_cr
            && matches!(self.bom, None | Some(0));
        let found = pattern.at(&self.chunk, if begins { self.at } else { return None })?;
        (found.place.len() <= self.cap).then_some(found)
    }

    /// Goes on behind a frame that [`Self::alike`] found.
    pub fn skip(&mut self, frame: &Found) {
        self.bom = None;
        self.at = frame.place.end;
    }

    /// The last frame, which may lack its empty line. To be called when [`Self::next_frame`] gives `None` and no more
    /// bytes come.
    pub fn end(&mut self) -> Option<Frame> {
        if let Some(seen @ 1..) = self.bom.take() {
            // What looked like a byte order mark was none.
            self.head.splice(0..0, BOM.iter().copied().take(seen));
        }
        let raw = std::mem::take(&mut self.head);
        // After the CR of an empty line only the wait for its LF was left.
        let terminated = self.after_cr == Some(EndedLine::Blank);
        (!raw.is_empty()).then(|| Frame::new(raw.into(), None, terminated))
    }

    /// A byte order mark may open the stream; it may come in pieces.
    fn skip_bom(&mut self) {
        while let (Some(seen), Some(&byte)) = (self.bom, self.chunk.get(self.at)) {
            if BOM.get(seen) == Some(&byte) {
                self.at += 1;
                self.bom = (seen + 1 < BOM.len()).then_some(seen + 1);
            } else {
                self.head.extend(BOM.iter().take(seen));
                self.blank = seen == 0;
                self.bom = None;
            }
        }
    }

    /// The offset in `chunk` after the frame's end. The state outlives the chunk, so no byte is looked at twice.
    fn find_end(&mut self) -> Option<usize> {
        let (mut at, ended) = self.settle_cr();
        if ended == Some(EndedLine::Blank) {
            self.restart();
            return Some(at);
        }
        loop {
            let rest = self.chunk.get(at..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.blank &= rest.is_empty();
                return None;
            };
            let blank = self.blank && found == 0;
            let is_lf = rest.get(found) == Some(&b'\n');
            at += found + 1;
            self.blank = true;
            if is_lf {
                if blank {
                    self.restart();
                    return Some(at);
                }
                self.bare_cr = false;
                continue;
            }
            if blank && self.bare_cr {
                // Lines end with bare CRs here, so this one is not held up for an LF; should one follow all the
                // same, it opens the next frame and means nothing there.
                self.after_cr = Some(EndedLine::Filled);
                return Some(at);
            }
            let ended = if blank { EndedLine::Blank } else { EndedLine::Filled };
            match self.chunk.get(at) {
                None => {
                    self.after_cr = Some(ended);
                    return None;
                }
                Some(b'\n') => {
                    at += 1;
                    self.bare_cr = false;
                }
                Some(_) => self.bare_cr = true,
            }
            if blank {
                self.restart();
                return Some(at);
            }
        }
    }

    /// Decides what a CR at the end of the bytes before meant: where to go on, and the line that it ended.
    fn settle_cr(&mut self) -> (usize, Option<EndedLine>) {
        let Some(&byte) = self.chunk.get(self.at).filter(|_| self.after_cr.is_some()) else {
            return (self.at, None);
        };
        self.bare_cr = byte != b'\n';
        (self.at + usize::from(byte == b'\n'), self.after_cr.take())
    }

    const fn restart(&mut self) {
        self.blank = true;
        self.bare_cr = false;
    }
}

/// Calls `visit` with the place of each line that has bytes.
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

/// The place of the value when the line is this field's; one space after the colon does not count.
fn field(raw: &[u8], line: &Range<usize>, name: &[u8]) -> Option<Range<usize>> {
    let rest = raw.get(line.clone())?.strip_prefix(name)?;
    let value = match rest {
        [] => rest,
        [b':', b' ', value @ ..] | [b':', value @ ..] => value,
        _ => return None,
    };
    Some(line.end - value.len()..line.end)
}

fn read_data(raw: &Bytes) -> Data {
    let mut first: Option<Range<usize>> = None;
    let mut joined: Option<Vec<u8>> = None;
    for_each_line(raw, |line| {
        let Some(place) = field(raw, &line, b"data") else { return };
        let Some(head) = &first else {
            first = Some(place);
            return;
        };
        let text = joined.get_or_insert_with(|| raw.get(head.clone()).unwrap_or_default().to_vec());
        text.push(b'\n');
        text.extend_from_slice(raw.get(place).unwrap_or_default());
    });
    match (joined, first) {
        (Some(joined), _) => Data::Joined(joined.into()),
        (None, Some(place)) => Data::Line(place),
        (None, None) => Data::None,
    }
}

#[cfg(test)]
mod tests;
