//! Where a conversation makes calls, and where it answers them: in `tool_calls` and messages of the role `tool` (chat), in
//! blocks (messages), in items (responses).

use crate::protocol::face::Face;
use crate::protocol::json::{self, Malformed, Span};
use crate::protocol::request::{Message, RequestBody};

/// One call.
#[derive(Clone, Debug)]
pub(in crate::provider) struct Call {
    /// The id's literal.
    pub(in crate::provider) id: Option<Span>,
    /// The literal of the function's name.
    pub(in crate::provider) name: Option<Span>,
    /// Of the tools that the function stands among (responses).
    pub(in crate::provider) namespace: Option<String>,
}

/// The calls of one element of the conversation.
pub(in crate::provider) fn of(body: &RequestBody, message: &Message) -> Vec<Call> {
    if body.face == Face::Chat {
        return body.span(message, "tool_calls").map_or_else(Vec::new, |calls| chat(&body.text, calls.start));
    }
    let Some(object) = body.object(message) else { return Vec::new() };
    match body.face {
        Face::Messages => {
            let calls =
                object.objects("content").into_iter().filter(|block| block.word("type") == "tool_use");
            calls.map(|call| Call { id: call.span("id"), name: call.span("name"), namespace: None }).collect()
        }
        Face::Responses if object.word("type") == "function_call" => {
            vec![Call {
                id: object.span("call_id"),
                name: object.span("name"),
                namespace: object.string("namespace").map(std::borrow::Cow::into_owned),
            }]
        }
        Face::Chat | Face::Responses => Vec::new(),
    }
}

/// The calls in the array at `open`, none where none is; read in one pass, as every request brings all of them again.
fn chat(text: &[u8], open: usize) -> Vec<Call> {
    let mut calls = Vec::new();
    let walked = json::walk_array(text, open, |at| {
        let (mut id, mut name) = (None, None);
        let end = json::walk_object(text, at, |key, value| {
            let key = text.get(key).unwrap_or_default();
            if json::literal_is(key, "function") {
                let function = function(text, value);
                name = function.as_ref().ok().and_then(|(name, _)| name.clone());
                return function.map_or_else(|_| json::skip_value(text, value), |(_, end)| Ok(end));
            }
            let end = json::skip_value(text, value)?;
            if json::literal_is(key, "id") {
                id = given(text, value..end);
            }
            Ok(end)
        });
        // What is no call in order may be a value all the same.
        let Ok(end) = end else { return json::skip_value(text, at) };
        calls.push(Call { id, name, namespace: None });
        Ok(end)
    });
    if walked.is_ok() { calls } else { Vec::new() }
}

/// The literal of the name of the function at `open`, and the offset after it.
fn function(text: &[u8], open: usize) -> Result<(Option<Span>, usize), Malformed> {
    let mut name = None;
    let end = json::walk_object(text, open, |key, value| {
        let end = json::skip_value(text, value)?;
        if json::literal_is(text.get(key).unwrap_or_default(), "name") {
            name = given(text, value..end);
        }
        Ok(end)
    })?;
    Ok((name, end))
}

/// `null` counts as absent.
fn given(text: &[u8], value: Span) -> Option<Span> {
    (text.get(value.clone()) != Some(b"null")).then_some(value)
}

/// The literals of the ids that one element of the conversation answers.
pub(in crate::provider) fn answered(body: &RequestBody, message: &Message) -> Vec<Span> {
    let member = |key| body.span(message, key);
    match body.face {
        Face::Chat => member("tool_call_id").into_iter().collect(),
        Face::Responses => {
            let is_result = body.field(message, "type");
            let is_result = is_result.is_some_and(|kind| json::literal_is(kind, "function_call_output"));
            member("call_id").filter(|_| is_result).into_iter().collect()
        }
        Face::Messages => {
            let blocks = body.object(message).map(|object| object.objects("content"));
            let results = blocks.unwrap_or_default().into_iter();
            let results = results.filter(|block| block.word("type") == "tool_result");
            results.filter_map(|result| result.span("tool_use_id")).collect()
        }
    }
}

/// Whether calls that follow this element belong to the same turn.
pub(in crate::provider) fn is_assistant(body: &RequestBody, message: &Message) -> bool {
    let is_item = |kind: &str| matches!(kind, "function_call" | "reasoning");
    body.role_is(message, "assistant")
        || (body.face == Face::Responses
            && body.field(message, "type").and_then(json::unescape).is_some_and(|kind| is_item(&kind)))
}

#[cfg(test)]
mod tests;
