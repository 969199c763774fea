//! Validation of the text that a scan skips. Most values are plain, which a scan of their bytes shows;
//! `serde_json` checks the others.

use super::string_scan::find_plain_end;
use super::{MalformedJson, is_valid, malformed, skip_string, skip_value};

/// As [`skip_value`].
///
/// # Errors
/// Also when the value is not valid JSON.
pub(super) fn skip_valid_value(text: &[u8], at: usize) -> Result<usize, MalformedJson> {
    if text.get(at) == Some(&b'"') {
        skip_valid_string(text, at)
    } else {
        check_value(text, at, skip_value(text, at)?)
    }
}

/// As [`skip_string`].
///
/// # Errors
/// Also when the string is not valid JSON.
pub(super) fn skip_valid_string(text: &[u8], at: usize) -> Result<usize, MalformedJson> {
    if text.get(at) == Some(&b'"')
        && let Some(quote) = find_plain_end(text, at + 1)
    {
        return Ok(quote + 1);
    }
    check_value(text, at, skip_string(text, at)?)
}

/// The end of a value, after it was validated.
fn check_value(text: &[u8], at: usize, end: usize) -> Result<usize, MalformedJson> {
    let value = text.get(at..end).unwrap_or_default();
    let is_plain = match value {
        [b'"', inner @ .., b'"'] => is_plain(inner),
        [b'1'..=b'9', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        b"null" | b"true" | b"false" | b"0" => true,
        _ => false,
    };
    if is_plain || is_valid(value) { Ok(end) } else { malformed(at, "valid JSON") }
}

/// Whether a string body contains neither escapes nor characters that need one. No early return, so that the
/// compiler vectorises the loop.
fn is_plain(inner: &[u8]) -> bool {
    inner.iter().fold(true, |all, byte| all & (*byte >= 0x20) & (*byte != b'\\'))
}
