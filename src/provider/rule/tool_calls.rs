//! Where a conversation makes calls, and where it answers them: in `tool_calls` and messages of the role `tool` (chat), in
//! blocks (messages), in items (responses).

use std::borrow::Cow;

use crate::protocol::api::Api;
use crate::protocol::json::{self, Span};
use crate::protocol::object::ObjectView;
use crate::protocol::request::{RequestBody, RequestMessage};

#[derive(Clone, Debug)]
pub(crate) struct ToolCallSpans {
    /// The id's literal.
    pub(crate) id: Option<Span>,
    /// The literal of the function's name.
    pub(crate) name: Option<Span>,
    /// The namespace of the function (responses).
    pub(crate) namespace: Option<String>,
}

/// The calls of one element of the conversation.
pub(crate) fn read_calls(body: &RequestBody, message: &RequestMessage) -> Vec<ToolCallSpans> {
    let Some(object) = body.message_object(message) else { return Vec::new() };
    let read_chat_call = |call: &ObjectView<'_>| ToolCallSpans {
        id: call.span("id"),
        name: call.object("function").and_then(|function| function.span("name")),
        namespace: None,
    };
    let read_own_call = |call: &ObjectView<'_>, id: &str| ToolCallSpans {
        id: call.span(id),
        name: call.span("name"),
        namespace: call.string("namespace").map(Cow::into_owned).filter(|_| body.api == Api::Responses),
    };
    match body.api {
        Api::ChatCompletions => object.objects("tool_calls").iter().map(read_chat_call).collect(),
        Api::Messages => {
            let blocks = object.objects("content");
            let calls = blocks.iter().filter(|block| block.string_or_empty("type") == "tool_use");
            calls.map(|call| read_own_call(call, "id")).collect()
        }
        Api::Responses if object.string_or_empty("type") == "function_call" => {
            vec![read_own_call(&object, "call_id")]
        }
        Api::Responses => Vec::new(),
    }
}

/// The literals of the ids that one element of the conversation answers.
pub(crate) fn read_result_ids(body: &RequestBody, message: &RequestMessage) -> Vec<Span> {
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
pub(crate) fn is_assistant(body: &RequestBody, message: &RequestMessage) -> bool {
    let is_item = |kind: &str| matches!(kind, "function_call" | "reasoning");
    body.has_role(message, "assistant")
        || (body.api == Api::Responses
            && body.field(message, "type").and_then(json::unescape).is_some_and(|kind| is_item(&kind)))
}
