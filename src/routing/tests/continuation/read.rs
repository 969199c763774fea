//! What clients of the Messages and Responses APIs assemble, and what they reject: an event out of order fails
//! the test.

mod messages;
mod responses;

use serde_json::Value;

use super::Received;
use crate::protocol::api::Api;

/// `serde_json` rejects half a character, so escapes are doubled.
fn lossless(data: &str) -> Value {
    serde_json::from_str(&data.replace("\\u", "\\\\u")).unwrap_or_else(|error| panic!("{error}: {data}"))
}

/// The text of a value of [`lossless`], as in JSON.
fn escaped(text: &str) -> String {
    text.replace('\n', "\\n").replace('"', "\\\"")
}

fn unescaped(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The events' payloads with their names, in order. Comments are added to what was received.
fn events(stream: &str, received: &mut Received) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    assert!(stream.ends_with("\n\n"), "whole events only: {stream}");
    for frame in stream.split_terminator("\n\n") {
        let line = |key: &str| frame.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned));
        received
            .comments
            .extend(frame.lines().filter_map(|line| line.strip_prefix(": ")).flat_map(|c| [c, "\n"]));
        let is_comment = frame.lines().all(|line| line.starts_with(':'));
        assert!(is_comment || line("data: ").is_some(), "neither event nor comment: {frame}");
        if let Some(data) = line("data: ") {
            let payload = lossless(&data);
            assert_eq!(line("event: ").as_deref(), payload["type"].as_str(), "{frame}");
            events.push((payload["type"].as_str().unwrap().to_owned(), payload));
        }
    }
    events
}

impl Received {
    /// Reads the stream as a client of this API does.
    pub(super) fn of(api: Api, stream: &str) -> Self {
        match api {
            Api::ChatCompletions => Self::read(stream),
            Api::Messages => messages::read(stream),
            Api::Responses => responses::read(stream),
        }
    }
}
