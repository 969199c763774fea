//! Where a conversation makes calls, and where it answers them: in `tool_calls` and messages of the role `tool` (chat), in
//! blocks (messages), in items (responses).

use crate::protocol::api::Api;
use crate::protocol::json::{self, MalformedJson, Span};
use crate::protocol::request::{RequestBody, RequestMessage};

/// One call.
#[derive(Clone, Debug)]
pub(in crate::provider) struct ToolCallSpans {
    /// The id's literal.
    pub(in crate::provider) id: Option<Span>,
    /// The literal of the function's name.
    pub(in crate::provider) name: Option<Span>,
    /// The namespace of the function (responses).
    pub(in crate::provider) namespace: Option<String>,
}

/// The calls of one element of the conversation.
pub(in crate::provider) fn read_calls(body: &RequestBody, message: &RequestMessage) -> Vec<ToolCallSpans> {
    if body.api == Api::ChatCompletions {
        return body
            .field_span(message, "tool_calls")
            .map_or_else(Vec::new, |calls| read_chat_calls(&body.text, calls.start));
    }
    let Some(object) = body.message_object(message) else { return Vec::new() };
    match body.api {
        Api::Messages => {
            let calls = object
                .objects("content")
                .into_iter()
                .filter(|block| block.string_or_empty("type") == "tool_use");
            calls
                .map(|call| ToolCallSpans { id: call.span("id"), name: call.span("name"), namespace: None })
                .collect()
        }
        Api::Responses if object.string_or_empty("type") == "function_call" => {
            vec![ToolCallSpans {
                id: object.span("call_id"),
                name: object.span("name"),
                namespace: object.string("namespace").map(std::borrow::Cow::into_owned),
            }]
        }
        Api::ChatCompletions | Api::Responses => Vec::new(),
    }
}

/// The calls in the array at `open`, none where none is; read in one pass, as every request brings all of them again.
fn read_chat_calls(text: &[u8], open: usize) -> Vec<ToolCallSpans> {
    let mut calls = Vec::new();
    let walked = json::walk_array(text, open, |at| {
        let (mut id, mut name) = (None, None);
        let end = json::walk_object(text, at, |key, value| {
            let key = text.get(key).unwrap_or_default();
            if json::literal_equals(key, "function") {
                let function = read_function(text, value);
                name = function.as_ref().ok().and_then(|(name, _)| name.clone());
                return function.map_or_else(|_| json::skip_value(text, value), |(_, end)| Ok(end));
            }
            let end = json::skip_value(text, value)?;
            if json::literal_equals(key, "id") {
                id = non_null(text, value..end);
            }
            Ok(end)
        });
        // A value that is not a well-formed call may still be valid JSON.
        let Ok(end) = end else { return json::skip_value(text, at) };
        calls.push(ToolCallSpans { id, name, namespace: None });
        Ok(end)
    });
    if walked.is_ok() { calls } else { Vec::new() }
}

/// The literal of the name of the function at `open`, and the offset after it.
fn read_function(text: &[u8], open: usize) -> Result<(Option<Span>, usize), MalformedJson> {
    let mut name = None;
    let end = json::walk_object(text, open, |key, value| {
        let end = json::skip_value(text, value)?;
        if json::literal_equals(text.get(key).unwrap_or_default(), "name") {
            name = non_null(text, value..end);
        }
        Ok(end)
    })?;
    Ok((name, end))
}

/// `null` counts as absent.
fn non_null(text: &[u8], value: Span) -> Option<Span> {
    (text.get(value.clone()) != Some(b"null")).then_some(value)
}

/// The literals of the ids that one element of the conversation answers.
pub(in crate::provider) fn read_result_ids(body: &RequestBody, message: &RequestMessage) -> Vec<Span> {
    let member = |key| body.field_span(message, key);
    match body.api {
        Api::ChatCompletions => member("tool_call_id").into_iter().collect(),
        Api::Responses => {
            let is_result = body.field(message, "type");
            let is_result = is_result.is_some_and(|kind| json::literal_equals(kind, "function_call_output"));
            member("call_id").filter(|_| is_result).into_iter().collect()
        }
        Api::Messages => {
            let blocks = body.message_object(message).map(|object| object.objects("content"));
            let results = blocks.unwrap_or_default().into_iter();
            let results = results.filter(|block| block.string_or_empty("type") == "tool_result");
            results.filter_map(|result| result.span("tool_use_id")).collect()
        }
    }
}

/// Whether calls that follow this element belong to the same turn.
pub(in crate::provider) fn is_assistant(body: &RequestBody, message: &RequestMessage) -> bool {
    let is_item = |kind: &str| matches!(kind, "function_call" | "reasoning");
    body.has_role(message, "assistant")
        || (body.api == Api::Responses
            && body.field(message, "type").and_then(json::unescape).is_some_and(|kind| is_item(&kind)))
}

#[cfg(test)]
mod tests;
