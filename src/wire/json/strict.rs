//! Whether what a scan passes over is JSON all through. Most values are plain, which a look over their bytes tells; the
//! rest is left to `serde_json`.

use super::{Malformed, Span, is_valid, malformed, skip_value};

/// As [`skip_value`].
///
/// # Errors
/// Also when the value is no JSON.
pub(super) fn value(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let end = skip_value(text, at)?;
    check(text, &(at..end)).map(|()| end)
}

/// # Errors
/// When what stands there is no JSON.
pub(super) fn check(text: &[u8], place: &Span) -> Result<(), Malformed> {
    let value = text.get(place.clone()).unwrap_or_default();
    let is_plain = match value {
        [b'"', inner @ .., b'"'] => is_plain(inner),
        [b'1'..=b'9', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        b"null" | b"true" | b"false" | b"0" => true,
        _ => false,
    };
    if is_plain || is_valid(value) { Ok(()) } else { malformed(place.start, "valid JSON") }
}

/// Whether a string with this between its quotes has neither escapes nor characters that want one. No early return: this
/// way the compiler looks at many bytes at a time.
fn is_plain(inner: &[u8]) -> bool {
    inner.iter().fold(true, |all, byte| all & (*byte >= 0x20) & (*byte != b'\\'))
}
