//! How providers count the tokens of a request, where they do.

use bytes::Bytes;
use serde_json::Value;

use crate::catalog::DialectId;
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::face::Face;
use crate::protocol::json::string_literal;
use crate::protocol::request::RequestBody;

/// A provider's way of counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Kimi Code's `messages/count_tokens`, which several proxies ask (CLIProxyAPI, 2026); not documented.
    Messages,
    /// Moonshot's `tokenizers/estimate-token-count`: model and chat messages (its API reference, 2026-09). It takes no
    /// tools, so their definitions are counted as a message's text.
    Tokenizer,
}

impl Counter {
    /// The one that a provider has.
    #[must_use]
    pub const fn of(dialect: DialectId) -> Option<Self> {
        match dialect {
            DialectId::KimiCode => Some(Self::Messages),
            DialectId::Moonshot => Some(Self::Tokenizer),
            DialectId::OpenRouter | DialectId::Generic => None,
        }
    }

    /// The face in which it takes the request.
    #[must_use]
    pub const fn face(self) -> Face {
        match self {
            Self::Messages => Face::Messages,
            Self::Tokenizer => Face::Chat,
        }
    }

    /// What follows the base URL of that face.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Messages => "/messages/count_tokens",
            Self::Tokenizer => "/tokenizers/estimate-token-count",
        }
    }

    /// The question, of a request in [`Self::face`], about the model with this id.
    #[must_use]
    pub fn question(self, body: &RequestBody, model: &str) -> Segments {
        match self {
            Self::Messages => {
                let mut edits = Edits::new();
                let mut top = ObjectPatch::new(&body.text, body.open, &body.top);
                top.set("model", string_literal(model));
                top.finish(&mut edits);
                edits.apply(&body.text)
            }
            Self::Tokenizer => tokenizer(body, model),
        }
    }

    /// The count, from the body of an answer; `None` where it holds none.
    #[must_use]
    pub fn answer(self, body: &[u8]) -> Option<u64> {
        let value: Value = serde_json::from_slice(body).ok()?;
        match self {
            Self::Messages => value.get("input_tokens")?.as_u64(),
            Self::Tokenizer => value.get("data")?.get("total_tokens")?.as_u64(),
        }
    }
}

fn tokenizer(body: &RequestBody, model: &str) -> Segments {
    let mut out =
        Segments::whole([b"{\"model\":", &*string_literal(model), b",\"messages\":["].concat().into());
    let mut first = true;
    let mut add = |message: Bytes| {
        if !std::mem::take(&mut first) {
            out.push(Bytes::from_static(b","));
        }
        out.push(message);
    };
    if let Some(tools) = body.value("tools").filter(|tools| *tools != b"null") {
        let text = string_literal(&String::from_utf8_lossy(tools));
        add([b"{\"role\":\"system\",\"content\":", &*text, b"}"].concat().into());
    }
    for message in &body.messages {
        add(body.text.slice(message.span.clone()));
    }
    out.push(Bytes::from_static(b"]}"));
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(counter: Counter, body: &Value) -> Value {
        let body = RequestBody::parse(counter.face(), body.to_string().into()).unwrap();
        serde_json::from_slice(&counter.question(&body, "kimi-k3").to_bytes()).unwrap()
    }

    #[test]
    fn kimi_code_gets_the_request_as_it_is_and_moonshot_the_tools_as_text() {
        let messages = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]);
        let tools = json!([{"name": "look"}]);
        let body = json!({"model": "claude-x", "system": "be brief", "messages": messages, "tools": tools});
        let expected =
            json!({"model": "kimi-k3", "system": "be brief", "messages": messages, "tools": tools});
        assert_eq!(asked(Counter::Messages, &body), expected);
        let expected = json!({"model": "kimi-k3", "messages": [
            {"role": "system", "content": tools.to_string()}, messages[0], messages[1],
        ]});
        assert_eq!(asked(Counter::Tokenizer, &body), expected);
        let plain = json!({"model": "m", "messages": []});
        assert_eq!(asked(Counter::Tokenizer, &plain), json!({"model": "kimi-k3", "messages": []}));
    }

    #[test]
    fn counts_stand_where_each_provider_puts_them() {
        assert_eq!(Counter::Messages.answer(b"{\"input_tokens\":9}"), Some(9));
        assert_eq!(Counter::Tokenizer.answer(b"{\"data\":{\"total_tokens\":80}}"), Some(80));
        assert_eq!(Counter::Tokenizer.answer(b"{\"input_tokens\":9}"), None);
        assert_eq!(Counter::Messages.answer(b"<html>"), None);
    }
}
