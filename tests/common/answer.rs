//! Answers as a client sees them.

use serde_json::Value;

use super::raw::RawResponse;

/// One whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Headers, names in lower case.
    pub(crate) headers: reqwest::header::HeaderMap,
    /// The unchanged body. Includes what was read before a connection broke.
    pub(crate) body: Vec<u8>,
    /// Whether the connection broke before the body's end.
    pub(crate) broken: bool,
}

impl Answer {
    /// Reads a response to its end.
    pub(crate) async fn read(mut response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        let broken = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        Self { status, headers, body, broken }
    }

    /// From the bytes that a raw client has read.
    pub(crate) fn from(raw: RawResponse) -> Self {
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in raw.head.lines().skip(1).filter_map(|line| line.split_once(':')) {
            let name = name.parse::<reqwest::header::HeaderName>().unwrap();
            headers.append(name, value.trim().parse().unwrap());
        }
        Self { status: raw.status, headers, body: raw.body, broken: false }
    }

    /// A header, or the empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `x-moonrelay-attempts`.
    pub(crate) fn attempts(&self) -> &str {
        self.header("x-moonrelay-attempts")
    }

    /// `x-moonrelay-model`.
    pub(crate) fn model(&self) -> &str {
        self.header("x-moonrelay-model")
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{}: no JSON ({e}): {}", self.status, self.text()))
    }

    /// The body as a stream of events.
    pub(crate) fn frames(&self) -> Frames {
        assert_eq!(
            self.header("content-type").split(';').next(),
            Some("text/event-stream"),
            "{}",
            self.text()
        );
        Frames::parse(&self.body)
    }

    /// The text of an answer, streamed or not.
    pub(crate) fn said(&self) -> Said {
        if self.header("content-type").starts_with("text/event-stream") {
            self.frames().said()
        } else {
            Said::whole(&self.json())
        }
    }
}

/// A stream's events.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// `data:` of each event, in order.
    pub(crate) data: Vec<String>,
    /// Comment lines without the colon, in order.
    pub(crate) comments: Vec<String>,
    /// Whether the last event was complete.
    pub(crate) complete: bool,
}

impl Frames {
    /// The gateway sends LF only, one `data:` per event, and an empty line after each event.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).expect("what a client gets is UTF-8");
        let mut frames = Self { complete: text.is_empty() || text.ends_with("\n\n"), ..Self::default() };
        let mut data: Option<String> = None;
        for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
            if line.is_empty() {
                frames.data.extend(data.take());
            } else if let Some(comment) = line.strip_prefix(':') {
                frames.comments.push(comment.trim_start().to_owned());
            } else if let Some(value) = line.strip_prefix("data:") {
                let value = value.strip_prefix(' ').unwrap_or(value);
                match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => data = Some(value.to_owned()),
                }
            }
            // Unknown fields are ignored, as the specification of server-sent events requires.
        }
        frames.data.extend(data.take());
        frames
    }

    /// Every event that is JSON.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        self.data
            .iter()
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}")))
            .collect()
    }

    /// The assembled answer, with counts of what must occur once.
    pub(crate) fn said(&self) -> Said {
        let mut said = Said { done: self.data.iter().filter(|d| *d == "[DONE]").count(), ..Said::default() };
        for chunk in self.chunks() {
            said.add(&chunk);
        }
        said
    }
}

/// The text of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// `content`.
    pub(crate) content: String,
    /// `reasoning_content` or `reasoning`.
    pub(crate) reasoning: String,
    /// Name and arguments of each tool call.
    pub(crate) calls: Vec<(String, String)>,
    /// Every `finish_reason` that is not null.
    pub(crate) finishes: Vec<String>,
    /// Chunks that bring a role and nothing else. OpenRouter repeats the role beside the content of every chunk.
    pub(crate) roles: usize,
    /// Every top-level `usage`. Moonshot's `usage` in `choices[0]` of the last chunk is not requested and not
    /// counted here.
    pub(crate) usages: Vec<Value>,
    /// `error` objects.
    pub(crate) errors: Vec<Value>,
    /// `[DONE]` events.
    pub(crate) done: usize,
}

impl Said {
    /// Of an answer that was not streamed.
    pub(crate) fn whole(body: &Value) -> Self {
        let mut said = Self::default();
        said.errors.extend(body.get("error").filter(|e| !e.is_null()).cloned());
        said.usages.extend(body.get("usage").filter(|u| u.is_object()).cloned());
        for choice in array(body, "choices") {
            said.roles += 1;
            said.finishes.extend(choice["finish_reason"].as_str().map(str::to_owned));
            said.delta(&choice["message"]);
        }
        said
    }

    fn add(&mut self, chunk: &Value) {
        self.errors.extend(chunk.get("error").filter(|e| !e.is_null()).cloned());
        self.usages.extend(chunk.get("usage").filter(|u| u.is_object()).cloned());
        for choice in array(chunk, "choices") {
            self.finishes.extend(choice["finish_reason"].as_str().map(str::to_owned));
            let delta = &choice["delta"];
            let says = |key: &str| delta[key].as_str().is_some_and(|text| !text.is_empty());
            let bare = !says("content") && !says("reasoning") && !says("reasoning_content");
            let bare = bare && array(delta, "tool_calls").is_empty() && choice["finish_reason"].is_null();
            self.roles += usize::from(delta["role"].is_string() && bare);
            self.delta(delta);
        }
    }

    fn delta(&mut self, delta: &Value) {
        self.content.push_str(delta["content"].as_str().unwrap_or(""));
        for key in ["reasoning_content", "reasoning"] {
            self.reasoning.push_str(delta[key].as_str().unwrap_or(""));
        }
        for (position, call) in array(delta, "tool_calls").iter().enumerate() {
            let index = call["index"].as_u64().map_or(position, |i| usize::try_from(i).unwrap());
            if self.calls.len() <= index {
                self.calls.resize(index + 1, (String::new(), String::new()));
            }
            let (name, arguments) = &mut self.calls[index];
            if let Some(text) = call["function"]["name"].as_str().filter(|_| name.is_empty()) {
                name.push_str(text);
            }
            arguments.push_str(call["function"]["arguments"].as_str().unwrap_or(""));
        }
    }
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
