//! The event order of a stream in each API format, as strictly as its SDKs require.

mod chat;
mod messages;
mod responses;

use moonrelay::protocol::api::Api;
use serde_json::Value;

/// The expected end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its finish.
    Well,
    /// With an error.
    Broken,
}

/// Panics if an encoded stream is out of order.
pub fn check(api: Api, stream: &[u8], ending: Ending) {
    let text = std::str::from_utf8(stream).expect("what we write is text");
    let frames: Vec<(Option<&str>, &str)> = text.split_terminator("\n\n").map(frame).collect();
    match api {
        Api::ChatCompletions => chat::check(&frames, ending),
        Api::Messages => messages::check(&named(&frames), ending),
        Api::Responses => responses::check(&named(&frames), ending),
    }
}

/// Event name and data; encoded frames have at most one line of each.
fn frame(text: &str) -> (Option<&str>, &str) {
    match text.split_once('\n') {
        Some((event, data)) => {
            let name = event.strip_prefix("event: ").expect("an event line");
            (Some(name), data.strip_prefix("data: ").expect("a data line"))
        }
        None => (None, text.strip_prefix("data: ").expect("a data line")),
    }
}

/// Events that contain their type twice.
fn named(frames: &[(Option<&str>, &str)]) -> Vec<(String, Value)> {
    let read = |(name, data): &(Option<&str>, &str)| {
        let value: Value = serde_json::from_str(data).expect("the data are JSON");
        let kind = text(&value, "type");
        assert_eq!(name.unwrap_or_default(), kind, "the event is called by its type");
        (kind, value)
    };
    frames.iter().map(read).collect()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value} is a string")).to_owned()
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} of {value} is a number"))
}
