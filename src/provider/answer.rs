//! Responses: converts a provider's response for the client and meters it.

mod body;
mod leak;
mod meter;
mod output;

mod chat;
mod messages;
mod responses;

mod stream;

pub use meter::{ContentBytes, Meter, ReaderOutput};
pub use stream::StreamReader;

use bytes::Bytes;

use super::classify::Classifier;
use super::rewrite::AnswerPlan;
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;

/// Reads a complete response of a provider in this API. Errors in it go through the classifier.
///
/// # Errors
/// When the body has an error object, is not JSON, or is empty.
pub fn read_complete(
    classifier: &Classifier,
    api: Api,
    plan: &AnswerPlan,
    body: Bytes,
) -> Result<(Segments, Meter), Failure> {
    match body.trim_ascii_start() {
        [] => return Err(body::server_failure(body::EMPTY_ANSWER)),
        [b'<', ..] => return Err(body::server_failure(body::HTML_PAGE)),
        _ => {}
    }
    match api {
        Api::ChatCompletions => chat::read_complete(classifier, plan, &body),
        Api::Messages => messages::read_complete(classifier, plan, &body),
        Api::Responses => responses::read_complete(classifier, plan, &body),
    }
}

#[cfg(test)]
mod tests;
