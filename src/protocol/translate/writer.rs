//! JSON text, written member by member.

use super::node::StringLiteral;
use crate::protocol::json;

/// An object that is being written.
pub(super) struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    has_members: bool,
}

impl<'o> ObjectWriter<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, has_members: false }
    }

    /// Where the value of `key` is to be written.
    pub(super) fn value(&mut self, key: &str) -> &mut Vec<u8> {
        if self.has_members {
            self.out.push(b',');
        }
        self.has_members = true;
        json::write_string(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// JSON text.
    pub(super) fn raw(&mut self, key: &str, value: impl AsRef<[u8]>) {
        self.value(key).extend_from_slice(value.as_ref());
    }

    pub(super) fn raw_if(&mut self, key: &str, value: Option<impl AsRef<[u8]>>) {
        if let Some(value) = value {
            self.raw(key, value);
        }
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        json::write_string(self.value(key), text);
    }

    pub(super) fn literal(&mut self, key: &str, literal: &StringLiteral<'_>) {
        self.raw(key, literal.as_bytes());
    }

    pub(super) fn literal_if(&mut self, key: &str, literal: Option<&StringLiteral<'_>>) {
        if let Some(literal) = literal {
            self.literal(key, literal);
        }
    }

    pub(super) fn flag(&mut self, key: &str, flag: bool) {
        self.raw(key, if flag { "true" } else { "false" });
    }

    /// An object within.
    pub(super) fn object(&mut self, key: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        write_object(self.value(key), write);
    }

    /// An array within.
    pub(super) fn array<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut Vec<u8>, T),
    ) {
        write_array(self.value(key), items, write);
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes an object.
pub(super) fn write_object(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    let mut object = ObjectWriter::new(out);
    write(&mut object);
    object.end();
}

/// Writes an array; an item that writes nothing is omitted.
pub(super) fn write_array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    let mut has_items = false;
    for item in items {
        let before = out.len();
        if has_items {
            out.push(b',');
        }
        let start = out.len();
        write(out, item);
        if out.len() == start {
            out.truncate(before);
        } else {
            has_items = true;
        }
    }
    out.push(b']');
}
