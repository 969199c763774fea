//! Request bodies: the scan, the edits and every provider adapter's rewrite, compared with `serde_json`'s tree.
//!
//! Input: a byte for adapter and model, one for the settings, one for an edit, and the body.

use bytes::Bytes;
use moonrelay::catalog::{AdapterId, Compat, MaxTokensField, ModelInfo, ThinkingControl, ThinkingLevel};
use moonrelay::protocol::api::Api;
use moonrelay::protocol::edit::{Edits, ObjectPatch};
use moonrelay::protocol::json;
use moonrelay::protocol::request::RequestBody;
use moonrelay::provider::rewrite::{RewriteInput, rewrite_request};
use serde_json::{Map, Value};

use super::take;

/// The request and message members that a rule may change; all others must be unchanged.
const RULED: [&str; 17] = [
    "model",
    "messages",
    "temperature",
    "top_p",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "thinking",
    "reasoning_effort",
    "reasoning",
    "stream_options",
    "store",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_tokens",
    "max_completion_tokens",
];
const RULED_IN_MESSAGES: [&str; 9] = [
    "role",
    "content",
    "reasoning",
    "reasoning_content",
    "partial",
    "tool_calls",
    "tool_call_id",
    "name",
    "tools",
];
/// In Messages and Responses also these.
const RULED_OVER_OTHERS: [&str; 4] = ["input", "top_k", "output_config", "context_management"];
/// Members that an adapter or the settings below may add.
const ADDED: [&str; 2] = ["provider", "seed"];

/// Checks one input.
pub fn judge(mut data: &[u8]) {
    let (which, settings, edit) = (take(&mut data), take(&mut data), take(&mut data));
    let text = Bytes::copy_from_slice(data);
    let tree = serde_json::from_slice::<Map<String, Value>>(&text).ok();
    let body = match RequestBody::parse(Api::ChatCompletions, text.clone()) {
        Ok(body) => body,
        Err(error) => {
            assert!(tree.is_none(), "serde_json reads what the scan refuses: {error}");
            assert!(error.offset <= text.len(), "{error} is beyond the end");
            return;
        }
    };
    if let Some(tree) = &tree {
        same_members(&body, tree);
        edited(&body, tree, edit);
    }
    rewritten(&body, tree.as_ref(), which, settings);
    for api in [Api::Messages, Api::Responses] {
        over(api, &text, tree.as_ref(), which, settings);
    }
}

/// The same body in another API format: JSON stays JSON, and members without a rule are unchanged.
fn over(api: Api, text: &Bytes, tree: Option<&Map<String, Value>>, which: u8, settings: u8) {
    let (adapter, model) = model(which);
    let Ok(body) = RequestBody::parse(api, text.clone()) else {
        assert!(tree.is_none(), "serde_json reads what the scan refuses over {api:?}");
        return;
    };
    let is_ruled = |key: &str| RULED.contains(&key) || RULED_OVER_OTHERS.contains(&key);
    sent(&body, tree, (adapter, &model), &Map::new(), settings, is_ruled);
}

/// The body for a provider: valid JSON stays valid, and members without a rule are unchanged. `None` if nothing
/// is sent, or the input is not JSON.
fn sent(
    body: &RequestBody,
    tree: Option<&Map<String, Value>>,
    (adapter, model): (AdapterId, &ModelInfo),
    params: &Map<String, Value>,
    settings: u8,
    is_ruled: impl Fn(&str) -> bool,
) -> Option<Map<String, Value>> {
    let request = RewriteInput {
        body,
        model,
        wire_model: &model.id,
        params,
        default_thinking: ThinkingLevel::ALL.get(usize::from(settings >> 4)).copied(),
        sanitize_tool_call_ids: settings & 2 != 0,
        last_provider: None,
    };
    let rewritten = rewrite_request(adapter, &request).ok()?;
    let sent = rewritten.edits.apply(&body.text).to_bytes();
    if json::is_valid(&body.text) {
        assert!(json::is_valid(&sent), "no JSON goes up: {}", String::from_utf8_lossy(&sent));
    }
    let tree = tree?;
    let sent = object(&sent);
    for (key, value) in tree.iter().filter(|(key, _)| !is_ruled(key)) {
        assert_eq!(sent.get(key), Some(value), "{key:?}");
    }
    for key in sent.keys() {
        let known = tree.contains_key(key) || is_ruled(key) || ADDED.contains(&key.as_str());
        assert!(known, "{key:?} came from nowhere");
    }
    Some(sent)
}

fn same_members(body: &RequestBody, tree: &Map<String, Value>) {
    for (key, value) in tree {
        let span = body.value(key).unwrap_or_else(|| panic!("{key:?} is not found"));
        assert_eq!(&parsed(span), value, "{key:?}");
        assert_eq!(body.string(key).as_deref(), value.as_str(), "{key:?}");
    }
    let messages = tree.get("messages").and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!(body.messages.len(), messages);
    assert_eq!(body.wants_stream(), tree.get("stream") == Some(&Value::Bool(true)));
}

/// One edit of each kind, with keys of the body if it has any.
fn edited(body: &RequestBody, tree: &Map<String, Value>, edit: u8) {
    let own = |nth: usize| tree.keys().nth(nth).cloned().unwrap_or_else(|| format!("key{nth}"));
    let (first, second) = (own(usize::from(edit % 4)), own(usize::from(edit / 4 % 4)));
    let mut expected = tree.clone();
    let mut patch = ObjectPatch::new(&body.text, body.open_brace, &body.members);
    for step in 0..3 {
        match (edit / 16 + step) % 4 {
            0 => assert_eq!(patch.remove(&first), expected.shift_remove(&first).is_some()),
            1 => {
                patch.set(&second, "[1]");
                expected.insert(second.clone(), Value::from(vec![1]));
            }
            2 => {
                let there = patch.rename(&first, &second);
                assert_eq!(there, expected.contains_key(&first));
                if let Some(value) = expected.shift_remove(&first) {
                    expected.insert(second.clone(), value);
                }
            }
            _ => {
                patch.set("added \"ключ\"", "null");
                expected.insert("added \"ключ\"".to_owned(), Value::Null);
            }
        }
    }
    let mut edits = Edits::new();
    patch.write_edits(&mut edits);
    let segments = edits.apply(&body.text);
    assert_eq!(segments.len(), segments.to_bytes().len());
    assert_eq!(object(&segments.to_bytes()), expected);
}

fn rewritten(body: &RequestBody, tree: Option<&Map<String, Value>>, which: u8, settings: u8) {
    let (adapter, model) = model(which);
    let params = if settings & 1 == 0 { Map::new() } else { Map::from_iter([("seed".into(), 7.into())]) };
    let is_ruled = |key: &str| RULED.contains(&key);
    let Some(sent) = sent(body, tree, (adapter, &model), &params, settings, is_ruled) else { return };
    let Some(tree) = tree else { return };
    assert_eq!(sent.get("model").and_then(Value::as_str), Some(&*model.id));
    let messages = |tree: &Map<String, Value>| tree.get("messages").cloned().unwrap_or_default();
    match (messages(tree), messages(&sent)) {
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len(), "messages");
            before.iter().zip(&after).for_each(|(before, after)| same_message(before, after));
        }
        (before, after) => assert_eq!(before, after),
    }
}

fn same_message(before: &Value, after: &Value) {
    let (Some(was), Some(is)) = (before.as_object(), after.as_object()) else {
        assert_eq!(before, after);
        return;
    };
    for (key, value) in was.iter().filter(|(key, _)| !RULED_IN_MESSAGES.contains(&key.as_str())) {
        assert_eq!(is.get(key), Some(value), "{key:?} of a message");
    }
    if was.get("role") != is.get("role") {
        let roles = [was, is].map(|message| message.get("role").and_then(Value::as_str));
        assert_eq!(roles, [Some("developer"), Some("system")]);
    }
    if was.get("content").is_some_and(Value::is_string) {
        assert_eq!(was.get("content"), is.get("content"), "content");
    }
}

/// Every adapter with each kind of thinking, and a server with every `compat` flag.
fn model(which: u8) -> (AdapterId, ModelInfo) {
    let (adapter, id, thinking) = match which % 10 {
        0 => (AdapterId::Moonshot, "kimi-k2.6", ThinkingControl::Switch),
        1 => (AdapterId::Moonshot, "kimi-k2.7-code", ThinkingControl::Always),
        2 => (AdapterId::Moonshot, "kimi-k3", ThinkingControl::Effort),
        3 => (AdapterId::KimiCode, "kimi-for-coding", ThinkingControl::Effort),
        4 => (AdapterId::KimiCode, "kimi-for-coding", ThinkingControl::Always),
        5 => (AdapterId::OpenRouter, "openrouter/auto", ThinkingControl::Unknown),
        6 => (AdapterId::OpenRouter, "moonshotai/kimi-k3", ThinkingControl::Effort),
        7 => (AdapterId::Generic, "m", ThinkingControl::Effort),
        8 => (AdapterId::Generic, "m", ThinkingControl::Switch),
        _ => (AdapterId::Generic, "m", ThinkingControl::None),
    };
    let mut model = ModelInfo { thinking_control: thinking, ..ModelInfo::unknown(id) };
    if adapter == AdapterId::Generic {
        model.compat = Compat {
            supports_developer_role: Some(false),
            supports_usage_in_streaming: Some(true),
            supports_store: Some(false),
            supports_strict_mode: Some(which & 16 == 0),
            supports_tools: Some(which & 32 == 0),
            requires_reasoning_content: Some(true),
            requires_string_content: Some(true),
            max_tokens_field: Some(MaxTokensField::MaxTokens),
            ..Compat::default()
        };
    }
    (adapter, model)
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

fn object(text: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}
