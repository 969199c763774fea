//! Spans of JSON text, found in one pass without a tree.
//!
//! The scanner checks brackets, strings and separators, not all of the JSON grammar. Unchecked text passes
//! unchanged.

use std::borrow::Cow;
use std::ops::Range;

/// A range of bytes in the text.
pub type Span = Range<usize>;

/// Nesting beyond this is refused, as `serde_json` does.
const MAX_DEPTH: usize = 128;

/// One member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key with its quotes.
    pub key: Span,
    /// The value.
    pub value: Span,
}

/// The text is not JSON, as far as the scan looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedJson {
    /// Offset of the byte in question.
    pub offset: usize,
    /// What the scanner expected there.
    pub expected: &'static str,
}

impl std::fmt::Display for MalformedJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "malformed JSON at byte {}: expected {}", self.offset, self.expected)
    }
}

impl std::error::Error for MalformedJson {}

const fn malformed<T>(at: usize, expected: &'static str) -> Result<T, MalformedJson> {
    Err(MalformedJson { offset: at, expected })
}

/// The offset of the first byte from `at` on that is not white space.
#[must_use]
pub fn skip_whitespace(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// The offset after the string that starts at `at` (its opening quote).
///
/// # Errors
/// When there is no string, or it is unterminated.
pub fn skip_string(text: &[u8], at: usize) -> Result<usize, MalformedJson> {
    if text.get(at) != Some(&b'"') {
        return malformed(at, "a string");
    }
    let mut end = at + 1;
    while let Some(mark) = memchr::memchr2(b'"', b'\\', text.get(end..).unwrap_or_default()) {
        if text.get(end + mark) == Some(&b'"') {
            return Ok(end + mark + 1);
        }
        end += mark + 2;
    }
    malformed(text.len(), "the end of a string")
}

/// The offset after the value that starts at `at` (no white space before it).
///
/// # Errors
/// When no value starts there or it does not end.
pub fn skip_value(text: &[u8], at: usize) -> Result<usize, MalformedJson> {
    match text.get(at) {
        Some(b'"') => skip_string(text, at),
        Some(b'{' | b'[') => skip_nested(text, at),
        Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Ok(skip_scalar(text, at)),
        _ => malformed(at, "a value"),
    }
}

fn skip_scalar(text: &[u8], mut at: usize) -> usize {
    while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E') = text.get(at) {
        at += 1;
    }
    at
}

/// Brackets are matched by kind with a bit a level; commas and colons inside are the provider's to judge.
fn skip_nested(text: &[u8], start: usize) -> Result<usize, MalformedJson> {
    let mut kinds: u128 = 0;
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                at = skip_string(text, at)?;
                continue;
            }
            b'{' | b'[' => {
                if depth == MAX_DEPTH {
                    return malformed(at, "at most 128 levels of nesting");
                }
                kinds = (kinds << 1) | u128::from(byte == b'{');
                depth += 1;
            }
            b'}' | b']' => {
                if (kinds & 1 == 1) != (byte == b'}') {
                    return malformed(at, "the other closing bracket");
                }
                kinds >>= 1;
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    malformed(text.len(), "a closing bracket")
}

/// Whether the text is one valid JSON value, which the scan alone does not check. Lone surrogates and numbers
/// of any length count as valid.
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// Fails where [`is_valid`] is false.
pub(super) fn require_valid(text: &[u8]) -> Result<(), MalformedJson> {
    if is_valid(text) { Ok(()) } else { malformed(0, "valid JSON") }
}

/// Calls `visit` with each member of the object that starts at `at`; returns the offset after its closing brace.
/// `visit` gets the key's span and the value's start, and returns the offset after the value (see [`skip_value`]).
///
/// # Errors
/// When the text is not an object, or `visit` fails.
pub fn walk_object(
    text: &[u8],
    at: usize,
    mut visit: impl FnMut(Span, usize) -> Result<usize, MalformedJson>,
) -> Result<usize, MalformedJson> {
    if text.get(at) != Some(&b'{') {
        return malformed(at, "an object");
    }
    let mut at = skip_whitespace(text, at + 1);
    if text.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        let key_end = skip_string(text, at)?;
        let key = at..key_end;
        at = skip_whitespace(text, key_end);
        if text.get(at) != Some(&b':') {
            return malformed(at, "a colon");
        }
        at = skip_whitespace(text, visit(key, skip_whitespace(text, at + 1))?);
        match text.get(at) {
            Some(b',') => at = skip_whitespace(text, at + 1),
            Some(b'}') => return Ok(at + 1),
            _ => return malformed(at, "a comma or the end of the object"),
        }
    }
}

/// Calls `visit` with the start of each element of the array at `at`; as [`walk_object`].
///
/// # Errors
/// When the text is not an array, or `visit` fails.
pub fn walk_array(
    text: &[u8],
    at: usize,
    mut visit: impl FnMut(usize) -> Result<usize, MalformedJson>,
) -> Result<usize, MalformedJson> {
    if text.get(at) != Some(&b'[') {
        return malformed(at, "an array");
    }
    let mut at = skip_whitespace(text, at + 1);
    if text.get(at) == Some(&b']') {
        return Ok(at + 1);
    }
    loop {
        at = skip_whitespace(text, visit(at)?);
        match text.get(at) {
            Some(b',') => at = skip_whitespace(text, at + 1),
            Some(b']') => return Ok(at + 1),
            _ => return malformed(at, "a comma or the end of the array"),
        }
    }
}

/// The members of the object at `at`, and the offset after it.
///
/// # Errors
/// When there is no object at `at`.
pub fn parse_members(text: &[u8], at: usize) -> Result<(Vec<Member>, usize), MalformedJson> {
    let mut found = Vec::new();
    let end = walk_object(text, at, |key, value| {
        let end = skip_value(text, value)?;
        found.push(Member { key, value: value..end });
        Ok(end)
    })?;
    Ok((found, end))
}

/// Like [`walk_object`], with unescaped keys.
///
/// # Errors
/// When the text is not an object, or `visit` fails.
pub fn walk_keys(
    text: &[u8],
    at: usize,
    mut visit: impl FnMut(&[u8], usize) -> Result<usize, MalformedJson>,
) -> Result<usize, MalformedJson> {
    walk_object(text, at, |key, value| match text.get(key).unwrap_or_default() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => visit(inner, value),
        literal => visit(unescape(literal).unwrap_or_default().as_bytes(), value),
    })
}

/// The span of the value that starts at `at`, `None` for `null`, and the offset after it.
///
/// # Errors
/// When no value starts there or it does not end.
pub fn read_value(text: &[u8], at: usize) -> Result<(Option<Span>, usize), MalformedJson> {
    let end = skip_value(text, at)?;
    let is_present = text.get(at..end) != Some(b"null");
    Ok((is_present.then_some(at..end), end))
}

/// The spans of the elements of the array at `at`, and the offset after it.
///
/// # Errors
/// When there is no array at `at`.
pub fn parse_elements(text: &[u8], at: usize) -> Result<(Vec<Span>, usize), MalformedJson> {
    let mut found = Vec::new();
    let end = walk_array(text, at, |value| {
        let end = skip_value(text, value)?;
        found.push(value..end);
        Ok(end)
    })?;
    Ok((found, end))
}

/// The text of a string literal (quotes included in `literal`), unescaped; lone surrogates become U+FFFD.
/// `None` when it is not a string.
#[must_use]
pub fn unescape(literal: &[u8]) -> Option<Cow<'_, str>> {
    let inner = literal.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if !inner.contains(&b'\\') {
        return Some(
            std::str::from_utf8(inner).map_or_else(|_| String::from_utf8_lossy(inner), Cow::Borrowed),
        );
    }
    let mut out: Vec<u8> = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(slash) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(rest.get(..slash)?);
        let escape = rest.get(slash + 1).copied();
        rest = rest.get(slash + 2..).unwrap_or_default();
        let plain = match escape? {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, after) = unescape_unicode(rest);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
                continue;
            }
            other => other,
        };
        out.push(plain);
    }
    out.extend_from_slice(rest);
    Some(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
}

/// `rest` starts after `\u`.
fn unescape_unicode(rest: &[u8]) -> (char, &[u8]) {
    let hex = |bytes: Option<&[u8]>| {
        bytes.and_then(|b| std::str::from_utf8(b).ok()).and_then(|s| u32::from_str_radix(s, 16).ok())
    };
    let Some(high) = hex(rest.get(..4)) else {
        return (char::REPLACEMENT_CHARACTER, rest);
    };
    let after = rest.get(4..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&high)
        && after.starts_with(b"\\u")
        && let Some(low) = hex(after.get(2..6))
        && (0xdc00..0xe000).contains(&low)
    {
        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        return (character, after.get(6..).unwrap_or_default());
    }
    (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), after)
}

/// Whether the text between the quotes of a string ends with the escape of a high surrogate, whose low
/// surrogate may start the next string.
#[must_use]
pub fn ends_with_high_surrogate(inner: &[u8]) -> bool {
    let Some((before, [b'\\', b'u', b'd' | b'D', high, digits @ ..])) = inner.split_last_chunk::<6>() else {
        return false;
    };
    let escapes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    escapes % 2 == 0
        && matches!(high, b'8' | b'9' | b'a' | b'b' | b'A' | b'B')
        && digits.iter().all(u8::is_ascii_hexdigit)
}

/// Whether a string literal means `expected`: keys compare unescaped.
#[must_use]
pub fn literal_equals(literal: &[u8], expected: &str) -> bool {
    let [b'"', inner @ .., b'"'] = literal else { return false };
    if inner.len() <= expected.len() {
        // An escaped text is longer than its meaning.
        return inner == expected.as_bytes() && !inner.contains(&b'\\');
    }
    inner.contains(&b'\\') && unescape(literal).is_some_and(|text| text == expected)
}

/// The last member with this key: of duplicates the last one counts.
#[must_use]
pub fn find_member<'m>(text: &[u8], members: &'m [Member], key: &str) -> Option<&'m Member> {
    let has_key = |literal: &[u8]| literal_equals(literal, key);
    members.iter().rev().find(|member| text.get(member.key.clone()).is_some_and(has_key))
}

/// Appends `text` as a JSON string literal.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Appends the text between the quotes of `text` as a JSON string literal.
pub fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    // Most text needs no escape, so it is copied in runs.
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, b""));
        out.extend_from_slice(plain);
        let Some((byte, after)) = from.split_first() else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// `text` as a JSON string literal.
#[must_use]
pub fn to_string_literal(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    out
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
