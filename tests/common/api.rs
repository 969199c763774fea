//! The three APIs as clients use them: requests and answers. `reply` parses the answers.

use serde_json::{Value, json};

use super::answer::Answer;
use super::gateway::Gateway;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Api {
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Messages,
}

/// The content of an answer, in any API.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// Visible text.
    pub(crate) text: String,
    /// Reasoning, if it is readable.
    pub(crate) reasoning: String,
    /// Id, name and arguments of each call.
    pub(crate) calls: Vec<(String, String, String)>,
    /// In the spelling of the API.
    pub(crate) finish: String,
    /// Tokens of prompt (the cache's included) and output.
    pub(crate) tokens: (u64, u64),
    /// The assistant's message as the client sends it back in its API.
    pub(crate) turn: Vec<Value>,
}

impl Api {
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

    /// Reads an answer, streamed or not. Fails where an SDK of the API would.
    pub(crate) fn heard(self, answer: &Answer) -> Heard {
        let reply = self.read(answer);
        assert_eq!(reply.error, None, "{self:?}: {}", answer.text());
        let tokens = reply.tokens.unwrap_or_else(|| panic!("no usage: {}", answer.text()));
        Heard {
            text: reply.text,
            reasoning: reply.reasoning,
            calls: reply.calls.into_iter().map(|call| (call.id, call.name, call.arguments)).collect(),
            finish: reply.finish_word,
            tokens: (tokens.input, tokens.output),
            turn: reply.turn,
        }
    }
}

impl Gateway {
    /// Sends a request of this API, from a client that Kimi Code accepts, and reads the whole answer.
    pub(crate) async fn ask(&self, api: Api, body: &Value) -> Answer {
        self.post(api.path(), body).await
    }

    /// The same at another path.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(reqwest::Method::POST, path).header("user-agent", "KimiCLI/1.46.0");
        let request = request.header("content-type", "application/json").body(body.to_string());
        Answer::read(request.send().await.unwrap()).await
    }
}

/// Type and payload of each event of an API with typed events. `OpenRouter`'s Responses events have no names.
pub(crate) fn events(text: &str) -> Vec<(String, Value)> {
    let typed = |event: &super::reply::Event| {
        let data = event.json();
        let kind = data["type"].as_str().unwrap_or_else(|| panic!("no type: {data}")).to_owned();
        assert!(event.name.as_ref().is_none_or(|name| *name == kind), "the name is the type: {data}");
        (kind, data)
    };
    super::reply::events(text.as_bytes()).iter().map(typed).collect()
}
