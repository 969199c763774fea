//! Measures a prompt: the parts that are not text, and the estimated tokens.

use crate::protocol::json::{self, Span};
use crate::protocol::object::ObjectView;
use crate::protocol::request::RequestBody;

/// Types of such parts: those of Chat Completions, of Responses, then of Messages.
const MEDIA_TYPES: &str = "image_url video_url input_audio file input_image input_file computer_screenshot image video \
    document";

/// Approximate bytes of a token, for natural language (Chinese included) and code.
const BYTES_PER_TOKEN: usize = 4;
/// Approximate tokens of an image. Anthropic's largest have 1,600; Kimi's documents give no number.
const TOKENS_PER_MEDIA_PART: usize = 1600;

/// In the Messages API a tool result is a block that contains blocks; they are not nested deeper.
const MAX_DEPTH: usize = 1;

/// The parts of all messages that are not text.
pub(super) fn find_media(body: &RequestBody) -> Vec<Span> {
    let mut found = Vec::new();
    for message in &body.messages {
        // In the Responses API a tool result is in `output`.
        for key in ["content", "output"] {
            if let Some(span) = body.field_span(message, key) {
                collect_media(&body.text, span.start, 0, &mut found);
            }
        }
    }
    found
}

fn collect_media(text: &[u8], at: usize, depth: usize, found: &mut Vec<Span>) {
    for part in ObjectView::parse_array_at(text, at) {
        let kind = part.value("type").unwrap_or_default();
        if MEDIA_TYPES.split(' ').any(|name| json::literal_equals(kind, name)) {
            if !is_text_document(&part) {
                found.push(part.extent());
            }
        } else if depth < MAX_DEPTH
            && let Some(below) = part.span("content")
        {
            collect_media(text, below.start, depth + 1, found);
        }
    }
}

/// A document of the Messages API may consist of text only.
fn is_text_document(part: &ObjectView<'_>) -> bool {
    part.object("source").is_some_and(|source| source.string_or_empty("type") == "text")
}

/// Estimates the tokens of a prompt: one for each four bytes of the JSON text of instructions, conversation and tools,
/// and a fixed number for each image or file instead of its bytes.
pub(super) fn estimate_prompt_tokens(body: &RequestBody) -> u64 {
    let media = find_media(body);
    let bytes_of_media: usize = media.iter().map(ExactSizeIterator::len).sum();
    let parts = ["system", "instructions", body.api.conversation_field(), "tools"];
    let bytes: usize = parts.into_iter().filter_map(|key| body.value(key)).map(<[u8]>::len).sum();
    let text = bytes.saturating_sub(bytes_of_media).div_ceil(BYTES_PER_TOKEN);
    (text + media.len() * TOKENS_PER_MEDIA_PART) as u64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::api::Api;

    fn count(api: Api, list: &Value) -> usize {
        let text = json!({"messages": list, "input": list}).to_string();
        find_media(&RequestBody::parse(api, Bytes::from(text)).unwrap()).len()
    }

    #[test]
    fn media_is_found_in_the_messages_of_each_api() {
        let image = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
        let text = json!({"type": "text", "media_type": "text/plain", "data": "words"});
        let url = "data:image/png;base64,iVBORw0KGgo=";
        for (api, part) in [
            (Api::ChatCompletions, json!({"type": "image_url", "image_url": {"url": url}})),
            (Api::Messages, json!({"type": "image", "source": image})),
            (Api::Messages, json!({"type": "document", "source": image})),
            (Api::Messages, json!({"type": "tool_result", "content": [{"type": "image", "source": image}]})),
            (Api::Responses, json!({"type": "input_image", "image_url": url})),
            (Api::Responses, json!({"type": "input_file", "file_data": url})),
        ] {
            let list = json!([{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]);
            assert_eq!(count(api, &list), 1, "{api:?} {part}");
        }
        let output =
            json!([{"type": "function_call_output", "output": [{"type": "input_image", "image_url": url}]}]);
        assert_eq!(count(Api::Responses, &output), 1);
        for (api, content) in [
            (Api::Messages, json!("image")),
            (Api::Messages, json!([{"type": "document", "source": text}])),
            (Api::Messages, json!([{"type": "tool_result", "content": "image"}])),
            (Api::Responses, json!([{"type": "input_text", "text": "image"}])),
        ] {
            let list = json!([{"role": "user", "content": content}]);
            assert_eq!(count(api, &list), 0, "{content}");
        }
    }
}
