//! The body of an answer: its frames, or the error that a provider sends instead of them with status 200.

use std::time::SystemTime;

use bytes::Bytes;

use crate::failure::{Failure, Reason};
use crate::protocol::chat::chunk::ChatChunk;
use crate::protocol::json;
use crate::protocol::object::ObjectView;
use crate::protocol::sse::{Frame, FrameReader};
use crate::provider::classify::{Classifier, ProviderError};

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
    /// Only white space so far.
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
            return check_json_body(&self.classifier, body, body.len() > MAX_JSON_BODY_BYTES);
        }
        self.frames.feed(bytes);
        Ok(())
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// When it exceeds the limit.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, Failure> {
        self.frames.next_frame().map_err(|error| server_failure(&error.to_string()))
    }

    /// The last frame, which may lack its empty line; `None` for an incomplete line without data.
    ///
    /// # Errors
    /// When it is truncated, or the body is not a stream.
    pub(super) fn end(&mut self) -> Result<Option<Frame>, Failure> {
        if let BodyKind::Json(body) = &self.body_kind {
            check_json_body(&self.classifier, body, true)?;
        }
        let frame = self.frames.finish().filter(|frame| frame.is_terminated || frame.data().is_some());
        if let Some(frame) = &frame {
            let payload = frame.data().unwrap_or_default();
            if payload.starts_with(b"{") && !frame.is_terminated && !json::is_valid(&payload) {
                return Err(truncated_failure("the response ended inside an event"));
            }
        }
        Ok(frame)
    }
}

/// An HTML page with status 200 comes from a proxy, never from a model.
fn detect_body_kind(bytes: &[u8]) -> Result<BodyKind, Failure> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf));
    match first {
        None => Ok(BodyKind::Unknown),
        Some(b'<') => Err(server_failure(HTML_PAGE)),
        Some(b'{') => Ok(BodyKind::Json(Vec::new())),
        Some(_) => Ok(BodyKind::Events),
    }
}

/// Messages of failures.
pub(super) const HTML_PAGE: &str = "the response is an HTML page";
pub(super) const NOT_JSON: &str = "the response is not JSON";
pub(super) const EMPTY_ANSWER: &str = "the response is empty";

pub(super) fn server_failure(message: &str) -> Failure {
    Failure { status: Some(200), ..Failure::new(Reason::Server, message) }
}

pub(super) fn truncated_failure(message: &str) -> Failure {
    Failure { status: Some(200), ..Failure::new(Reason::Truncated, message) }
}

/// Reads a response or a chunk. Clients' SDKs raise on invalid JSON.
///
/// # Errors
/// When it is not, or not an object.
pub(super) fn parse_chunk(text: &[u8]) -> Result<ChatChunk, Failure> {
    ChatChunk::parse_strict(text).map_err(|_| server_failure(NOT_JSON))
}

/// The meaning of an error body.
pub(super) fn classify_body(classifier: &Classifier, body: &[u8]) -> Failure {
    // Errors are read on receipt.
    let now = SystemTime::now();
    classifier.classify(&ProviderError {
        status: 200,
        content_type: None,
        retry_after: None,
        received_at: now,
        body,
    })
}

/// Whether an object has an `error`: a non-empty object or string.
pub(super) fn has_error(object: &ObjectView<'_>) -> bool {
    let error = object.value("error");
    error.is_some_and(|error| matches!(error.first(), Some(b'{' | b'"')) && error.len() > 2)
}

/// The failure in a chunk or a whole response.
pub(super) fn find_failure(classifier: &Classifier, text: &[u8], chunk: &ChatChunk) -> Option<Failure> {
    if let Some(error) = chunk.error(text) {
        if chunk.error.as_ref() == Some(&error) {
            return Some(classify_body(classifier, text));
        }
        // A choice's error is read as a top-level one.
        let object = text.get(error).unwrap_or_default();
        return Some(classify_body(classifier, &[b"{\"error\":", object, b"}"].concat()));
    }
    let broke = chunk
        .parsed_choices
        .iter()
        .filter_map(|choice| text.get(choice.finish_reason.clone()?))
        .any(|finish| json::literal_equals(finish, "error"));
    broke.then(|| server_failure("the provider ended the response with finish_reason \"error\""))
}

/// Reads a JSON body received instead of a stream, and finds an error in it. `complete` when the body has
/// ended.
///
/// # Errors
/// Always, once the body is complete.
pub(super) fn check_json_body(classifier: &Classifier, body: &[u8], complete: bool) -> Result<(), Failure> {
    if !complete && body.trim_ascii_end().last() != Some(&b'}') {
        return Ok(());
    }
    match ChatChunk::parse(body) {
        Ok(chunk) => Err(find_failure(classifier, body, &chunk)
            .unwrap_or_else(|| server_failure("the response is not a stream"))),
        Err(_) if complete => Err(server_failure(NOT_JSON)),
        Err(_) => Ok(()),
    }
}
