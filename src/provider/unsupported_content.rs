//! What a provider cannot take of what a client wants its model to see. Such a request goes elsewhere, or back with a
//! word about it: an answer that was given without the document would look like one.

use crate::catalog::AdapterId;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::object::ObjectView;
use crate::protocol::request::RequestBody;

/// What of a request a provider cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: Kimi accepts text and images, not {content_type:?}")]
pub struct UnsupportedContent {
    /// Where, such as `messages[3].content[0]`.
    pub path: String,
    /// The type that the client gave it.
    pub content_type: String,
}

impl From<UnsupportedContent> for Failure {
    fn from(untaken: UnsupportedContent) -> Self {
        // Another provider may take it.
        Self { is_provider_rule: true, ..Self::new(Reason::BadRequest, untaken.to_string()) }
    }
}

/// Whether it is known what a provider's models take; it is the same for all of them.
#[must_use]
pub const fn has_known_content_types(dialect: AdapterId) -> bool {
    matches!(dialect, AdapterId::Moonshot | AdapterId::KimiCode)
}

/// The first unsupported part in a request of any API. Kimi's chat accepts text, images and videos (API
/// reference, 2026-09-23). Its converter from Messages accepts text and images (MoonshotAI/Kimi-K2 issue 118).
/// What the models of other providers accept is not known.
#[must_use]
pub fn find_unsupported_content(dialect: AdapterId, body: &RequestBody) -> Option<UnsupportedContent> {
    if !has_known_content_types(dialect) {
        return None;
    }
    body.messages.iter().enumerate().find_map(|(index, message)| {
        let place = || format!("{}[{index}]", body.api.conversation_field());
        let is_list = |key: &&str| body.field(message, key).is_some_and(|value| value.starts_with(b"["));
        // In the Responses API a tool's result is in `output`.
        let mut lists = ["content", "output"].into_iter().filter(is_list).peekable();
        if lists.peek().is_none() && body.api != Api::Responses {
            return None;
        }
        let object = body.message_object(message)?;
        if body.api == Api::Responses && is_stored_by_provider(&object.string_or_empty("type")) {
            return Some(UnsupportedContent {
                path: place(),
                content_type: object.string_or_empty("type").into_owned(),
            });
        }
        lists.find_map(|key| {
            let (inner, kind) = find_in_list(body.api, &object, key)?;
            Some(UnsupportedContent { path: format!("{}.{inner}", place()), content_type: kind })
        })
    })
}

/// Path and type of the first part in a list that Kimi does not accept. A tool result in the Messages API has
/// parts of its own.
fn find_in_list(face: Api, holder: &ObjectView<'_>, key: &str) -> Option<(String, String)> {
    holder.objects(key).iter().enumerate().find_map(|(index, part)| {
        let kind = part.string_or_empty("type");
        if face == Api::Messages && kind == "tool_result" {
            let (inner, kind) = find_in_list(face, part, "content")?;
            return Some((format!("{key}[{index}].{inner}"), kind));
        }
        is_unsupported(face, &kind, part).then(|| (format!("{key}[{index}]"), kind.into_owned()))
    })
}

fn is_unsupported(face: Api, kind: &str, part: &ObjectView<'_>) -> bool {
    match face {
        Api::ChatCompletions => matches!(kind, "file" | "input_audio"),
        Api::Responses => {
            matches!(kind, "input_file" | "input_audio" | "input_video" | "computer_screenshot")
        }
        Api::Messages => {
            !is_supported_block(kind) && !is_omittable_block(kind) && render_as_text(part).is_none()
        }
    }
}

/// Items that stand for what only the provider that made them has; others of its own tools may go.
fn is_stored_by_provider(kind: &str) -> bool {
    matches!(kind, "item_reference" | "compaction" | "compaction_summary" | "context_compaction")
}

/// Blocks of the Messages API that Kimi's converter supports.
pub(super) fn is_supported_block(kind: &str) -> bool {
    matches!(kind, "text" | "image" | "thinking" | "tool_use" | "tool_result")
}

/// Blocks without which the model misses nothing: what another provider sealed, and its own tools' doings, as the
/// translation leaves them out as well. A block without a type is left to the provider's own word.
fn is_omittable_block(kind: &str) -> bool {
    kind.is_empty()
        || matches!(kind, "redacted_thinking" | "server_tool_use")
        || kind.ends_with("_tool_result")
        || kind.starts_with("mcp_")
}

/// Blocks that say the same in text, as JSON between commas: documents of text, results of a search, tools that are
/// there. `None` for what has no text.
pub(super) fn render_as_text(block: &ObjectView<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
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
            let name = block.string_or_empty("tool_name");
            let said = format!("The tool {name} can be called now.");
            append_text_block(&mut out, Some(&crate::protocol::json::to_string_literal(&said)));
        }
        // Of a kind that is not known here.
        _ => append_text_block(&mut out, Some(block.value("text")?)),
    }
    Some(out)
}

/// Adds a block of this string's text; none for an empty one.
fn append_text_block(out: &mut Vec<u8>, literal: Option<&[u8]>) {
    let Some(literal) = literal.filter(|literal| literal.starts_with(b"\"") && literal.len() > 2) else {
        return;
    };
    append_block(out, &[br#"{"type":"text","text":"#, literal, b"}"].concat());
}

/// Adds the blocks of `content`; `None` where one of them is neither text nor an image.
fn append_parts(out: &mut Vec<u8>, holder: &ObjectView<'_>) -> Option<()> {
    append_text_block(out, holder.value("content"));
    for part in holder.objects("content") {
        if !matches!(&*part.string_or_empty("type"), "text" | "image") {
            return None;
        }
        append_block(out, part.text());
    }
    Some(())
}

fn append_block(out: &mut Vec<u8>, block: &[u8]) {
    if !out.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(block);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn found(dialect: AdapterId, face: Api, part: &Value) -> Option<String> {
        let list = json!([{"role": "user", "content": "hi"}, {"role": "user", "content": [part]}]);
        let text = json!({ "messages": list, "input": list }).to_string();
        find_unsupported_content(dialect, &RequestBody::parse(face, Bytes::from(text)).unwrap())
            .map(|untaken| untaken.path)
    }

    #[test]
    fn what_the_model_would_miss_is_named_by_its_place() {
        let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "AA=="});
        let document = json!({"type": "document", "source": pdf});
        for (face, part, place) in [
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
            for dialect in [AdapterId::Moonshot, AdapterId::KimiCode] {
                assert_eq!(found(dialect, face, &part).as_deref(), Some(place), "{part}");
            }
            assert_eq!(found(AdapterId::OpenRouter, face, &part), None, "{part}");
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
    fn what_is_text_or_idle_is_taken() {
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
