//! Token counting at providers that support it.

use bytes::Bytes;
use serde_json::Value;

use crate::catalog::AdapterId;
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::json::to_string_literal;
use crate::protocol::request::RequestBody;

/// How a provider counts tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenCounter {
    /// Kimi Code's `messages/count_tokens`, which several proxies ask (CLIProxyAPI, 2026); not documented.
    Messages,
    /// Moonshot's `tokenizers/estimate-token-count`: model and chat messages (its API reference, 2026-09). It takes no
    /// tools, so their definitions are counted as a message's text.
    Tokenizer,
}

impl TokenCounter {
    /// The one that a provider has.
    pub const fn for_provider(adapter: AdapterId) -> Option<Self> {
        match adapter {
            AdapterId::KimiCode => Some(Self::Messages),
            AdapterId::Moonshot => Some(Self::Tokenizer),
            AdapterId::OpenRouter | AdapterId::Generic => None,
        }
    }

    /// The API of the request.
    pub const fn api(self) -> Api {
        match self {
            Self::Messages => Api::Messages,
            Self::Tokenizer => Api::ChatCompletions,
        }
    }

    /// The path after the base URL of that API.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Messages => "/messages/count_tokens",
            Self::Tokenizer => "/tokenizers/estimate-token-count",
        }
    }

    /// The body of the count request, from a request in [`Self::api`] and a model id.
    pub fn build_request(self, body: &RequestBody, model: &str) -> Segments {
        match self {
            Self::Messages => {
                let mut edits = Edits::new();
                let mut top = ObjectPatch::new(&body.text, body.open_brace, &body.members);
                top.set("model", to_string_literal(model));
                top.write_edits(&mut edits);
                edits.apply(&body.text)
            }
            Self::Tokenizer => build_tokenizer_request(body, model),
        }
    }

    /// The count in a response body.
    pub fn parse_count(self, body: &[u8]) -> Option<u64> {
        let value: Value = serde_json::from_slice(body).ok()?;
        match self {
            Self::Messages => value.get("input_tokens")?.as_u64(),
            Self::Tokenizer => value.get("data")?.get("total_tokens")?.as_u64(),
        }
    }
}

fn build_tokenizer_request(body: &RequestBody, model: &str) -> Segments {
    let mut out = Segments::from_bytes(
        [b"{\"model\":", &*to_string_literal(model), b",\"messages\":["].concat().into(),
    );
    let mut first = true;
    let mut add = |message: Bytes| {
        if !std::mem::take(&mut first) {
            out.push(Bytes::from_static(b","));
        }
        out.push(message);
    };
    if let Some(tools) = body.value("tools").filter(|tools| *tools != b"null") {
        let text = to_string_literal(&String::from_utf8_lossy(tools));
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

    fn asked(counter: TokenCounter, body: &Value) -> Value {
        let body = RequestBody::parse(counter.api(), body.to_string().into()).unwrap();
        serde_json::from_slice(&counter.build_request(&body, "kimi-k3").to_bytes()).unwrap()
    }

    #[test]
    fn kimi_code_counts_the_request_and_moonshot_the_tools_as_text() {
        let messages = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]);
        let tools = json!([{"name": "look"}]);
        let body = json!({"model": "claude-x", "system": "be brief", "messages": messages, "tools": tools});
        let expected =
            json!({"model": "kimi-k3", "system": "be brief", "messages": messages, "tools": tools});
        assert_eq!(asked(TokenCounter::Messages, &body), expected);
        let expected = json!({"model": "kimi-k3", "messages": [
            {"role": "system", "content": tools.to_string()}, messages[0], messages[1],
        ]});
        assert_eq!(asked(TokenCounter::Tokenizer, &body), expected);
        let plain = json!({"model": "m", "messages": []});
        assert_eq!(asked(TokenCounter::Tokenizer, &plain), json!({"model": "kimi-k3", "messages": []}));
    }

    #[test]
    fn counts_are_read_from_each_providers_field() {
        assert_eq!(TokenCounter::Messages.parse_count(b"{\"input_tokens\":9}"), Some(9));
        assert_eq!(TokenCounter::Tokenizer.parse_count(b"{\"data\":{\"total_tokens\":80}}"), Some(80));
        assert_eq!(TokenCounter::Tokenizer.parse_count(b"{\"input_tokens\":9}"), None);
        assert_eq!(TokenCounter::Messages.parse_count(b"<html>"), None);
    }
}
