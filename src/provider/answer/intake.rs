//! The body of a stream: frames, or what came in their place.

use bytes::Bytes;

use super::refusal::{self, server, truncated};
use crate::failure::Failure;
use crate::protocol::json;
use crate::protocol::pattern::{Found, Pattern};
use crate::protocol::sse::{Frame, FrameReader};
use crate::provider::classify::Classifier;

/// A body that is no event stream is read up to here, in bytes, for the error that it may hold.
const MAX_BODY: usize = 256 << 10;

/// Cuts the body into frames.
#[derive(Debug)]
pub(super) struct Intake {
    classifier: Classifier,
    frames: FrameReader,
    opening: Opening,
}

/// What the first bytes tell of the body.
#[derive(Debug)]
enum Opening {
    /// Nothing but white space came.
    Unknown,
    Events,
    /// A JSON body, although a stream was asked for.
    Json(Vec<u8>),
}

impl Intake {
    pub(super) fn new(classifier: Classifier) -> Self {
        Self { classifier, frames: FrameReader::new(), opening: Opening::Unknown }
    }

    /// Takes bytes as they were read.
    ///
    /// # Errors
    /// When the body is no stream, once that is known.
    pub(super) fn feed(&mut self, bytes: Bytes) -> Result<(), Failure> {
        if let Opening::Unknown = self.opening {
            self.opening = opening(&bytes)?;
        }
        if let Opening::Json(body) = &mut self.opening {
            body.extend_from_slice(&bytes);
            return refusal::of_whole_body(&self.classifier, body, body.len() > MAX_BODY);
        }
        self.frames.feed(bytes);
        Ok(())
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// When it is too long.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, Failure> {
        self.frames.next_frame().map_err(|error| server(&error.to_string()))
    }

    /// The next frame, where it has this pattern; [`Self::skip`] takes it.
    pub(super) fn alike(&self, pattern: &Pattern) -> Option<Found> {
        self.frames.alike(pattern)
    }

    pub(super) fn skip(&mut self, frame: &Found) {
        self.frames.skip(frame);
    }

    /// The last frame, which may lack its empty line; not where that is the beginning of a line and nothing else.
    ///
    /// # Errors
    /// When it broke off, or the body was no stream.
    pub(super) fn end(&mut self) -> Result<Option<Frame>, Failure> {
        if let Opening::Json(body) = &self.opening {
            refusal::of_whole_body(&self.classifier, body, true)?;
        }
        let frame = self.frames.end().filter(|frame| frame.terminated || frame.data().is_some());
        if let Some(frame) = &frame {
            let payload = frame.data().unwrap_or_default();
            if payload.starts_with(b"{") && !frame.terminated && !json::is_valid(&payload) {
                return Err(truncated("the answer broke off inside an event"));
            }
        }
        Ok(frame)
    }
}

/// An HTML page with status 200 comes from a proxy or a gateway's front, never from a model.
fn opening(bytes: &[u8]) -> Result<Opening, Failure> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf));
    match first {
        None => Ok(Opening::Unknown),
        Some(b'<') => Err(server(refusal::HTML)),
        Some(b'{') => Ok(Opening::Json(Vec::new())),
        Some(_) => Ok(Opening::Events),
    }
}
