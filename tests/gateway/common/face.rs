//! The three protocols as clients speak them: requests, and strict readers of what comes back.

use serde_json::{Value, json};

use super::answer::Answer;
use super::gateway::Gateway;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Messages,
}

/// What an answer says, whatever face it is in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// Visible text.
    pub(crate) text: String,
    /// Thinking, where it can be read.
    pub(crate) reasoning: String,
    /// Id, name and arguments of each call.
    pub(crate) calls: Vec<(String, String, String)>,
    /// In the face's own word.
    pub(crate) finish: String,
    /// Tokens of prompt (the cache's included) and output.
    pub(crate) tokens: (u64, u64),
    /// The assistant's turn as the client sends it back, in its face.
    pub(crate) turn: Vec<Value>,
}

impl Face {
    /// Each of them.
    pub(crate) const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Messages];

    /// Its route.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    /// The value of `api`.
    pub(crate) const fn api(self) -> &'static str {
        match self {
            Self::Chat => "openai-completions",
            Self::Responses => "openai-responses",
            Self::Messages => "anthropic-messages",
        }
    }

    /// A request with one tool, `look`, that takes a path.
    pub(crate) fn prompt(self, model: &str, text: &str, stream: bool) -> Value {
        let schema =
            json!({ "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] });
        let about = "Looks at a file";
        let messages = json!([{ "role": "user", "content": text }]);
        match self {
            Self::Chat => json!({
                "model": model, "stream": stream, "stream_options": { "include_usage": true }, "messages": messages,
                "tools": [{ "type": "function", "function": { "name": "look", "description": about, "parameters": schema } }],
            }),
            Self::Responses => json!({
                "model": model, "stream": stream, "input": messages,
                "tools": [{ "type": "function", "name": "look", "description": about, "parameters": schema }],
            }),
            Self::Messages => json!({
                "model": model, "stream": stream, "max_tokens": 4096, "messages": messages,
                "tools": [{ "name": "look", "description": about, "input_schema": schema }],
            }),
        }
    }

    /// The next request of the conversation: the assistant's turn, and a result for each of its calls.
    pub(crate) fn answer_calls(self, before: &Value, heard: &Heard, result: &str) -> Value {
        let mut next = before.clone();
        let list = if self == Self::Responses { "input" } else { "messages" };
        let list = next[list].as_array_mut().unwrap();
        list.extend(heard.turn.iter().cloned());
        let results = heard.calls.iter().map(|(id, _, _)| match self {
            Self::Chat => json!({ "role": "tool", "tool_call_id": id, "content": result }),
            Self::Responses => json!({ "type": "function_call_output", "call_id": id, "output": result }),
            Self::Messages => json!({ "type": "tool_result", "tool_use_id": id, "content": result }),
        });
        match self {
            Self::Messages => list.push(json!({ "role": "user", "content": results.collect::<Vec<_>>() })),
            Self::Chat | Self::Responses => list.extend(results),
        }
        next
    }

    /// Reads an answer, streamed or not. Fails where one of the face's SDKs would.
    pub(crate) fn heard(self, answer: &Answer) -> Heard {
        assert_eq!(answer.status, 200, "{self:?}: {} {}", answer.attempts(), answer.text());
        let streamed = answer.header("content-type").starts_with("text/event-stream");
        match (self, streamed) {
            (Self::Chat, false) => chat(&answer.json()),
            (Self::Chat, true) => chat_stream(answer),
            (Self::Messages, false) => message(&answer.json()),
            (Self::Messages, true) => message_stream(&answer.text()),
            (Self::Responses, false) => response(&answer.json()),
            (Self::Responses, true) => response_stream(&answer.text()),
        }
    }
}

impl Gateway {
    /// A request of a face from a client that Kimi Code's gate knows, read to its end.
    pub(crate) async fn ask(&self, face: Face, body: &Value) -> Answer {
        self.post(face.path(), body).await
    }

    /// The same at another path.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(reqwest::Method::POST, path).header("user-agent", "KimiCLI/1.46.0");
        let request = request.header("content-type", "application/json").body(body.to_string());
        Answer::read(request.send().await.unwrap()).await
    }
}

/// Name and payload of each event of a face whose events have types. OpenRouter's of the Responses face have no names.
pub(crate) fn events(text: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for frame in text.split("\n\n").filter(|frame| !frame.is_empty() && !frame.starts_with(':')) {
        let (name, data) = frame.split_once('\n').unwrap_or(("", frame));
        let data = data.strip_prefix("data: ").unwrap_or_else(|| panic!("{frame}"));
        let data: Value = serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}"));
        let kind = data["type"].as_str().unwrap_or_else(|| panic!("no type: {frame}")).to_owned();
        if let Some(name) = name.strip_prefix("event: ") {
            assert_eq!(kind, name, "{frame}");
        }
        found.push((kind, data));
    }
    found
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn chat(body: &Value) -> Heard {
    assert_eq!(body["object"], "chat.completion", "{body}");
    let choice = &body["choices"][0];
    let said = &choice["message"];
    let calls = said["tool_calls"].as_array().cloned().unwrap_or_default();
    let call = |call: &Value| {
        let function = &call["function"];
        (text(&call["id"]), text(&function["name"]), text(&function["arguments"]))
    };
    Heard {
        text: text(&said["content"]),
        reasoning: text(&said["reasoning_content"]) + &text(&said["reasoning"]),
        calls: calls.iter().map(call).collect(),
        finish: text(&choice["finish_reason"]),
        tokens: (number(&body["usage"]["prompt_tokens"]), number(&body["usage"]["completion_tokens"])),
        turn: vec![said.clone()],
    }
}

fn chat_stream(answer: &Answer) -> Heard {
    let frames = answer.frames();
    let said = frames.said();
    assert!(said.errors.is_empty(), "{}", answer.text());
    assert_eq!((said.done, said.finishes.len(), said.usages.len()), (1, 1, 1), "{}", answer.text());
    let mut ids = Vec::new();
    for chunk in frames.chunks() {
        for call in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            ids.extend(call["id"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(ids.len(), said.calls.len(), "{}", answer.text());
    let calls: Vec<_> =
        ids.into_iter().zip(said.calls).map(|(id, (name, arguments))| (id, name, arguments)).collect();
    let wire = |(id, name, arguments): &(String, String, String)| json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } });
    let mut turn =
        json!({ "role": "assistant", "content": said.content, "reasoning_content": said.reasoning });
    if !calls.is_empty() {
        turn["tool_calls"] = calls.iter().map(wire).collect();
    }
    let usage = &said.usages[0];
    Heard {
        text: said.content,
        reasoning: said.reasoning,
        calls,
        finish: said.finishes[0].clone(),
        tokens: (number(&usage["prompt_tokens"]), number(&usage["completion_tokens"])),
        turn: vec![turn],
    }
}

fn message(body: &Value) -> Heard {
    assert_eq!((&body["type"], &body["role"]), (&json!("message"), &json!("assistant")), "{body}");
    assert!(body["id"].is_string() && body["model"].is_string(), "{body}");
    let mut heard = Heard {
        finish: text(&body["stop_reason"]),
        tokens: message_tokens(&body["usage"]),
        ..Heard::default()
    };
    for block in body["content"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "text" => heard.text += block["text"].as_str().unwrap(),
            "thinking" => heard.reasoning += block["thinking"].as_str().unwrap(),
            "tool_use" => {
                assert!(block["input"].is_object(), "{block}");
                heard.calls.push((text(&block["id"]), text(&block["name"]), block["input"].to_string()));
            }
            other => assert_eq!(other, "redacted_thinking", "{block}"),
        }
    }
    heard.turn = vec![json!({ "role": "assistant", "content": body["content"] })];
    heard
}

fn message_tokens(usage: &Value) -> (u64, u64) {
    let prompt = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
    let prompt = prompt.iter().filter_map(|key| usage[*key].as_u64()).sum();
    (prompt, number(&usage["output_tokens"]))
}

/// Puts a message together as Anthropic's SDKs do.
fn message_stream(stream: &str) -> Heard {
    let events: Vec<_> = events(stream).into_iter().filter(|(name, _)| name != "ping").collect();
    assert_eq!(events.first().map(|(name, _)| name.as_str()), Some("message_start"), "{stream}");
    assert_eq!(events.last().map(|(name, _)| name.as_str()), Some("message_stop"), "{stream}");
    let mut whole = events[0].1["message"].clone();
    let mut open: Option<u64> = None;
    let mut arguments = String::new();
    for (name, event) in &events[1..events.len() - 1] {
        let blocks = whole["content"].as_array_mut().unwrap();
        match name.as_str() {
            "content_block_start" => {
                assert_eq!((open, number(&event["index"])), (None, blocks.len() as u64), "{stream}");
                open = event["index"].as_u64();
                blocks.push(event["content_block"].clone());
                arguments.clear();
            }
            "content_block_delta" => {
                assert_eq!(open, event["index"].as_u64(), "{stream}");
                let (block, delta) = (blocks.last_mut().unwrap(), &event["delta"]);
                let key = match delta["type"].as_str().unwrap() {
                    "text_delta" => "text",
                    "thinking_delta" => "thinking",
                    "signature_delta" => "signature",
                    "input_json_delta" => {
                        arguments += delta["partial_json"].as_str().unwrap();
                        continue;
                    }
                    other => panic!("{other}: {stream}"),
                };
                let more = text(&block[key]) + delta[key].as_str().unwrap();
                block[key] = json!(more);
            }
            "content_block_stop" => {
                assert_eq!(open.take(), event["index"].as_u64(), "{stream}");
                if !arguments.is_empty() {
                    blocks.last_mut().unwrap()["input"] = serde_json::from_str(&arguments).unwrap();
                }
            }
            "message_delta" => {
                assert_eq!(open, None, "{stream}");
                whole["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (key, value) in event["usage"].as_object().unwrap() {
                    if !value.is_null() {
                        whole["usage"][key] = value.clone();
                    }
                }
            }
            other => panic!("{other}: {stream}"),
        }
    }
    message(&whole)
}

fn response(body: &Value) -> Heard {
    assert_eq!(body["object"], "response", "{body}");
    let usage = &body["usage"];
    let mut heard = Heard {
        finish: text(&body["status"]),
        tokens: (number(&usage["input_tokens"]), number(&usage["output_tokens"])),
        turn: body["output"].as_array().unwrap().clone(),
        ..Heard::default()
    };
    for item in &heard.turn {
        match item["type"].as_str().unwrap() {
            "message" => {
                for part in item["content"].as_array().unwrap() {
                    heard.text += part["text"].as_str().unwrap();
                }
            }
            "reasoning" => {
                for key in ["summary", "content"] {
                    for part in item[key].as_array().into_iter().flatten() {
                        heard.reasoning += part["text"].as_str().unwrap();
                    }
                }
            }
            "function_call" => {
                let id = text(&item["call_id"]);
                assert!(!id.is_empty() && id.len() <= 64, "{id}");
                heard.calls.push((id, text(&item["name"]), text(&item["arguments"])));
            }
            other => panic!("{other}: {body}"),
        }
    }
    heard
}

/// Reads the last event's response, and checks that the events before it told the same.
fn response_stream(stream: &str) -> Heard {
    let stream = stream.strip_suffix("data: [DONE]\n\n").unwrap_or(stream);
    let events = events(stream);
    let numbers: Vec<u64> = events.iter().map(|(_, event)| number(&event["sequence_number"])).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}: {stream}");
    assert_eq!(events.first().map(|(name, _)| name.as_str()), Some("response.created"), "{stream}");
    let (last, ended) = events.last().unwrap();
    assert!(["response.completed", "response.incomplete"].contains(&last.as_str()), "{stream}");
    let heard = response(&ended["response"]);
    let joined = |kind: &str| -> String {
        let deltas = events.iter().filter(|(name, _)| name == kind);
        deltas.map(|(_, event)| event["delta"].as_str().unwrap()).collect()
    };
    assert_eq!(joined("response.output_text.delta"), heard.text, "{stream}");
    let arguments: String = heard.calls.iter().map(|(_, _, arguments)| arguments.as_str()).collect();
    assert_eq!(joined("response.function_call_arguments.delta"), arguments, "{stream}");
    let done: Vec<&Value> = events
        .iter()
        .filter(|(name, _)| name == "response.output_item.done")
        .map(|(_, event)| &event["item"])
        .collect();
    assert_eq!(done, heard.turn.iter().collect::<Vec<_>>(), "{stream}");
    heard
}
