//! Owns a client's request, its answer, and the errors of a request that has no answer.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::json::{self, MalformedJson};
use crate::protocol::request::RequestBody;
use crate::record::{Attempt, Record, RequestId, render_attempts_header};
use crate::stream::StreamBody;

/// The longest accepted name. Comparing a megabyte with every name would block other requests.
const MAX_NAME_BYTES: usize = 256;

/// What to send instead of a reference to stored state.
const SEND_ALL_HINT: &str =
    "send the whole conversation as input instead, as Codex does, and the SDKs with store: false";

/// Takes the record of each request when it is over. It must not block.
pub type RecordSink = Arc<dyn Fn(Record) + Send + Sync>;

/// A client's request.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// The gateway's id, for headers and logs.
    pub id: RequestId,
    /// The client's API.
    pub api: Api,
    /// The client's name, where its token has one.
    pub client: Option<String>,
    /// End-to-end headers without credentials and cookies.
    pub headers: HeaderMap,
    /// The body as received.
    pub body: Bytes,
    /// `x-moonrelay-fallback: off`.
    pub is_fallback_disabled: bool,
    /// The provider compacts the conversation instead of answering.
    pub is_compaction: bool,
}

/// An answer for the client.
pub enum Answer {
    /// A whole response.
    Complete {
        /// JSON.
        body: Segments,
        /// The target that answered.
        model: String,
        /// Every attempt.
        attempts: Vec<Attempt>,
        /// What the translation of request and response does not carry, by the names of the loss table.
        losses: Vec<&'static str>,
        /// The provider's headers that a client may see.
        headers: HeaderMap,
    },
    /// Server-sent events.
    Stream {
        /// The target that answers. `None` if the head had to be sent before that was known.
        model: Option<String>,
        /// The attempts so far.
        attempts: Vec<Attempt>,
        /// What the translation of the request does not carry.
        losses: Vec<&'static str>,
        /// The provider's headers that a client may see.
        headers: HeaderMap,
        /// The events. Dropping it cancels the request upstream.
        body: StreamBody,
    },
}

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub enum RequestError {
    /// The body is not a valid request.
    Malformed(MalformedJson),
    /// `model` is missing, not a string, too long, or contains control characters.
    InvalidModel,
    /// The request needs state that the gateway does not store.
    UnsupportedState {
        /// The field.
        param: &'static str,
        /// What is wrong, and what to send instead.
        message: String,
    },
    /// No model, alias or route has this name.
    UnknownModel {
        /// The name as requested.
        requested: String,
        /// Similar names.
        nearest: Vec<String>,
    },
    /// No target was tried; the attempts contain the reasons.
    NoUsableTarget {
        /// One for each target.
        attempts: Vec<Attempt>,
    },
    /// Every attempt failed.
    AttemptsFailed {
        /// The failure to report: that of an invalid request, otherwise that of the first target.
        failure: Failure,
        /// The target that failed so.
        reference: String,
        /// Every attempt.
        attempts: Vec<Attempt>,
    },
    /// The gateway is shutting down.
    ShuttingDown {
        /// The attempts so far.
        attempts: Vec<Attempt>,
    },
}

impl RequestError {
    /// The attempts so far.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            Self::AttemptsFailed { attempts, .. }
            | Self::NoUsableTarget { attempts }
            | Self::ShuttingDown { attempts } => attempts,
            Self::Malformed(_)
            | Self::InvalidModel
            | Self::UnsupportedState { .. }
            | Self::UnknownModel { .. } => &[],
        }
    }

    /// The reason for the record and the client's status.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed(_) | Self::InvalidModel | Self::UnsupportedState { .. } => Reason::BadRequest,
            Self::UnknownModel { .. } => Reason::ModelNotFound,
            Self::AttemptsFailed { failure, .. } => failure.reason,
            Self::NoUsableTarget { .. } | Self::ShuttingDown { .. } => Reason::Server,
        }
    }
}

impl std::fmt::Display for RequestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "{error}"),
            Self::InvalidModel => f.write_str(
                "\"model\" must be a string of at most 256 bytes: a model's name, alias or provider/model",
            ),
            Self::UnsupportedState { message, .. } => f.write_str(message),
            Self::UnknownModel { requested, nearest } => {
                write!(f, "no model, alias or route is called {requested:?}; ")?;
                if !nearest.is_empty() {
                    write!(f, "nearest: {}; ", nearest.join(", "))?;
                }
                f.write_str("add a route for it to models.routes; patterns such as \"claude-*\" are allowed")
            }
            Self::NoUsableTarget { attempts } => {
                f.write_str("no target can serve this request")?;
                for attempt in attempts {
                    write!(f, "; {}: {}", attempt.reference, attempt.detail)?;
                }
                Ok(())
            }
            Self::AttemptsFailed { failure, reference, attempts } => {
                write!(f, "{reference}: {}", failure.message)?;
                if attempts.len() > 1 {
                    write!(f, " (tried: {})", render_attempts_header(attempts))?;
                }
                Ok(())
            }
            Self::ShuttingDown { .. } => f.write_str("the gateway is shutting down; send the request again"),
        }
    }
}

/// Rejects an invalid model name before it is compared, logged or put into a header.
///
/// # Errors
/// [`RequestError::InvalidModel`] when it is empty, too long, or contains control characters.
pub fn check_name(requested: &str) -> Result<(), RequestError> {
    let is_invalid =
        requested.is_empty() || requested.len() > MAX_NAME_BYTES || requested.chars().any(char::is_control);
    if is_invalid { Err(RequestError::InvalidModel) } else { Ok(()) }
}

/// Rejects requests that need stored state. `store` itself requests nothing that the answer needs: `OpenAI`'s
/// default is true, so SDKs that never read a stored response leave it so.
///
/// # Errors
/// [`RequestError::UnsupportedState`], which names the field and what to send instead.
pub fn check_stateless(body: &RequestBody) -> Result<(), RequestError> {
    if body.api != Api::Responses {
        return Ok(());
    }
    for (param, reason) in [
        ("previous_response_id", "responses are not stored"),
        ("conversation", "conversations are not stored"),
        ("prompt", "prompt templates are not stored"),
    ] {
        if body.value(param).is_some_and(|value| value != b"null") {
            return Err(unsupported_state(param, format!("{param}: {reason}; {SEND_ALL_HINT}")));
        }
    }
    if body.value("background") == Some(b"true") {
        let why = "background: a request ends when its client disconnects; omit it, and use stream: true for long answers";
        return Err(unsupported_state("background", why.to_owned()));
    }
    let is_reference = |item: &[u8]| json::literal_equals(item, "item_reference");
    let at = body.messages.iter().position(|item| body.field(item, "type").is_some_and(is_reference));
    at.map_or(Ok(()), |at| {
        let why = format!("input[{at}] refers to an item that is not stored; {SEND_ALL_HINT}");
        Err(unsupported_state("input", why))
    })
}

const fn unsupported_state(param: &'static str, message: String) -> RequestError {
    RequestError::UnsupportedState { param, message }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn rejected_field(api: Api, body: &Value) -> Option<&'static str> {
        match check_stateless(&RequestBody::parse(api, Bytes::from(body.to_string())).unwrap()) {
            Err(RequestError::UnsupportedState { param, .. }) => Some(param),
            _ => None,
        }
    }

    #[test]
    fn stored_state_is_rejected_by_field_name() {
        for (body, param) in [
            (json!({"previous_response_id": "resp_1"}), Some("previous_response_id")),
            (json!({"conversation": {"id": "conv_1"}}), Some("conversation")),
            (json!({"background": true}), Some("background")),
            (json!({"prompt": {"id": "pmpt_1"}}), Some("prompt")),
            (json!({"input": [{"role": "user"}, {"type": "item_reference", "id": "rs_1"}]}), Some("input")),
            (json!({"store": true, "background": false, "previous_response_id": null, "input": "hi"}), None),
            (json!({"store": false, "input": [{"type": "message", "role": "user", "content": "hi"}]}), None),
        ] {
            assert_eq!(rejected_field(Api::Responses, &body), param, "{body}");
            assert_eq!(rejected_field(Api::ChatCompletions, &body), None, "{body}");
        }
    }
}
