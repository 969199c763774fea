//! Content that a provider does not accept and that the model must see. Such a request is sent to another target or
//! rejected: an answer without the document would look like a valid one.

use crate::catalog::AdapterId;
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::json;
use crate::protocol::object::ObjectView;
use crate::protocol::request::RequestBody;

/// The content that a provider does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: Kimi accepts text and images, not {content_type:?}")]
pub struct UnsupportedContent {
    /// The location, such as `messages[3].content[0]`.
    pub path: String,
    /// Its type.
    pub content_type: String,
}

impl From<UnsupportedContent> for Failure {
    fn from(unsupported: UnsupportedContent) -> Self {
        // Another provider may accept it.
        Self::of_provider_rule(unsupported.to_string())
    }
}

/// Whether the accepted content types of a provider's models are known; they are the same for all of them.
pub const fn has_known_content_types(adapter: AdapterId) -> bool {
    matches!(adapter, AdapterId::Moonshot | AdapterId::KimiCode)
}

/// The first unsupported part in a request of any API. Kimi's chat accepts text, images and videos (API
/// reference, 2026-09-23). Its converter from Messages accepts text and images (MoonshotAI/Kimi-K2 issue 118).
/// What the models of other providers accept is not known.
pub fn find_unsupported_content(adapter: AdapterId, body: &RequestBody) -> Option<UnsupportedContent> {
    if !has_known_content_types(adapter) {
        return None;
    }
    let (path, content_type) = body.messages.iter().enumerate().find_map(|(index, message)| {
        let object = body.message_object(message)?;
        let place = || format!("{}[{index}]", body.api.conversation_field());
        let kind = object.string_or_empty("type");
        if body.api == Api::Responses && is_stored_by_provider(&kind) {
            return Some((place(), kind.into_owned()));
        }
        // In the Responses API a tool's result is in `output`.
        let mut found = ["content", "output"].iter().filter_map(|key| find_in_list(body.api, &object, key));
        found.next().map(|(inner, kind)| (format!("{}.{inner}", place()), kind))
    })?;
    Some(UnsupportedContent { path, content_type })
}

/// Path and type of the first part in a list that Kimi does not accept. A tool result in the Messages API has
/// parts of its own.
fn find_in_list(api: Api, holder: &ObjectView<'_>, key: &str) -> Option<(String, String)> {
    holder.objects(key).iter().enumerate().find_map(|(index, part)| {
        let kind = part.string_or_empty("type");
        if api == Api::Messages && kind == "tool_result" {
            let (inner, kind) = find_in_list(api, part, "content")?;
            return Some((format!("{key}[{index}].{inner}"), kind));
        }
        is_unsupported(api, &kind, part).then(|| (format!("{key}[{index}]"), kind.into_owned()))
    })
}

fn is_unsupported(api: Api, kind: &str, part: &ObjectView<'_>) -> bool {
    match api {
        Api::ChatCompletions => matches!(kind, "file" | "input_audio"),
        Api::Responses => {
            matches!(kind, "input_file" | "input_audio" | "input_video" | "computer_screenshot")
        }
        Api::Messages => {
            !is_supported_block(kind) && !is_omittable_block(kind) && render_as_text(part).is_none()
        }
    }
}

/// Items that refer to data which only their provider has.
fn is_stored_by_provider(kind: &str) -> bool {
    matches!(kind, "item_reference" | "compaction" | "compaction_summary" | "context_compaction")
}

/// Blocks of the Messages API that Kimi's converter supports.
pub(super) fn is_supported_block(kind: &str) -> bool {
    matches!(kind, "text" | "image" | "thinking" | "tool_use" | "tool_result")
}

/// Blocks that the model does not need: encrypted data of another provider and calls of its own tools, which
/// translation removes as well. The provider decides about a block without a type.
fn is_omittable_block(kind: &str) -> bool {
    kind.is_empty()
        || matches!(kind, "redacted_thinking" | "server_tool_use")
        || kind.ends_with("_tool_result")
        || kind.starts_with("mcp_")
}

/// Blocks that have an equivalent in text, as JSON between commas: text documents, search results, available
/// tools. `None` for others.
pub(super) fn render_as_text(block: &ObjectView<'_>) -> Option<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    match &*block.string_or_empty("type") {
        "document" => {
            let source = block.object("source")?;
            append_text_block(&mut out, block.value("title"));
            match &*source.string_or_empty("type") {
                "text" => append_text_block(&mut out, Some(source.value("data")?)),
                "content" => append_parts(&mut out, &source)?,
                _ => return None,
            }
        }
        "search_result" => {
            append_text_block(&mut out, block.value("title"));
            append_text_block(&mut out, block.value("source"));
            append_parts(&mut out, block)?;
        }
        "tool_reference" => {
            let note = format!("The tool {} can be called now.", block.string_or_empty("tool_name"));
            append_text_block(&mut out, Some(&json::to_string_literal(&note)));
        }
        // An unknown type.
        _ => append_text_block(&mut out, Some(block.value("text")?)),
    }
    Some(out.join(&b","[..]))
}

/// Adds a block of this string's text; none for an empty one.
fn append_text_block(out: &mut Vec<Vec<u8>>, literal: Option<&[u8]>) {
    let text = literal.filter(|literal| literal.starts_with(b"\"") && literal.len() > 2);
    out.extend(text.map(|literal| [br#"{"type":"text","text":"#, literal, b"}"].concat()));
}

/// Adds the blocks of `content`; `None` where one of them is neither text nor an image.
fn append_parts(out: &mut Vec<Vec<u8>>, holder: &ObjectView<'_>) -> Option<()> {
    append_text_block(out, holder.value("content"));
    for part in holder.objects("content") {
        if !matches!(&*part.string_or_empty("type"), "text" | "image") {
            return None;
        }
        out.push(part.text().to_vec());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn found(adapter: AdapterId, api: Api, part: &Value) -> Option<String> {
        let list = json!([{"role": "user", "content": "hi"}, {"role": "user", "content": [part]}]);
        let text = json!({ "messages": list, "input": list }).to_string();
        find_unsupported_content(adapter, &RequestBody::parse(api, Bytes::from(text)).unwrap())
            .map(|unsupported| unsupported.path)
    }

    #[test]
    fn unsupported_content_is_reported_with_its_location() {
        let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "AA=="});
        let document = json!({"type": "document", "source": pdf});
        for (api, part, place) in [
            (
                Api::ChatCompletions,
                json!({"type": "file", "file": {"file_data": "x"}}),
                "messages[1].content[0]",
            ),
            (Api::ChatCompletions, json!({"type": "input_audio"}), "messages[1].content[0]"),
            (Api::Responses, json!({"type": "input_file", "file_id": "f"}), "input[1].content[0]"),
            (Api::Messages, document.clone(), "messages[1].content[0]"),
            (Api::Messages, json!({"type": "hologram"}), "messages[1].content[0]"),
            (
                Api::Messages,
                json!({"type": "tool_result", "content": [{"type": "text", "text": "x"}, document]}),
                "messages[1].content[0].content[1]",
            ),
        ] {
            for adapter in [AdapterId::Moonshot, AdapterId::KimiCode] {
                assert_eq!(found(adapter, api, &part).as_deref(), Some(place), "{part}");
            }
            assert_eq!(found(AdapterId::OpenRouter, api, &part), None, "{part}");
        }
        let item = |kind: &str| {
            let text = json!({ "input": [{ "type": kind, "encrypted_content": "x" }] }).to_string();
            find_unsupported_content(
                AdapterId::Moonshot,
                &RequestBody::parse(Api::Responses, Bytes::from(text)).unwrap(),
            )
        };
        assert_eq!(item("compaction").unwrap().path, "input[0]");
        assert_eq!(item("web_search_call"), None);
    }

    #[test]
    fn text_and_unneeded_blocks_are_supported() {
        let text = json!({"type": "text", "media_type": "text/plain", "data": "words"});
        for part in [
            json!({"type": "image", "source": {"type": "base64"}}),
            json!({"type": "document", "source": text}),
            json!({"type": "document", "source": {"type": "content", "content": "words"}}),
            json!({"type": "search_result", "content": [{"type": "text", "text": "x"}]}),
            json!({"type": "tool_result", "content": [{"type": "tool_reference", "tool_name": "x"}]}),
            json!({"type": "redacted_thinking", "data": "x"}),
            json!({"type": "web_search_tool_result", "content": []}),
            json!({"type": "news", "text": "x"}),
        ] {
            assert_eq!(found(AdapterId::KimiCode, Api::Messages, &part), None, "{part}");
        }
    }
}
