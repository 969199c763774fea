//! Stream continuation: wherever a stream is interrupted, the client gets the whole answer or an error event.

mod apis;
mod model;
mod read;
mod rules;
mod every_cut;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use self::model::{Model, TEXT};
use super::{Answer, ClientRequest, Engine, read};
use crate::config::{self, Environment};
use crate::protocol::api::Api;
use crate::record::{Record, RequestId};

/// Two targets that both support a prefill.
const TWO_KIMI: &str = r#"{ primary: "moonshot/kimi-k3", fallbacks: ["moonshot/kimi-k2.6"] }"#;
/// One that supports it, and one that does not.
const KIMI_THEN_OPENROUTER: &str = r#"{ primary: "moonshot/kimi-k3", fallbacks: ["openrouter/auto"] }"#;

/// Two that take an instruction to continue.
const TWO_INSTRUCTED: &str =
    r#"{ primary: "moonshot/kimi-k3.1-pro", fallbacks: ["moonshot/kimi-k3.1-pro-highspeed"] }"#;

/// A gateway in front of one model.
struct Fixture {
    engine: Engine,
    model: Arc<Model>,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Fixture {
    fn new(chain: &str, model: Model) -> Self {
        Self::with(chain, "{}", model)
    }

    /// `failover` as a user writes it.
    fn with(chain: &str, failover: &str, model: Model) -> Self {
        let text = format!(
            r#"{{ agents: {{ defaults: {{ model: {chain} }} }}, failover: {failover}, models: {{ providers: {{
                moonshot: {{ apiKey: "sk-moonshot-000000" }}, openrouter: {{ apiKey: "sk-or-v1-000000" }},
                chatty: {{ apiKey: "key-000000", baseUrl: "https://chat.example/v1", models: [{{ id: "m", name: "M",
                    reasoning: true, compat: {{ supportsPrefill: true }} }}] }},
                claudish: {{ apiKey: "key-000000", baseUrl: "https://messages.example/v1", api: "anthropic-messages",
                    models: [{{ id: "m", name: "M", reasoning: true, compat: {{ supportsPrefill: true }} }}] }},
                responder: {{ apiKey: "key-000000", baseUrl: "https://responses.example/v1", api: "openai-responses",
                    models: [{{ id: "gpt-5.2", name: "M", compat: {{ continuesOnInstruction: true }} }}] }} }} }} }}"#
        );
        let settings = config::from_text(&text, None, &Environment::default())
            .unwrap_or_else(|invalid| panic!("{invalid}"));
        let model = Arc::new(model);
        let records = Arc::new(Mutex::new(Vec::new()));
        let sink = records.clone();
        let engine = Engine::new(
            Arc::new(settings),
            model.clone(),
            Arc::new(move |record| sink.lock().unwrap().push(record)),
        );
        Self { engine, model, records }
    }

    /// What the client received for a request with these fields.
    async fn ask(&self, more: &Value) -> Received {
        Received::read(&self.stream(more).await)
    }

    /// The raw stream for a request with these fields.
    async fn stream(&self, more: &Value) -> String {
        self.send(more, false).await
    }

    /// As [`Self::stream`]; with `x-moonrelay-fallback: off` if only the first target is to be called.
    async fn send(&self, more: &Value, first_target_only: bool) -> String {
        self.send_as(Api::ChatCompletions, more, first_target_only).await
    }

    /// As [`Self::send`], for a client of any API.
    async fn send_as(&self, api: Api, more: &Value, first_target_only: bool) -> String {
        let mut body = question(api);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = ClientRequest {
            id: RequestId::now(),
            api,
            client: None,
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_string()),
            is_fallback_disabled: first_target_only,
            is_compaction: false,
        };
        match self.engine.answer(request).await {
            Ok(answer @ Answer::Stream { .. }) => read(answer).await.0,
            Ok(Answer::Complete { .. }) => panic!("a stream was asked for"),
            Err(error) => panic!("{error}"),
        }
    }

    fn record(&self) -> Record {
        self.records.lock().unwrap().last().cloned().expect("a record")
    }

    /// The bodies that providers received.
    fn calls(&self) -> Vec<Value> {
        self.model.calls.lock().unwrap().clone()
    }
}

/// A request with a tool.
fn question(api: Api) -> Value {
    let (messages, schema) = (json!([{"role": "user", "content": "hi"}]), json!({"type": "object"}));
    match api {
        Api::ChatCompletions => json!({
            "model": "default", "stream": true, "stream_options": {"include_usage": true}, "messages": messages,
            "tools": [{"type": "function", "function": {"name": "look", "parameters": schema}}],
        }),
        Api::Messages => json!({
            "model": "default", "stream": true, "max_tokens": 4096, "messages": messages,
            "tools": [{"name": "look", "input_schema": schema}],
        }),
        Api::Responses => json!({
            "model": "default", "stream": true, "input": messages,
            "tools": [{"type": "function", "name": "look", "parameters": schema}],
        }),
    }
}

/// A stream as a client assembles it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Received {
    text: String,
    reasoning: String,
    /// Name and arguments.
    calls: Vec<(String, String)>,
    roles: usize,
    finishes: Vec<String>,
    ids: Vec<String>,
    models: Vec<String>,
    usages: Vec<Value>,
    errors: Vec<String>,
    done: usize,
    comments: String,
}

impl Received {
    fn read(stream: &str) -> Self {
        let mut received = Self::default();
        // Half a character may stand at the end of a chunk; the pieces are put together as they came.
        let mut text = String::new();
        for line in stream.lines() {
            match line.strip_prefix("data: ") {
                Some("[DONE]") => received.done += 1,
                Some(data) => received.add(data, &mut text),
                None => received.comments.extend(line.strip_prefix(": ").into_iter().flat_map(|c| [c, "\n"])),
            }
        }
        received.text = serde_json::from_str(&format!("\"{text}\"")).expect("whole characters");
        received
    }

    fn add(&mut self, data: &str, text: &mut String) {
        // serde_json refuses half a character.
        let lossless = data.replace("\\u", "\\\\u");
        let value: Value = serde_json::from_str(&lossless).unwrap_or_else(|error| panic!("{error}: {data}"));
        self.errors.extend(value["error"]["message"].as_str().map(str::to_owned));
        for (key, all) in [("id", &mut self.ids), ("model", &mut self.models)] {
            let new = value[key].as_str().filter(|id| all.last().is_none_or(|last| last != id));
            all.extend(new.map(str::to_owned));
        }
        self.usages.extend(Some(&value["usage"]).filter(|usage| usage.is_object()).cloned());
        for choice in value["choices"].as_array().into_iter().flatten() {
            let delta = &choice["delta"];
            self.finishes.extend(choice["finish_reason"].as_str().map(str::to_owned));
            self.roles += usize::from(delta["role"].is_string());
            let content = delta["content"].as_str().unwrap_or_default();
            text.push_str(&content.replace('\n', "\\n").replace('"', "\\\""));
            self.reasoning.push_str(delta["reasoning_content"].as_str().unwrap_or_default());
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                self.calls.resize(self.calls.len().max(index + 1), Default::default());
                let (name, arguments) = &mut self.calls[index];
                name.push_str(call["function"]["name"].as_str().unwrap_or_default());
                arguments.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
            }
        }
    }
}
