//! JSON objects and events, written member by member into a buffer.

use std::io::Write as _;

use super::json;

/// An object that is being written. Keys and words need no escape.
pub(crate) struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    has_members: bool,
}

impl<'o> ObjectWriter<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, has_members: false }
    }

    /// Where the value of `key` is to be written.
    pub(crate) fn value(&mut self, key: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.has_members { b",\"" } else { b"\"" });
        self.has_members = true;
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// JSON text.
    pub(crate) fn raw(&mut self, key: &str, value: impl AsRef<[u8]>) {
        self.value(key).extend_from_slice(value.as_ref());
    }

    pub(crate) fn raw_if(&mut self, key: &str, value: Option<impl AsRef<[u8]>>) {
        if let Some(value) = value {
            self.raw(key, value);
        }
    }

    pub(crate) fn text(&mut self, key: &str, text: &str) {
        json::write_string(self.value(key), text);
    }

    pub(crate) fn text_or_null(&mut self, key: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(key, text),
            None => self.raw(key, "null"),
        }
    }

    /// A string whose escaped text is known.
    pub(crate) fn escaped(&mut self, key: &str, text: impl AsRef<[u8]>) {
        let out = self.value(key);
        out.push(b'"');
        out.extend_from_slice(text.as_ref());
        out.push(b'"');
    }

    pub(crate) fn number(&mut self, key: &str, number: u64) {
        // Writing to a vector does not fail.
        let _ = write!(self.value(key), "{number}");
    }

    pub(crate) fn flag(&mut self, key: &str, flag: bool) {
        self.raw(key, if flag { "true" } else { "false" });
    }

    pub(crate) fn flag_if(&mut self, key: &str, flag: Option<bool>) {
        if let Some(flag) = flag {
            self.flag(key, flag);
        }
    }

    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        write_object(self.value(key), write);
    }

    pub(crate) fn array<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut Vec<u8>, T),
    ) {
        write_array(self.value(key), items, write);
    }

    /// Members as JSON text.
    pub(crate) fn write_members(&mut self, members: &[u8]) {
        self.has_members |= !members.is_empty();
        self.out.extend_from_slice(members);
    }
}

pub(crate) fn write_object(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    let mut object = ObjectWriter::new(out);
    write(&mut object);
    out.push(b'}');
}

/// Writes an array; an item that writes nothing is omitted.
pub(crate) fn write_array<T>(
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

/// Writes a named server-sent event whose `type` is its name.
pub(crate) fn write_event(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    write_data(out, |event| {
        event.escaped("type", name);
        write(event);
    });
}

/// Writes a server-sent event without a name.
pub(crate) fn write_data(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.extend_from_slice(b"data: ");
    write_object(out, write);
    out.extend_from_slice(b"\n\n");
}
