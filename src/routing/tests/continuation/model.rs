//! A model that always gives the same answer in every API, continues from a prefill, and is
//! interrupted where a test requires it.

mod messages;
mod responses;

use std::pin::Pin;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse};

/// The answer, in pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) reasoning: &'static [&'static str],
    /// As in JSON: a character may be in two halves.
    pub(super) text: &'static [&'static str],
    pub(super) calls: &'static [(&'static str, &'static [&'static str])],
}

pub(super) const TEXT: Sample = Sample {
    reasoning: &["Let me ", "see."],
    text: &[
        "The moon ",
        "relays every word ",
        "naïvely, \\ud83d",
        "\\ude00 in order \\ud83c\\udf15",
        ",\\n\\n",
        "月光 and never",
        " twice, ",
        "though \\\"it\\\" may \\ud83d",
        "\\ude80\\ud83d",
        "\\ude00 well begin ",
        "again; and so on.",
        "\\n",
    ],
    calls: &[],
};

impl Sample {
    pub(super) fn whole_text(&self) -> String {
        serde_json::from_str(&format!("\"{}\"", self.text.concat())).unwrap()
    }

    pub(super) fn whole_calls(&self) -> Vec<(String, String)> {
        self.calls.iter().map(|(name, arguments)| ((*name).to_owned(), arguments.concat())).collect()
    }

    /// The answer in an API.
    pub(super) fn in_api(&self, api: Api, id: &str, prefill: &str) -> Vec<String> {
        match api {
            Api::ChatCompletions => self.events(id, prefill),
            Api::Messages => self.messages(id, prefill),
            Api::Responses => self.responses(id, prefill),
        }
    }

    /// The answer as Chat Completions events of one provider, after `prefill`.
    pub(super) fn events(&self, id: &str, prefill: &str) -> Vec<String> {
        let chunk = |delta: &str, finish: &str, usage: &str| {
            let choice = format!(r#"{{"index":0,"delta":{delta},"finish_reason":{finish}{usage}}}"#);
            let head =
                format!(r#""id":"{id}","object":"chat.completion.chunk","created":1,"model":"m-{id}""#);
            format!("data: {{{head},\"choices\":[{choice}]}}\n\n")
        };
        let usage = r#"{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140}"#;
        let mut events = vec![chunk(r#"{"role":"assistant","content":""}"#, "null", "")];
        let plain = |key: &str, piece: &str| chunk(&format!(r#"{{"{key}":"{piece}"}}"#), "null", "");
        events.extend(self.reasoning.iter().map(|piece| plain("reasoning_content", piece)));
        events.extend(rest(self, prefill).iter().map(|piece| plain("content", piece)));
        for (index, (name, arguments)) in self.calls.iter().enumerate() {
            let open = json!({"index": index, "id": format!("{name}_{index}"), "type": "function",
                "function": {"name": name, "arguments": ""}});
            events.push(chunk(&json!({"tool_calls": [open]}).to_string(), "null", ""));
            for piece in *arguments {
                let more = json!({"index": index, "function": {"arguments": piece}});
                events.push(chunk(&json!({"tool_calls": [more]}).to_string(), "null", ""));
            }
        }
        let finish = if self.calls.is_empty() { "\"stop\"" } else { "\"tool_calls\"" };
        // A provider of another kind reports its usage only at the end.
        let inside = if id.starts_with("or") { String::new() } else { format!(",\"usage\":{usage}") };
        events.push(chunk("{}", finish, &inside));
        events.push(format!(
            "data: {{\"id\":\"{id}\",\"model\":\"m-{id}\",\"choices\":[],\"usage\":{usage}}}\n\n"
        ));
        events.push("data: [DONE]\n\n".to_owned());
        events
    }
}

/// The text after `prefill`, in pieces, as in JSON.
fn rest(sample: &Sample, prefill: &str) -> Vec<String> {
    if prefill.is_empty() {
        return sample.text.iter().map(|piece| (*piece).to_owned()).collect();
    }
    let whole = sample.whole_text();
    let rest =
        whole.strip_prefix(prefill).unwrap_or_else(|| panic!("the text does not begin with {prefill:?}"));
    let literal = serde_json::to_string(rest).unwrap();
    vec![literal[1..literal.len() - 1].to_owned()]
}

/// The API of a call.
pub(super) fn api_of(url: &str) -> Api {
    Api::ALL.into_iter().find(|api| url.ends_with(api.path())).expect("a known path")
}

/// How the first stream is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    /// The body ends as if it were whole.
    End,
    /// The connection is reset.
    Reset,
    /// No further bytes arrive.
    Stall,
    /// An error event.
    Error(&'static str),
}

/// What the second stream does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Second {
    Continues,
    /// It is interrupted too, after this many bytes.
    Interrupted(usize),
    /// It sends these events.
    Sends(String),
    Rejects(u16, &'static str),
}

pub(super) struct Model {
    pub(super) sample: Sample,
    pub(super) cut: usize,
    pub(super) interruption: Interruption,
    pub(super) second: Second,
    /// Replaces the first answer.
    pub(super) first: Option<String>,
    /// A prefill of the client is not treated as one of the gateway.
    pub(super) lenient: bool,
    pub(super) calls: Mutex<Vec<Value>>,
    /// The URLs of the calls.
    pub(super) urls: Mutex<Vec<String>>,
}

impl Model {
    /// A model whose first stream is interrupted after this many bytes.
    pub(super) fn new(sample: &Sample, cut: usize, interruption: Interruption) -> Self {
        Self {
            sample: sample.clone(),
            cut,
            interruption,
            second: Second::Continues,
            first: None,
            lenient: false,
            calls: Mutex::default(),
            urls: Mutex::default(),
        }
    }

    pub(super) fn then(self, second: Second) -> Self {
        Self { second, ..self }
    }

    fn answer(&self, url: &str, body: &Value, number: usize) -> UpstreamResponse {
        let id = format!("{}-{number}", if url.contains("openrouter") { "or" } else { "kimi" });
        let list = body["messages"].as_array().or(body["input"].as_array()).map_or(&[][..], Vec::as_slice);
        let last = list.last().unwrap_or(&Value::Null);
        let is_instructed =
            last["content"].as_str().is_some_and(|text| text.contains("Continue it exactly where it ends"));
        let beginning = if is_instructed { list.get(list.len() - 2).unwrap() } else { last };
        let prefill = match beginning["role"] == "assistant" && !self.lenient {
            true => beginning["content"].as_str().unwrap(),
            false => "",
        };
        let is_marked = !prefill.is_empty() && !is_instructed && url.contains("moonshot");
        assert_eq!(last["partial"], if is_marked { json!(true) } else { Value::Null }, "{url}");
        let text = || self.sample.in_api(api_of(url), &id, prefill).concat();
        let (mut text, interruption) = match (number, &self.second) {
            (0, _) => (self.first.clone().unwrap_or_else(text).into_bytes(), Some(self.interruption)),
            (_, Second::Continues) => (text().into_bytes(), None),
            (_, Second::Interrupted(at)) => (text().as_bytes()[..*at].to_vec(), Some(Interruption::Reset)),
            (_, Second::Sends(events)) => (events.clone().into_bytes(), None),
            (_, Second::Rejects(status, body)) => return respond(*status, vec![Bytes::from(*body)], None),
        };
        if number == 0 {
            text.truncate(self.cut);
        }
        if let Some(Interruption::Error(event)) = interruption {
            // The received part of an event is lost: an error is an event of its own.
            let whole = text.windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |at| at + 2);
            text.truncate(whole);
            text.extend_from_slice(event.as_bytes());
        }
        respond(200, text.chunks(97).map(Bytes::copy_from_slice).collect(), interruption)
    }
}

fn respond(status: u16, pieces: Vec<Bytes>, interruption: Option<Interruption>) -> UpstreamResponse {
    let end = match interruption {
        Some(Interruption::Reset) => {
            let broke = Err(Failure::new(Reason::Network, "the connection broke"));
            futures_util::stream::once(std::future::ready(broke)).boxed()
        }
        Some(Interruption::Stall) => futures_util::stream::pending().boxed(),
        _ => futures_util::stream::empty().boxed(),
    };
    let body = Box::pin(futures_util::stream::iter(pieces).map(Ok).chain(end));
    let kind = if status == 200 { "text/event-stream" } else { "application/json" };
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, kind.parse().unwrap())]);
    UpstreamResponse { status: StatusCode::from_u16(status).unwrap(), headers, body }
}

impl Connector for Model {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        let body: Value = serde_json::from_slice(&call.body.concat()).unwrap();
        let mut calls = self.calls.lock().unwrap();
        let response = self.answer(&call.url, &body, calls.len());
        calls.push(body);
        self.urls.lock().unwrap().push(call.url.to_string());
        Box::pin(std::future::ready(Ok(response)))
    }
}
