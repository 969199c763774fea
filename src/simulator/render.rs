//! The answer in the protocol that asked.

use serde_json::Value;

use super::engine::Exchange;
use super::engine::answer::Answer;
use super::engine::event::Event;
use super::engine::request::Request;
use super::face::Face;
use super::{chat, messages, responses};

/// The body of a 200 that is not streamed.
pub(super) fn whole(exchange: &Exchange, request: &Request, answer: &Answer, no_role: bool) -> Value {
    match exchange.face {
        Face::Chat => chat::reply::whole(exchange, answer, no_role),
        Face::Messages => messages::reply::whole(exchange, answer, no_role),
        Face::Responses => responses::reply::whole(exchange, request, answer, no_role),
    }
}

/// All events of a stream.
pub(super) fn events(exchange: &Exchange, request: &Request, answer: &Answer) -> Vec<Event> {
    match exchange.face {
        Face::Chat => chat::stream::events(exchange, request, answer),
        Face::Messages => messages::stream::events(exchange, answer),
        Face::Responses => responses::stream::events(exchange, request, answer),
    }
}

/// An error in the middle of a stream, behind these events.
pub(super) fn error_event(exchange: &Exchange, kept: &[Event]) -> Event {
    match exchange.face {
        Face::Chat => chat::stream::error_event(exchange),
        Face::Messages => messages::stream::error_event(exchange),
        Face::Responses => responses::stream::error_event(exchange, kept),
    }
}

/// How the ids of answers begin.
pub(super) fn id_prefix(face: Face) -> &'static str {
    match face {
        Face::Chat => "chatcmpl-",
        Face::Messages => "msg_",
        Face::Responses => "resp_",
    }
}
