//! Small writings.

use std::io::Write as _;

use crate::protocol::json;

/// Appends raw JSON text.
pub(super) fn write_raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends a number.
pub(super) fn write_number(out: &mut Vec<u8>, number: u64) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{number}");
}

/// Appends a string literal.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    json::write_string(out, text);
}

/// Appends the text between the quotes of a string literal.
pub(super) fn write_escaped(out: &mut Vec<u8>, text: &str) {
    json::write_escaped(out, text);
}

/// An id with the prefix of another format: the target's prefix replaces the provider's. `otherwise` is used
/// when the remainder is empty.
pub(super) fn make_id(prefix: &str, provider: &str, otherwise: &str) -> String {
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
