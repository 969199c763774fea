//! The answer in the API format of the request.

use serde_json::Value;

use super::api::Api;
use super::engine::ResponseContext;
use super::engine::answer::SimulatedAnswer;
use super::engine::event::SseEvent;
use super::engine::request::EngineRequest;
use super::{chat, messages, responses};

/// The body of a 200 that is not streamed.
pub(super) fn response_body(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
    no_role: bool,
) -> Value {
    match exchange.api {
        Api::ChatCompletions => chat::response::response_body(exchange, answer, no_role),
        Api::Messages => messages::response::response_body(exchange, answer, no_role),
        Api::Responses => responses::response::response_body(exchange, request, answer, no_role),
    }
}

/// All events of a stream.
pub(super) fn response_events(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
) -> Vec<SseEvent> {
    match exchange.api {
        Api::ChatCompletions => chat::stream::response_events(exchange, request, answer),
        Api::Messages => messages::stream::response_events(exchange, answer),
        Api::Responses => responses::stream::response_events(exchange, request, answer),
    }
}

/// An error in the middle of a stream, after these events.
pub(super) fn error_event(exchange: &ResponseContext, kept: &[SseEvent]) -> SseEvent {
    match exchange.api {
        Api::ChatCompletions => chat::stream::error_event(exchange),
        Api::Messages => messages::stream::error_event(exchange),
        Api::Responses => responses::stream::error_event(exchange, kept),
    }
}

/// How the ids of answers begin.
pub(super) fn id_prefix(face: Api) -> &'static str {
    match face {
        Api::ChatCompletions => "chatcmpl-",
        Api::Messages => "msg_",
        Api::Responses => "resp_",
    }
}
