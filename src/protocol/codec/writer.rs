//! JSON text, written member by member.

use std::io::Write as _;

use crate::protocol::json;
use crate::protocol::model::node::StringLiteral;

/// An object that is being written.
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
        if self.has_members {
            self.out.push(b',');
        }
        self.has_members = true;
        json::write_string(self.out, key);
        self.out.push(b':');
        self.out
    }

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

    pub(crate) fn literal(&mut self, key: &str, literal: &StringLiteral<'_>) {
        self.raw(key, literal.as_bytes());
    }

    pub(crate) fn literal_if(&mut self, key: &str, literal: Option<&StringLiteral<'_>>) {
        if let Some(literal) = literal {
            self.literal(key, literal);
        }
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

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

pub(crate) fn write_object(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    let mut object = ObjectWriter::new(out);
    write(&mut object);
    object.end();
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

pub(crate) fn write_raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{number}");
}

/// An id with the prefix of another format: the target's prefix replaces the provider's. `otherwise` is used
/// when the remainder is empty.
pub(crate) fn make_id(prefix: &str, provider: &str, otherwise: &str) -> String {
    if provider.starts_with(prefix) {
        return provider.to_owned();
    }
    let from = if provider.is_empty() { otherwise } else { provider };
    let known = ["chatcmpl-", "cmpl-", "msg_", "resp_", "gen-"];
    let tail = known.iter().find_map(|known| from.strip_prefix(known)).unwrap_or(from);
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let tail: String = tail.chars().filter(plain).take(64).collect();
    format!("{prefix}{tail}")
}
