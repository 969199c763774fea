//! Checks a response and records the arrival times of its parts.

use memchr::{memchr, memmem};

use crate::mock::ANSWER;
use crate::stamp;

/// Reads the body of one answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// A line, or a whole answer, that has begun.
    carry: Vec<u8>,
    stream: bool,
    /// Stamps, with a time or without.
    pub(super) stamps: u32,
    pub(super) ended: bool,
    /// When the first text was here.
    pub(super) first: Option<u64>,
    pub(super) delays: Vec<u64>,
}

impl Answer {
    pub(super) fn new(stream: bool) -> Self {
        Self { stream, ..Self::default() }
    }

    /// Takes a piece that was here at `now`.
    pub(super) fn take(&mut self, mut piece: &[u8], now: u64) {
        if !self.stream {
            self.carry.extend_from_slice(piece);
            return;
        }
        while let Some(end) = memchr(b'\n', piece) {
            let (line, rest) = (&piece[..end], &piece[end + 1..]);
            if self.carry.is_empty() {
                self.line(line, now);
            } else {
                let mut whole = std::mem::take(&mut self.carry);
                whole.extend_from_slice(line);
                self.line(&whole, now);
                whole.clear();
                self.carry = whole;
            }
            piece = rest;
        }
        self.carry.extend_from_slice(piece);
    }

    fn line(&mut self, line: &[u8], now: u64) {
        let Some(data) = line.strip_prefix(b"data:") else { return };
        let data = data.trim_ascii();
        if let Some(time) = stamp::read(data) {
            self.stamps += 1;
            self.first.get_or_insert(now);
            if time > 0 {
                self.delays.push(now.saturating_sub(time));
            }
        } else if data == b"[DONE]" || memmem::find(data, b"\"message_stop\"").is_some() {
            self.ended = true;
        }
    }

    /// Its beginning, for a person.
    pub(super) fn text(&self) -> String {
        excerpt(&self.carry)
    }

    /// What is wrong with it, now that it is complete.
    pub(super) fn fault(&self, chunks: Option<u32>) -> Option<String> {
        match chunks {
            None => memmem::find(&self.carry, ANSWER.as_bytes())
                .is_none()
                .then(|| format!("not the answer: {}", excerpt(&self.carry))),
            Some(chunks) if self.stamps != chunks => Some(format!("{} chunks of {chunks}", self.stamps)),
            Some(_) => (!self.ended).then(|| "a stream without an end".to_owned()),
        }
    }
}

/// The beginning of what came, for a person.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "data: {\"x\":\"@t=0000000000000005 a\"}\n\n: comment\n\ndata: {\"x\":\"@t=0000000000000000 b\"}\n\ndata: [DONE]\n\n";

    #[test]
    fn stream_is_counted_at_any_chunk_boundary() {
        for cut in 0..STREAM.len() {
            let mut answer = Answer::new(true);
            answer.take(&STREAM.as_bytes()[..cut], 7);
            answer.take(&STREAM.as_bytes()[cut..], 7);
            assert_eq!(answer.fault(Some(2)), None, "cut at {cut}");
            assert_eq!(answer.delays, [2]);
            assert_eq!(answer.first, Some(7));
        }
    }

    #[test]
    fn missing_chunk_or_end_is_an_error() {
        let mut answer = Answer::new(true);
        answer.take(STREAM.trim_end_matches("data: [DONE]\n\n").as_bytes(), 1);
        assert!(answer.fault(Some(2)).is_some(), "no end");
        answer.take(b"data: [DONE]\n\n", 1);
        assert_eq!(answer.fault(Some(2)), None);
        assert!(answer.fault(Some(3)).is_some(), "a chunk is missing");
    }

    #[test]
    fn unexpected_response_is_an_error() {
        let mut answer = Answer::new(false);
        answer.take(b"{\"error\":1}", 1);
        assert!(answer.fault(None).is_some());
    }
}
