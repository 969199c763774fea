//! The body of a stream: frames, or what came in their place.

use bytes::Bytes;

use super::error::{self, server_failure, truncated_failure};
use crate::failure::Failure;
use crate::protocol::event_template::{EventTemplate, TemplateMatch};
use crate::protocol::json;
use crate::protocol::sse::{Frame, FrameReader};
use crate::provider::classify::Classifier;

/// Limit in bytes up to which a body that is not an event stream is read, to find an error in it.
const MAX_JSON_BODY_BYTES: usize = 256 << 10;

/// Cuts the body into frames.
#[derive(Debug)]
pub(super) struct BodyReader {
    classifier: Classifier,
    frames: FrameReader,
    body_kind: BodyKind,
}

/// The kind of body that its first bytes indicate.
#[derive(Debug)]
enum BodyKind {
    /// Nothing but white space came.
    Unknown,
    Events,
    /// A JSON body, although the request was for a stream.
    Json(Vec<u8>),
}

impl BodyReader {
    pub(super) fn new(classifier: Classifier) -> Self {
        Self { classifier, frames: FrameReader::new(), body_kind: BodyKind::Unknown }
    }

    /// Adds bytes that were read.
    ///
    /// # Errors
    /// When the body turns out not to be a stream.
    pub(super) fn feed(&mut self, bytes: Bytes) -> Result<(), Failure> {
        if let BodyKind::Unknown = self.body_kind {
            self.body_kind = detect_body_kind(&bytes)?;
        }
        if let BodyKind::Json(body) = &mut self.body_kind {
            body.extend_from_slice(&bytes);
            return error::check_json_body(&self.classifier, body, body.len() > MAX_JSON_BODY_BYTES);
        }
        self.frames.feed(bytes);
        Ok(())
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// When it is too long.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, Failure> {
        self.frames.next_frame().map_err(|error| server_failure(&error.to_string()))
    }

    /// The next frame, where it has this pattern; [`Self::skip`] takes it.
    pub(super) fn match_template(&self, pattern: &EventTemplate) -> Option<TemplateMatch> {
        self.frames.match_template(pattern)
    }

    pub(super) fn skip_match(&mut self, frame: &TemplateMatch) {
        self.frames.skip_match(frame);
    }

    /// The last frame, which may lack its empty line; not where that is the beginning of a line and nothing else.
    ///
    /// # Errors
    /// When it broke off, or the body was no stream.
    pub(super) fn end(&mut self) -> Result<Option<Frame>, Failure> {
        if let BodyKind::Json(body) = &self.body_kind {
            error::check_json_body(&self.classifier, body, true)?;
        }
        let frame = self.frames.finish().filter(|frame| frame.is_terminated || frame.data().is_some());
        if let Some(frame) = &frame {
            let payload = frame.data().unwrap_or_default();
            if payload.starts_with(b"{") && !frame.is_terminated && !json::is_valid(&payload) {
                return Err(truncated_failure("the answer broke off inside an event"));
            }
        }
        Ok(frame)
    }
}

/// An HTML page with status 200 comes from a proxy or a gateway's front, never from a model.
fn detect_body_kind(bytes: &[u8]) -> Result<BodyKind, Failure> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf));
    match first {
        None => Ok(BodyKind::Unknown),
        Some(b'<') => Err(server_failure(error::HTML_PAGE)),
        Some(b'{') => Ok(BodyKind::Json(Vec::new())),
        Some(_) => Ok(BodyKind::Events),
    }
}
