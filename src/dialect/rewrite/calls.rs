//! Where a conversation makes calls, and where it answers them: in `tool_calls` and messages of the role `tool` (chat), in
//! blocks (messages), in items (responses).

use crate::wire::face::Face;
use crate::wire::json::{self, Span};
use crate::wire::object::Object;
use crate::wire::request::{Message, RequestBody};

/// One call.
#[derive(Clone, Debug)]
pub(in crate::dialect) struct Call {
    /// The id's literal.
    pub(in crate::dialect) id: Option<Span>,
    /// The literal of the function's name.
    pub(in crate::dialect) name: Option<Span>,
    /// Of the tools that the function stands among (responses).
    pub(in crate::dialect) namespace: Option<String>,
}

/// The calls of one element of the conversation.
pub(in crate::dialect) fn of(body: &RequestBody, message: &Message) -> Vec<Call> {
    let Some(object) = body.object(message) else { return Vec::new() };
    match body.face {
        Face::Chat => {
            let call = |call: &Object<'_>| {
                let name = call.object("function").and_then(|function| function.span("name"));
                Call { id: call.span("id"), name, namespace: None }
            };
            object.objects("tool_calls").iter().map(call).collect()
        }
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
        Face::Responses => Vec::new(),
    }
}

/// The literals of the ids that one element of the conversation answers.
pub(in crate::dialect) fn answered(body: &RequestBody, message: &Message) -> Vec<Span> {
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
pub(in crate::dialect) fn is_assistant(body: &RequestBody, message: &Message) -> bool {
    let is_item = |kind: &str| matches!(kind, "function_call" | "reasoning");
    body.role_is(message, "assistant")
        || (body.face == Face::Responses
            && body.field(message, "type").and_then(json::unescape).is_some_and(|kind| is_item(&kind)))
}
