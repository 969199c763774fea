//! Errors that a provider sends instead of a response, with status 200.

use std::time::SystemTime;

use crate::failure::{Failure, Reason};
use crate::protocol::chunk::ChatChunk;
use crate::protocol::json;
use crate::protocol::object::ObjectView;
use crate::provider::classify::{Classifier, ProviderError};

/// The messages of failures that are decided here.
pub(super) const HTML_PAGE: &str = "the answer was an HTML page";
pub(super) const NOT_JSON: &str = "the answer was not JSON";
pub(super) const EMPTY_ANSWER: &str = "the answer was empty";

pub(super) fn server_failure(message: &str) -> Failure {
    Failure { status: Some(200), ..Failure::new(Reason::Server, message) }
}

pub(super) fn truncated_failure(message: &str) -> Failure {
    Failure { status: Some(200), ..Failure::new(Reason::Truncated, message) }
}

/// Reads an answer or a chunk. What is not JSON all through would make the client's SDK raise.
///
/// # Errors
/// When it is not, or not an object.
pub(super) fn parse_chunk(text: &[u8]) -> Result<ChatChunk, Failure> {
    ChatChunk::parse_strict(text).map_err(|_| server_failure(NOT_JSON))
}

/// What an error body means.
pub(super) fn classify_body(classifier: &Classifier, body: &[u8]) -> Failure {
    // The error is read as it comes: now is when it came.
    let now = SystemTime::now();
    classifier.classify(&ProviderError {
        status: 200,
        content_type: None,
        retry_after: None,
        received_at: now,
        body,
    })
}

/// Whether an object has an error in its usual place: an object or a string with something in it.
pub(super) fn has_error(object: &ObjectView<'_>) -> bool {
    let error = object.value("error");
    error.is_some_and(|error| matches!(error.first(), Some(b'{' | b'"')) && error.len() > 2)
}

/// The failure that a chunk or a whole answer holds.
pub(super) fn find_failure(classifier: &Classifier, text: &[u8], chunk: &ChatChunk) -> Option<Failure> {
    if let Some(error) = chunk.error(text) {
        if chunk.error.as_ref() == Some(&error) {
            return Some(classify_body(classifier, text));
        }
        // A choice's error is read as one in its usual place.
        let object = text.get(error).unwrap_or_default();
        return Some(classify_body(classifier, &[b"{\"error\":", object, b"}"].concat()));
    }
    let broke = chunk
        .parsed_choices
        .iter()
        .filter_map(|choice| text.get(choice.finish_reason.clone()?))
        .any(|finish| json::literal_equals(finish, "error"));
    broke.then(|| server_failure("the provider broke the answer off with finish_reason \"error\""))
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
            .unwrap_or_else(|| server_failure("a whole answer came where a stream was asked for"))),
        Err(_) if complete => Err(server_failure(NOT_JSON)),
        Err(_) => Ok(()),
    }
}
