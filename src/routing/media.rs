//! Where a request holds what is no text: images, videos, sound, files.

use crate::protocol::json::{self, Span};
use crate::protocol::object::Object;
use crate::protocol::request::RequestBody;

/// Types of such parts: chat's, then those of Responses, then those of Messages.
const TYPES: [&str; 10] = [
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

/// A tool's result is a block with blocks in it on the Messages face, and deeper there is nothing.
const DEEPEST: usize = 1;

/// The parts of all messages that are no text.
pub(super) fn parts(body: &RequestBody) -> Vec<Span> {
    let mut found = Vec::new();
    for message in &body.messages {
        // A tool's result stands in `output` on the Responses face.
        for key in ["content", "output"] {
            if let Some(span) = body.span(message, key) {
                look(&body.text, span.start, 0, &mut found);
            }
        }
    }
    found
}

fn look(text: &[u8], at: usize, depth: usize, found: &mut Vec<Span>) {
    for part in Object::all_at(text, at) {
        let kind = part.value("type").unwrap_or_default();
        if TYPES.iter().any(|name| json::literal_is(kind, name)) {
            if !is_plain(&part) {
                found.push(part.extent());
            }
        } else if depth < DEEPEST
            && let Some(below) = part.span("content")
        {
            look(text, below.start, depth + 1, found);
        }
    }
}

/// A document of the Messages face may be nothing but text.
fn is_plain(part: &Object<'_>) -> bool {
    part.object("source").is_some_and(|source| source.word("type") == "text")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::face::Face;

    fn count(face: Face, list: &Value) -> usize {
        let text = json!({"messages": list, "input": list}).to_string();
        parts(&RequestBody::parse(face, Bytes::from(text)).unwrap()).len()
    }

    #[test]
    fn media_is_seen_in_each_faces_messages() {
        let image = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
        let text = json!({"type": "text", "media_type": "text/plain", "data": "words"});
        let url = "data:image/png;base64,iVBORw0KGgo=";
        for (face, part) in [
            (Face::Chat, json!({"type": "image_url", "image_url": {"url": url}})),
            (Face::Messages, json!({"type": "image", "source": image})),
            (Face::Messages, json!({"type": "document", "source": image})),
            (Face::Messages, json!({"type": "tool_result", "content": [{"type": "image", "source": image}]})),
            (Face::Responses, json!({"type": "input_image", "image_url": url})),
            (Face::Responses, json!({"type": "input_file", "file_data": url})),
        ] {
            let list = json!([{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]);
            assert_eq!(count(face, &list), 1, "{face:?} {part}");
        }
        let output =
            json!([{"type": "function_call_output", "output": [{"type": "input_image", "image_url": url}]}]);
        assert_eq!(count(Face::Responses, &output), 1);
        for (face, content) in [
            (Face::Messages, json!("image")),
            (Face::Messages, json!([{"type": "document", "source": text}])),
            (Face::Messages, json!([{"type": "tool_result", "content": "image"}])),
            (Face::Responses, json!([{"type": "input_text", "text": "image"}])),
        ] {
            let list = json!([{"role": "user", "content": content}]);
            assert_eq!(count(face, &list), 0, "{content}");
        }
    }
}
