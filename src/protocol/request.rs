//! Request bodies, as spans.

use bytes::Bytes;

use super::face::Face;
use super::json::{self, Keys, Malformed, Member, Span};
use super::object::Object;

/// A request body and where its parts stand.
#[derive(Clone, Debug)]
pub struct RequestBody {
    /// Whose body it is.
    pub face: Face,
    /// The client's bytes, untouched.
    pub text: Bytes,
    /// Offset of the opening brace.
    pub open: usize,
    /// Top-level members.
    pub top: Vec<Member>,
    keys: Keys,
    /// The elements of the last `messages` (chat, messages) or `input` (responses), where that is an array.
    pub messages: Vec<Message>,
}

/// One message and where its parts stand.
#[derive(Clone, Debug)]
pub struct Message {
    /// The object, braces included.
    pub span: Span,
    /// Its members; empty when it is no object.
    pub members: Vec<Member>,
    keys: Keys,
}

impl RequestBody {
    /// Indexes a body in one pass.
    ///
    /// # Errors
    /// When the scan meets something that is not JSON, or the body is not an object.
    pub fn parse(face: Face, text: Bytes) -> Result<Self, Malformed> {
        let list = face.list();
        let mut top = Vec::with_capacity(8);
        let mut messages = Vec::new();
        let start = text.strip_prefix(b"\xef\xbb\xbf").map_or(0, |_| 3);
        let open = json::skip_space(&text, start);
        let end = json::walk_object(&text, open, |key, value| {
            let is_messages = text.get(key.clone()).is_some_and(|k| json::literal_is(k, list));
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
        let end = json::skip_space(&text, end);
        if end != text.len() {
            return Err(Malformed { at: end, expected: "nothing after the object" });
        }
        let keys = Keys::of(&text, &top);
        Ok(Self { face, text, open, top, keys, messages })
    }

    /// Where a top-level value stands; of duplicates the last.
    #[must_use]
    pub fn place(&self, key: &str) -> Option<Span> {
        find(&self.text, &self.top, self.keys, key)
    }

    /// The JSON text of a top-level value.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.text.get(self.place(key)?)
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

    /// Whether the client wants a stream to tell the usage: with chat it asks for that
    /// (`stream_options.include_usage`), the other faces always do.
    #[must_use]
    pub fn wants_usage(&self) -> bool {
        if self.face != Face::Chat {
            return true;
        }
        self.place("stream_options")
            .and_then(|place| json::members(&self.text, place.start).ok())
            .and_then(|(members, _)| {
                json::find(&self.text, &members, "include_usage")
                    .and_then(|flag| self.text.get(flag.value.clone()).map(|value| value == b"true"))
            })
            .unwrap_or(false)
    }

    /// A message as an object; `None` when it is none.
    #[must_use]
    pub fn object<'b>(&'b self, message: &'b Message) -> Option<Object<'b>> {
        Object::known(&self.text, message.span.clone(), &message.members, message.keys)
    }

    /// Where a message's value stands; of duplicates the last.
    #[must_use]
    pub fn span(&self, message: &Message, key: &str) -> Option<Span> {
        find(&self.text, &message.members, message.keys, key)
    }

    /// The JSON text of a message's value.
    #[must_use]
    pub fn field(&self, message: &Message, key: &str) -> Option<&[u8]> {
        self.text.get(self.span(message, key)?)
    }

    /// Whether the message's `role` is this one.
    #[must_use]
    pub fn role_is(&self, message: &Message, role: &str) -> bool {
        self.field(message, "role").is_some_and(|value| json::literal_is(value, role))
    }
}

/// Most of what is looked for is not there.
fn find(text: &[u8], members: &[Member], keys: Keys, key: &str) -> Option<Span> {
    let found = || json::find(text, members, key).map(|member| member.value.clone());
    keys.may_have(key).then(found).flatten()
}

fn index_message(text: &[u8], at: usize, into: &mut Vec<Message>) -> Result<usize, Malformed> {
    let (members, end) = if text.get(at) == Some(&b'{') {
        json::members(text, at)?
    } else {
        (Vec::new(), json::skip_value(text, at)?)
    };
    let keys = Keys::of(text, &members);
    into.push(Message { span: at..end, members, keys });
    Ok(end)
}

#[cfg(test)]
mod tests;
