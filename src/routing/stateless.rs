//! Responses requests that need a provider that stores conversations. The gateway stores none, so that any
//! target can answer the next request.

use super::RequestError;
use crate::protocol::api::Api;
use crate::protocol::json;
use crate::protocol::request::RequestBody;

const SEND_ALL_HINT: &str =
    "send the whole conversation as input instead, as Codex does, and the SDKs with store: false";

/// Rejects requests that need stored state. `store` itself requests nothing that the answer needs: `OpenAI`'s
/// default is true, so SDKs that never read a stored response leave it so.
///
/// # Errors
/// [`RequestError::UnsupportedState`], which names the field and what to send instead.
pub fn check_stateless(body: &RequestBody) -> Result<(), RequestError> {
    if body.api != Api::Responses {
        return Ok(());
    }
    for (param, what) in [
        ("previous_response_id", "responses are not kept here"),
        ("conversation", "conversations are not kept here"),
        ("prompt", "prompt templates are not kept here"),
    ] {
        if body.value(param).is_some_and(|value| value != b"null") {
            return Err(unsupported_state(param, format!("{param}: {what}; {SEND_ALL_HINT}")));
        }
    }
    if body.value("background") == Some(b"true") {
        let why = "background: nothing runs on when its client is gone; leave it out, and use stream: true for long answers";
        return Err(unsupported_state("background", why.to_owned()));
    }
    let is_reference = |item: &[u8]| json::literal_equals(item, "item_reference");
    let at = body.messages.iter().position(|item| body.field(item, "type").is_some_and(is_reference));
    at.map_or(Ok(()), |at| {
        let why = format!("input[{at}] refers to an item that was not kept; {SEND_ALL_HINT}");
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

    fn refused(face: Api, body: &Value) -> Option<&'static str> {
        match check_stateless(&RequestBody::parse(face, Bytes::from(body.to_string())).unwrap()) {
            Err(RequestError::UnsupportedState { param, .. }) => Some(param),
            _ => None,
        }
    }

    #[test]
    fn what_would_have_to_be_kept_is_refused_by_name_and_nothing_else_is() {
        for (body, param) in [
            (json!({"previous_response_id": "resp_1"}), Some("previous_response_id")),
            (json!({"conversation": {"id": "conv_1"}}), Some("conversation")),
            (json!({"background": true}), Some("background")),
            (json!({"prompt": {"id": "pmpt_1"}}), Some("prompt")),
            (json!({"input": [{"role": "user"}, {"type": "item_reference", "id": "rs_1"}]}), Some("input")),
            (json!({"store": true, "background": false, "previous_response_id": null, "input": "hi"}), None),
            (json!({"store": false, "input": [{"type": "message", "role": "user", "content": "hi"}]}), None),
        ] {
            assert_eq!(refused(Api::Responses, &body), param, "{body}");
            assert_eq!(refused(Api::ChatCompletions, &body), None, "{body}");
        }
    }
}
