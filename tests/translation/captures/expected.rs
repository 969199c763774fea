//! The simulator's expected answer to a recorded prompt, and the check that the client received it.

use serde_json::{Value, json};

use super::recorded::{Capture, text};
use crate::common::{Answer, Api, Finish, Provider, Reply};

/// The simulator's answer to this prompt.
#[derive(Debug, PartialEq)]
pub(in crate::translation) enum Expected {
    /// A call of this tool, with the command `echo captured…`.
    Call(String),
    /// A text that holds this.
    Text(String),
}

/// Answers that may have so few tokens end before they are complete: a Kimi thinks first.
const FEW_TOKENS: u64 = 64;

impl Capture {
    pub(in crate::translation) fn expected(&self) -> Expected {
        let turn = self.last_turn();
        if turn.iter().any(is_result) {
            return Expected::Text("captured".to_owned());
        }
        let by_user = turn.iter().filter(|said| said["role"] == "user");
        let said: Vec<String> = by_user.flat_map(texts).collect();
        let shell = self.tools().into_iter().find(|(_, schema)| {
            let required = schema["required"].as_array();
            required.is_some_and(|names| names.contains(&json!("command")) || names.contains(&json!("cmd")))
        });
        match shell {
            Some((name, _)) if said.iter().any(|text| text.contains("Run echo ")) => Expected::Call(name),
            _ => {
                // Text between tags was added by the client program, not the user.
                let is_prompt = |text: &&String| !(text.starts_with('<') && text.trim_end().ends_with('>'));
                let prompt = said.iter().rev().find(is_prompt).or(said.last()).unwrap();
                Expected::Text(prompt.trim().chars().take(40).collect())
            }
        }
    }

    /// What follows the model's last message.
    fn last_turn(&self) -> Vec<Value> {
        let key = if self.api() == Api::Responses { "input" } else { "messages" };
        let said = match &self.body[key] {
            Value::String(text) => vec![json!({ "role": "user", "content": text })],
            said => said.as_array().unwrap().clone(),
        };
        let by_model = |said: &Value| {
            said["role"] == "assistant" || said["type"] == "function_call" || said["type"] == "reasoning"
        };
        let turn = said.iter().rposition(by_model).map_or(0, |at| at + 1);
        said[turn..].to_vec()
    }

    /// Name and parameters of each tool that is a function.
    fn tools(&self) -> Vec<(String, Value)> {
        let tools = self.body["tools"].as_array().into_iter().flatten();
        let of = |tool: &Value| {
            let (tool, schema) = match self.api() {
                Api::Chat => (&tool["function"], "parameters"),
                Api::Messages => (tool, "input_schema"),
                Api::Responses => (tool, "parameters"),
            };
            tool[schema].is_object().then(|| (text(&tool["name"]), tool[schema].clone()))
        };
        tools.filter_map(of).collect()
    }

    fn has_few_tokens(&self) -> bool {
        let limits = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
        limits.iter().any(|key| self.body[key].as_u64().is_some_and(|limit| limit <= FEW_TOKENS))
    }

    /// Fails unless the client received the expected answer from this provider.
    pub(super) fn check(&self, answer: &Answer, provider: Provider) {
        let name = &self.name;
        assert_eq!(answer.status, 200, "{name} on {provider:?}: {} {}", answer.attempts(), answer.text());
        assert_eq!(answer.header("content-encoding"), "", "{name}");
        let kind = if self.streams() { "text/event-stream" } else { "application/json" };
        assert!(answer.header("content-type").starts_with(kind), "{name}: {}", answer.header("content-type"));
        let reply = self.api().read(answer);
        assert_eq!(reply.error, None, "{name}: {}", answer.text());
        self.check_usage(&reply, answer);
        match self.expected() {
            Expected::Text(part) => self.check_text(&reply, &part, provider),
            Expected::Call(tool) => {
                assert_eq!(reply.calls.len(), 1, "{name}: {:?}", reply.calls);
                let call = &reply.calls[0];
                assert_eq!(call.name, tool, "{name}");
                let arguments = call.parsed();
                let command = arguments["command"].as_str().or(arguments["cmd"].as_str()).unwrap();
                assert!(command.starts_with("echo captured"), "{name}: {command:?}");
                assert_eq!(reply.finish, Some(Finish::Calls), "{name}");
            }
        }
    }

    fn check_text(&self, reply: &Reply, part: &str, provider: Provider) {
        let name = &self.name;
        if reply.finish == Some(Finish::Length) && self.has_few_tokens() {
            return;
        }
        assert!(reply.text.contains(part), "{name}: {part:?} is not in {:?}", reply.text);
        let via = format!("via {}", provider.id());
        assert!(reply.text.contains(&via), "{name}: {via:?} is not in {:?}", reply.text);
        assert_eq!(reply.finish, Some(Finish::Stop), "{name}");
    }

    /// Reported once where the client requests it: always, except in a Chat Completions stream.
    fn check_usage(&self, reply: &Reply, answer: &Answer) {
        let chat_stream = self.api() == Api::Chat && self.streams();
        let wanted = !chat_stream || self.body["stream_options"]["include_usage"] == json!(true);
        // LiteLLM uses OpenRouter's older syntax, which only the OpenRouter adapter supports.
        let may = wanted || self.body["usage"]["include"] == json!(true);
        let usages = usize::from(wanted)..=usize::from(may);
        assert!(usages.contains(&reply.usages), "{}: {}", self.name, answer.text());
        if wanted {
            let tokens = reply.tokens.unwrap_or_else(|| panic!("{}: {}", self.name, answer.text()));
            assert!(tokens.input > 0 && tokens.output > 0, "{}: {tokens:?}", self.name);
        }
    }
}

fn is_result(said: &Value) -> bool {
    let blocks = said["content"].as_array().into_iter().flatten();
    said["role"] == "tool"
        || said["type"] == "function_call_output"
        || blocks.into_iter().any(|block| block["type"] == "tool_result")
}

/// The text of each of a message's parts.
fn texts(message: &Value) -> Vec<String> {
    match &message["content"] {
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).map(str::to_owned).collect()
        }
        other => vec![text(other)],
    }
}
