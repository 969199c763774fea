//! Finds the parts of a request that are not text: images, videos, audio, files.

use crate::protocol::json::{self, Span};
use crate::protocol::object::ObjectView;
use crate::protocol::request::RequestBody;

/// Types of such parts: those of Chat Completions, of Responses, then of Messages.
const MEDIA_TYPES: [&str; 10] = [
    "image_url",
    "video_url",
    "input_audio",
    "file",
    "input_image",
    "input_file",
    "computer_screenshot",
    "image",
    "video",
    "document",
];

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
        if MEDIA_TYPES.iter().any(|name| json::literal_equals(kind, name)) {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::api::Api;

    fn count(face: Api, list: &Value) -> usize {
        let text = json!({"messages": list, "input": list}).to_string();
        find_media(&RequestBody::parse(face, Bytes::from(text)).unwrap()).len()
    }

    #[test]
    fn media_is_found_in_the_messages_of_each_api() {
        let image = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
        let text = json!({"type": "text", "media_type": "text/plain", "data": "words"});
        let url = "data:image/png;base64,iVBORw0KGgo=";
        for (face, part) in [
            (Api::ChatCompletions, json!({"type": "image_url", "image_url": {"url": url}})),
            (Api::Messages, json!({"type": "image", "source": image})),
            (Api::Messages, json!({"type": "document", "source": image})),
            (Api::Messages, json!({"type": "tool_result", "content": [{"type": "image", "source": image}]})),
            (Api::Responses, json!({"type": "input_image", "image_url": url})),
            (Api::Responses, json!({"type": "input_file", "file_data": url})),
        ] {
            let list = json!([{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]);
            assert_eq!(count(face, &list), 1, "{face:?} {part}");
        }
        let output =
            json!([{"type": "function_call_output", "output": [{"type": "input_image", "image_url": url}]}]);
        assert_eq!(count(Api::Responses, &output), 1);
        for (face, content) in [
            (Api::Messages, json!("image")),
            (Api::Messages, json!([{"type": "document", "source": text}])),
            (Api::Messages, json!([{"type": "tool_result", "content": "image"}])),
            (Api::Responses, json!([{"type": "input_text", "text": "image"}])),
        ] {
            let list = json!([{"role": "user", "content": content}]);
            assert_eq!(count(face, &list), 0, "{content}");
        }
    }
}
