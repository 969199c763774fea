//! The answer in the API format of the request: as one JSON object, and as server-sent events.

pub(crate) mod event;
pub(crate) mod chat;
pub(crate) mod messages;
pub(crate) mod responses;

use serde_json::Value;

use crate::api::event::SseEvent;
use crate::engine::answer::{ResponseContext, SimulatedAnswer};
use crate::engine::request::EngineRequest;
use crate::provider::Api;

/// The body of a 200 that is not streamed.
pub(super) fn response_body(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
    omits_role: bool,
) -> Value {
    match exchange.api {
        Api::ChatCompletions => chat::response_body(exchange, answer, omits_role),
        Api::Messages => messages::response_body(exchange, answer, omits_role),
        Api::Responses => responses::response_body(exchange, request, answer, omits_role),
    }
}

/// All events of a stream.
pub(super) fn response_events(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
) -> Vec<SseEvent> {
    match exchange.api {
        Api::ChatCompletions => chat::response_events(exchange, request, answer),
        Api::Messages => messages::response_events(exchange, answer),
        Api::Responses => responses::response_events(exchange, request, answer),
    }
}

/// An error in the middle of a stream, after these events.
pub(super) fn error_event(exchange: &ResponseContext, kept: &[SseEvent]) -> SseEvent {
    match exchange.api {
        Api::ChatCompletions => chat::error_event(exchange),
        Api::Messages => messages::error_event(exchange),
        Api::Responses => responses::error_event(exchange, kept),
    }
}

/// The beginning of the ids of answers.
pub(super) fn id_prefix(api: Api) -> &'static str {
    match api {
        Api::ChatCompletions => "chatcmpl-",
        Api::Messages => "msg_",
        Api::Responses => "resp_",
    }
}
