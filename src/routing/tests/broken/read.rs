//! What clients of the Messages and Responses APIs assemble, and what they reject: an event out of order fails
//! the test.

mod messages;
mod responses;

use serde_json::Value;

use super::Got;
use crate::protocol::api::Api;

/// `serde_json` refuses half a character, so escapes stay as they are, doubled.
fn lossless(data: &str) -> Value {
    serde_json::from_str(&data.replace("\\u", "\\\\u")).unwrap_or_else(|error| panic!("{error}: {data}"))
}

/// Text of what [`lossless`] read, as in JSON.
fn escaped(text: &str) -> String {
    text.replace('\n', "\\n").replace('"', "\\\"")
}

fn unescaped(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The events' payloads with their names, in order. Comments are added to what was got.
fn events(stream: &str, got: &mut Got) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    assert!(stream.ends_with("\n\n"), "whole events only: {stream}");
    for frame in stream.split_terminator("\n\n") {
        let line = |key: &str| frame.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned));
        got.comments.extend(frame.lines().filter_map(|line| line.strip_prefix(": ")).flat_map(|c| [c, "\n"]));
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

impl Got {
    /// Reads the stream as a client of this API format does.
    pub(super) fn of(face: Api, stream: &str) -> Self {
        match face {
            Api::ChatCompletions => Self::read(stream),
            Api::Messages => messages::read(stream),
            Api::Responses => responses::read(stream),
        }
    }
}
