//! Request bodies, as spans.

use bytes::Bytes;

use super::api::Api;
use super::json::{self, MalformedJson, Member, Span};
use super::object::ObjectView;

/// A request body and the spans of its parts.
#[derive(Clone, Debug)]
pub struct RequestBody {
    /// The API of the body.
    pub api: Api,
    /// The client's bytes, untouched.
    pub text: Bytes,
    /// Offset of the opening brace.
    pub open_brace: usize,
    /// Top-level members.
    pub members: Vec<Member>,
    /// The elements of the last `messages` (chat, messages) or `input` (responses), where that is an array.
    pub messages: Vec<RequestMessage>,
}

/// One message and the spans of its parts.
#[derive(Clone, Debug)]
pub struct RequestMessage {
    /// The object, braces included.
    pub span: Span,
    /// Its members; empty when it is not an object.
    pub members: Vec<Member>,
}

impl RequestBody {
    /// Indexes a body in one pass.
    ///
    /// # Errors
    /// When the scan meets something that is not JSON, or the body is not an object.
    pub fn parse(api: Api, text: Bytes) -> Result<Self, MalformedJson> {
        let list = api.conversation_field();
        let mut top = Vec::with_capacity(8);
        let mut messages = Vec::new();
        let start = text.strip_prefix(b"\xef\xbb\xbf").map_or(0, |_| 3);
        let open = json::skip_whitespace(&text, start);
        let end = json::walk_object(&text, open, |key, value| {
            let is_messages = text.get(key.clone()).is_some_and(|k| json::literal_equals(k, list));
            if is_messages {
                messages.clear();
            }
            let end = if is_messages && text.get(value) == Some(&b'[') {
                json::walk_array(&text, value, |element| index_message(&text, element, &mut messages))?
            } else {
                json::skip_value(&text, value)?
            };
            top.push(Member { key, value: value..end });
            Ok(end)
        })?;
        let end = json::skip_whitespace(&text, end);
        if end != text.len() {
            return Err(MalformedJson { offset: end, expected: "nothing after the object" });
        }
        Ok(Self { api, text, open_brace: open, members: top, messages })
    }

    /// The span of a top-level value; the last of duplicates.
    #[must_use]
    pub fn value_span(&self, key: &str) -> Option<Span> {
        find_value_span(&self.text, &self.members, key)
    }

    /// The JSON text of a top-level value.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.text.get(self.value_span(key)?)
    }

    /// A top-level string, unescaped.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<String> {
        json::unescape(self.value(key)?).map(std::borrow::Cow::into_owned)
    }

    /// Whether `stream` is `true`.
    #[must_use]
    pub fn wants_stream(&self) -> bool {
        self.value("stream") == Some(b"true")
    }

    /// Whether the client expects usage in a stream: in Chat Completions on request (`stream_options.include_usage`, or
    /// OpenRouter's older `usage.include`), in the other APIs always.
    #[must_use]
    pub fn wants_usage(&self) -> bool {
        if self.api != Api::ChatCompletions {
            return true;
        }
        [("stream_options", "include_usage"), ("usage", "include")].into_iter().any(|(field, flag)| {
            let object = self.value_span(field).and_then(|span| ObjectView::parse_at(&self.text, span.start));
            object.is_some_and(|object| object.value(flag) == Some(b"true"))
        })
    }

    /// A message as an object; `None` when it is not one.
    #[must_use]
    pub fn message_object<'b>(&'b self, message: &'b RequestMessage) -> Option<ObjectView<'b>> {
        ObjectView::from_members(&self.text, message.span.clone(), &message.members)
    }

    /// The span of a message's value; the last of duplicates.
    #[must_use]
    pub fn field_span(&self, message: &RequestMessage, key: &str) -> Option<Span> {
        find_value_span(&self.text, &message.members, key)
    }

    /// The JSON text of a message's value.
    #[must_use]
    pub fn field(&self, message: &RequestMessage, key: &str) -> Option<&[u8]> {
        self.text.get(self.field_span(message, key)?)
    }

    /// Whether the message's `role` is this one.
    #[must_use]
    pub fn has_role(&self, message: &RequestMessage, role: &str) -> bool {
        self.field(message, "role").is_some_and(|value| json::literal_equals(value, role))
    }
}

fn find_value_span(text: &[u8], members: &[Member], key: &str) -> Option<Span> {
    json::find_member(text, members, key).map(|member| member.value.clone())
}

fn index_message(text: &[u8], at: usize, into: &mut Vec<RequestMessage>) -> Result<usize, MalformedJson> {
    let (members, end) = if text.get(at) == Some(&b'{') {
        json::parse_members(text, at)?
    } else {
        (Vec::new(), json::skip_value(text, at)?)
    };
    into.push(RequestMessage { span: at..end, members });
    Ok(end)
}

#[cfg(test)]
mod tests;
