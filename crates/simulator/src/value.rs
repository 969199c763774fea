//! Readers of JSON values. A member that is absent reads as null.

use serde_json::Value;

/// The elements of a list; empty if the value is not a list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A string; empty if the value is not a string.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A copy of the members that are present, under new names.
pub(crate) fn pick<'a>(
    from: &'a Value,
    names: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> impl Iterator<Item = (String, Value)> {
    names.into_iter().filter_map(|(old, new)| Some((new.to_owned(), from.get(old)?.clone())))
}

/// FNV-1a: ids need to differ, not to be secret.
pub(crate) fn fnv1a_hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
