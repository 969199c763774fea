//! Generated conversations, their content, and their body in each format.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::protocol::api::Api;

/// The signatures of generated reasoning; an empty one is none.
pub(super) const SIGNATURES: [&str; 3] = ["", "sig+/=", "c2ln"];

/// One piece of content, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    System(String),
    User(String),
    /// A `data:` or `https:` URL.
    Image(String),
    /// Text and seal.
    Reasoning(String, String),
    Assistant(String),
    /// Id, name, arguments.
    Call(String, String, String),
    /// Id and texts.
    Result(String, Vec<String>),
}

/// A user message, the model's response, and the tool results.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    user: Vec<Said>,
    answer: Vec<Said>,
    results: Vec<Said>,
}

#[derive(Clone, Debug)]
pub(super) struct Conversation {
    pub(super) system: Vec<Said>,
    pub(super) exchanges: Vec<Exchange>,
}

fn text() -> impl Strategy<Value = String> {
    let parts = ["a", "Ω", "\n", "\"", "\\", "\u{2028}", "😀", " ", "</x>", "{}", "\u{1}", "data:,"];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 1..6).prop_map(|parts| parts.concat())
}

fn arguments() -> impl Strategy<Value = String> {
    let written = [
        "{}",
        r#"{"b":1,"a":2}"#,
        r#"{ "x" : 123456789012345678901234567890 , "y":1.50 }"#,
        r#"{"half":"\ud83d","n":null}"#,
        "{\"command\":\"echo \\\"é\\\"\\n\"}",
        r#"{"a":{"z":[1,{"y":[]}],"a":true},"a":0}"#,
    ];
    prop::sample::select(written.map(str::to_owned).to_vec())
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        "toolu_[a-zA-Z0-9]{4}",
        "call_[a-z0-9]{4}",
        "functions\\.Bash:[0-9]{1,2}",
        "mrl_[a-z-]{1,5}",
        "[a-z.:]{60,90}",
    ]
}

fn said_by_user() -> impl Strategy<Value = Vec<Said>> {
    let image = prop::sample::select(vec!["data:image/png;base64,iVBORw0KGgo=", "https://example.org/a.png"]);
    let part =
        prop_oneof![3 => text().prop_map(Said::User), 1 => image.prop_map(|url| Said::Image(url.to_owned()))];
    prop::collection::vec(part, 1..3)
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let calls =
        prop::collection::vec((id(), "[a-z]{3,5}", arguments(), prop::collection::vec(text(), 0..3)), 0..4);
    let reasoning = prop::option::of((text(), prop::sample::select(&SIGNATURES)));
    (said_by_user(), reasoning, prop::collection::vec(text(), 0..3), calls).prop_map(
        |(user, reasoning, texts, calls)| {
            let mut answer: Vec<Said> = reasoning
                .into_iter()
                .map(|(text, signature)| Said::Reasoning(text, signature.to_owned()))
                .collect();
            let is_bare = texts.is_empty() && calls.is_empty();
            answer.extend(texts.into_iter().map(Said::Assistant));
            if is_bare {
                answer.push(Said::Assistant("so".to_owned()));
            }
            let mut results = Vec::new();
            for (place, (id, name, arguments, texts)) in calls.into_iter().enumerate() {
                let id = format!("{id}{place}");
                answer.push(Said::Call(id.clone(), name, arguments));
                results.push(Said::Result(id, texts));
            }
            Exchange { user, answer, results }
        },
    )
}

pub(super) fn conversation() -> impl Strategy<Value = Conversation> {
    let system = prop::collection::vec(text().prop_map(Said::System), 0..3);
    (system, prop::collection::vec(exchange(), 1..5))
        .prop_map(|(system, exchanges)| Conversation { system, exchanges })
}

impl Conversation {
    pub(super) fn said(&self) -> Vec<Said> {
        let exchanges = self.exchanges.iter();
        let said = exchanges.flat_map(|each| [&each.user, &each.answer, &each.results].into_iter().flatten());
        self.system.iter().chain(said).cloned().collect()
    }

    /// The same with other ids.
    pub(super) fn with_ids(&self, id: impl Fn(&str) -> String) -> Self {
        let mut made = self.clone();
        for exchange in &mut made.exchanges {
            for said in exchange.answer.iter_mut().chain(&mut exchange.results) {
                if let Said::Call(old, ..) | Said::Result(old, _) = said {
                    *old = id(old);
                }
            }
        }
        made
    }

    /// The same without its last exchanges.
    pub(super) fn partial(&self, exchanges: usize) -> Self {
        Self { system: self.system.clone(), exchanges: self.exchanges[..exchanges].to_vec() }
    }

    /// The body, with arguments and results in the form of the format.
    pub(super) fn body(&self, api: Api) -> String {
        let items: Vec<String> = match api {
            Api::ChatCompletions => self.system.iter().map(chat_part).chain(self.turns(chat_turns)).collect(),
            Api::Messages => self.turns(messages_turns).collect(),
            Api::Responses => {
                self.system.iter().map(responses_item).chain(self.turns(responses_turns)).collect()
            }
        };
        let system: Vec<Value> =
            self.system
                .iter()
                .filter(|_| api == Api::Messages)
                .map(|said| {
                    if let Said::System(text) = said {
                        json!({"type": "text", "text": text})
                    } else {
                        panic!()
                    }
                })
                .collect();
        let limit = if api == Api::Messages { "\"max_tokens\":9," } else { "" };
        let system = if system.is_empty() { String::new() } else { format!("\"system\":{},", json!(system)) };
        format!("{{\"model\":\"m\",{limit}{system}\"{}\":[{}]}}", api.conversation_field(), items.join(","))
    }

    fn turns(&self, of: fn(&Exchange) -> Vec<String>) -> impl Iterator<Item = String> {
        self.exchanges.iter().flat_map(of)
    }
}

fn chat_part(said: &Said) -> String {
    match said {
        Said::System(text) => json!({"role": "system", "content": text}),
        Said::User(text) => json!({"type": "text", "text": text}),
        Said::Image(url) => json!({"type": "image_url", "image_url": {"url": url}}),
        Said::Call(id, name, arguments) => {
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        }
        Said::Result(id, texts) => {
            json!({"role": "tool", "tool_call_id": id, "content": parts("text", texts)})
        }
        Said::Reasoning(..) | Said::Assistant(_) => panic!("{said:?} is a member"),
    }
    .to_string()
}

fn parts(kind: &str, texts: &[String]) -> Value {
    match texts {
        [] => json!(""),
        [one] => json!(one),
        many => many.iter().map(|text| json!({"type": kind, "text": text})).collect(),
    }
}

fn chat_turns(exchange: &Exchange) -> Vec<String> {
    let user = match exchange.user.as_slice() {
        [Said::User(text)] => json!(text).to_string(),
        parts => format!("[{}]", parts.iter().map(chat_part).collect::<Vec<_>>().join(",")),
    };
    let mut answer = json!({"role": "assistant"});
    let texts: Vec<String> = exchange
        .answer
        .iter()
        .filter_map(|said| if let Said::Assistant(t) = said { Some(t.clone()) } else { None })
        .collect();
    answer["content"] = if texts.is_empty() { Value::Null } else { parts("text", &texts) };
    let calls: Vec<Value> = exchange
        .answer
        .iter()
        .filter(|said| matches!(said, Said::Call(..)))
        .map(|said| serde_json::from_str(&chat_part(said)).unwrap())
        .collect();
    if !calls.is_empty() {
        answer["tool_calls"] = json!(calls);
    }
    if let Some(Said::Reasoning(text, signature)) = exchange.answer.first() {
        answer["reasoning_content"] = json!(text);
        if !signature.is_empty() {
            answer["reasoning_details"] =
                json!([{"type": "reasoning.text", "text": text, "signature": signature}]);
        }
    }
    let mut turns = vec![format!("{{\"role\":\"user\",\"content\":{user}}}"), answer.to_string()];
    turns.extend(exchange.results.iter().map(chat_part));
    turns
}

fn messages_block(said: &Said) -> String {
    match said {
        Said::User(text) | Said::Assistant(text) => json!({"type": "text", "text": text}),
        Said::Image(url) => match url.strip_prefix("data:image/png;base64,") {
            Some(data) => json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}),
            None => json!({"type": "image", "source": {"type": "url", "url": url}}),
        },
        Said::Reasoning(text, signature) => json!({"type": "thinking", "thinking": text, "signature": signature}),
        // The arguments are raw text: a tree cannot represent their numbers and lone surrogates.
        Said::Call(id, name, arguments) => {
            return format!("{{\"type\":\"tool_use\",\"id\":{},\"name\":\"{name}\",\"input\":{arguments}}}", json!(id));
        }
        Said::Result(id, texts) => {
            json!({"type": "tool_result", "tool_use_id": id, "content": parts("text", texts)})
        }
        Said::System(_) => panic!("stands at the top"),
    }
    .to_string()
}

fn messages_turns(exchange: &Exchange) -> Vec<String> {
    let turn = |role: &str, said: &[Said]| {
        let blocks: Vec<String> = said.iter().map(messages_block).collect();
        format!("{{\"role\":\"{role}\",\"content\":[{}]}}", blocks.join(","))
    };
    let mut turns = vec![turn("user", &exchange.user), turn("assistant", &exchange.answer)];
    if !exchange.results.is_empty() {
        turns.push(turn("user", &exchange.results));
    }
    turns
}

fn responses_item(said: &Said) -> String {
    let message = |role: &str, part: Value| json!({"type": "message", "role": role, "content": [part]});
    match said {
        Said::System(text) => message("system", json!({"type": "input_text", "text": text})),
        Said::User(text) => message("user", json!({"type": "input_text", "text": text})),
        Said::Image(url) => message("user", json!({"type": "input_image", "image_url": url})),
        Said::Assistant(text) => message("assistant", json!({"type": "output_text", "text": text})),
        Said::Reasoning(text, signature) => {
            let signature = if signature.is_empty() { Value::Null } else { json!(signature) };
            json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": text}], "encrypted_content": signature})
        }
        Said::Call(id, name, arguments) => {
            json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments})
        }
        Said::Result(id, texts) => {
            json!({"type": "function_call_output", "call_id": id, "output": parts("input_text", texts)})
        }
    }
    .to_string()
}

fn responses_turns(exchange: &Exchange) -> Vec<String> {
    let all = [&exchange.user, &exchange.answer, &exchange.results];
    all.into_iter().flatten().map(responses_item).collect()
}
