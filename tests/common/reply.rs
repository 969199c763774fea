//! Parsers of answers in each API, as strict as the API's documentation: an event out of order, a wrong index
//! or a delta of a closed block fails the test.

mod chat;
mod messages;
mod responses;

use serde_json::Value;

use super::answer::Answer;
use super::api::Api;

impl Api {
    /// The word in the simulator's records.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Messages => "messages",
            Self::Responses => "responses",
        }
    }

    /// Of the route that the client requested.
    pub(crate) fn of_target(target: &str) -> Option<Self> {
        let path = target.split('?').next().unwrap();
        let ending = |api: &Self| path.ends_with(api.path().trim_start_matches("/v1"));
        Self::ALL.into_iter().find(ending)
    }

    /// A 200, streamed or not.
    pub(crate) fn read(self, answer: &Answer) -> Reply {
        assert_eq!(answer.status, 200, "{} {}", answer.attempts(), answer.text());
        assert!(!answer.broken, "the connection broke: {}", answer.text());
        let kind = answer.header("content-type");
        if kind.starts_with("text/event-stream") {
            return match self {
                Self::Chat => chat::stream(&events(&answer.body)),
                Self::Messages => messages::stream(&events(&answer.body)),
                Self::Responses => responses::stream(&answer.text()),
            };
        }
        assert!(kind.starts_with("application/json"), "{kind}: {}", answer.text());
        match self {
            Self::Chat => chat::whole(&answer.json()),
            Self::Messages => messages::whole(&answer.json()),
            Self::Responses => responses::whole(&answer.json()),
        }
    }

    /// The message of an error status, in the envelope that the API's SDKs parse.
    pub(crate) fn error(self, answer: &Answer) -> String {
        let body = answer.json();
        let error = &body["error"];
        assert!(error["type"].as_str().is_some_and(|kind| !kind.is_empty()), "{body}");
        if self == Self::Messages {
            assert_eq!(body["type"], "error", "{body}");
        }
        let message = error["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{body}");
        message.to_owned()
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Nothing more to say.
    Stop,
    /// The output limit.
    Length,
    /// Calls wait for their results.
    Calls,
    /// Something else.
    Other,
}

/// A call of one of the client's tools.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// The id that the result has to name.
    pub(crate) id: String,
    /// The tool.
    pub(crate) name: String,
    /// JSON text.
    pub(crate) arguments: String,
}

impl Call {
    /// Whether the API accepts the id in a request. Providers accept their own ids back, so this is checked for
    /// translated answers: Anthropic's pattern, and at most 64 characters for OpenAI Responses.
    pub(crate) fn fits(&self, api: Api) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match api {
            Api::Chat => !self.id.is_empty(),
            Api::Messages => self.id.len() <= 64 && self.id.chars().all(fits),
            Api::Responses => self.id.len() <= 64,
        }
    }

    /// The arguments, parsed.
    pub(crate) fn parsed(&self) -> Value {
        let parsed: Value = serde_json::from_str(&self.arguments)
            .unwrap_or_else(|e| panic!("{}: {e}: {}", self.name, self.arguments));
        assert!(parsed.is_object(), "{}: {parsed}", self.name);
        parsed
    }
}

/// Token counts in one convention: cached tokens are a part of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// Of the prompt.
    pub(crate) input: u64,
    /// Of those, read from a cache.
    pub(crate) cached: u64,
    /// Of the answer, reasoning included.
    pub(crate) output: u64,
}

/// The content of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    /// Text.
    pub(crate) text: String,
    /// Reasoning, in whatever form.
    pub(crate) reasoning: String,
    /// Calls, in order.
    pub(crate) calls: Vec<Call>,
    /// None for an interrupted stream.
    pub(crate) finish: Option<Finish>,
    /// The same in the spelling of the API.
    pub(crate) finish_word: String,
    /// If it was reported.
    pub(crate) tokens: Option<Tokens>,
    /// The message of the error that ended the stream.
    pub(crate) error: Option<String>,
    /// What a client adds to its next request for this answer: messages or items.
    pub(crate) turn: Vec<Value>,
    /// Every token count that was received: exactly one in a stream.
    pub(crate) usages: usize,
}

/// One event: its name, if it has one, and its data.
pub(crate) struct Event {
    pub(crate) name: Option<String>,
    data: String,
}

impl Event {
    /// The data, parsed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {}", self.data))
    }

    fn is_done(&self) -> bool {
        self.data == "[DONE]"
    }
}

/// The gateway sends LF only, at most one name and one `data:` per event, and an empty line after each.
pub(crate) fn events(body: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(body).expect("what a client gets is UTF-8");
    assert!(text.ends_with("\n\n"), "the last event is not whole: {text}");
    let mut events = Vec::new();
    for block in text.trim_start_matches('\n').split("\n\n").filter(|block| !block.is_empty()) {
        let mut event = Event { name: None, data: String::new() };
        let mut reported = 0;
        for line in block.split('\n').filter(|line| !line.is_empty()) {
            let line = line.trim_end_matches('\r');
            if let Some(name) = line.strip_prefix("event:") {
                assert!(event.name.replace(name.trim().to_owned()).is_none(), "two names: {block}");
            } else if let Some(data) = line.strip_prefix("data:") {
                data.strip_prefix(' ').unwrap_or(data).clone_into(&mut event.data);
                reported += 1;
            } else {
                assert!(line.starts_with(':'), "no line of an event: {line:?}");
            }
        }
        assert!(reported <= 1, "several data lines: {block}");
        assert!(reported == 1 || event.name.is_none(), "a name without data: {block}");
        events.extend((reported == 1).then_some(event));
    }
    events
}

/// Type and payload of each event of an API with typed events.
pub(crate) fn typed_events(text: &str) -> Vec<(String, Value)> {
    let typed = |event: &Event| {
        let data = event.json();
        let kind = data["type"].as_str().unwrap_or_else(|| panic!("no type: {data}")).to_owned();
        assert!(event.name.as_ref().is_none_or(|name| *name == kind), "{:?}: {data}", event.name);
        (kind, data)
    };
    events(text.as_bytes()).iter().map(typed).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no string: {value}")).to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn named(value: &Value, key: &str) -> String {
    let text = value[key].as_str().unwrap_or_default();
    assert!(!text.is_empty(), "{key} is missing: {value}");
    text.to_owned()
}
