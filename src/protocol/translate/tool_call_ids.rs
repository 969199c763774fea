//! Ids of tool calls. Providers use arbitrary ids (Kimi's `functions.Bash:0`), and each format accepts a
//! different set. An id that a format rejects is escaped, and restored when it returns.
//!
//! No state is stored: the escaped id depends on the id alone, so call and result agree, also across requests.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Prefix of an escaped id: letters, digits and `_` are literal, other bytes are `-` and two hexadecimal
/// digits.
const ESCAPE_PREFIX: &str = "mrl_";
/// Prefix of the digest of an id that is too long to escape.
const DIGEST_PREFIX: &str = "mrx_";
/// The maximum length in both formats. Anthropic's and OpenAI's API references, 2026-11.
const MAX_CHARS: usize = 64;

/// As Messages accepts it: `^[a-zA-Z0-9_-]+$`, at most 64 characters.
#[must_use]
pub fn to_messages_id(id: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let passes = (1..=MAX_CHARS).contains(&id.len()) && id.bytes().all(plain);
    if passes && !id.starts_with(ESCAPE_PREFIX) { Cow::Borrowed(id) } else { Cow::Owned(replace_id(id)) }
}

/// As Responses accepts it: 1 to 64 characters.
#[must_use]
pub fn to_responses_id(id: &str) -> Cow<'_, str> {
    let passes = !id.is_empty() && id.chars().take(MAX_CHARS + 1).count() <= MAX_CHARS;
    if passes && !id.starts_with(ESCAPE_PREFIX) { Cow::Borrowed(id) } else { Cow::Owned(replace_id(id)) }
}

/// The original of an escaped id. A digest is unchanged.
#[must_use]
pub fn restore_original(id: &str) -> Cow<'_, str> {
    match id.strip_prefix(ESCAPE_PREFIX).and_then(unescape_id) {
        // A provider's id may look like an escaped one.
        Some(own) if escape_id(&own) == id => Cow::Owned(own),
        _ => Cow::Borrowed(id),
    }
}

fn replace_id(id: &str) -> String {
    let escaped = escape_id(id);
    if escaped.len() <= MAX_CHARS { escaped } else { format!("{DIGEST_PREFIX}{}", compute_digest(id)) }
}

fn escape_id(id: &str) -> String {
    let mut out = String::with_capacity(ESCAPE_PREFIX.len() + id.len() + 8);
    out.push_str(ESCAPE_PREFIX);
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "-{byte:02x}");
        }
    }
    out
}

fn unescape_id(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'-' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

/// 32 hexadecimal digits that depend on the text alone: two FNV-1a hashes. The standard hasher may change
/// between compilers, and a changed id invalidates the provider's prompt cache.
#[must_use]
pub(super) fn compute_digest(text: &str) -> String {
    let fnv = |seed: u64| {
        let hash =
            text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        // FNV's high bits mix late; this spreads them (the finaliser of MurmurHash3).
        let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^ (hash >> 33)
    };
    format!("{:016x}{:016x}", fnv(0xcbf2_9ce4_8422_2325), fnv(0x6c62_272e_07bb_0142))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn valid_ids_are_unchanged_and_others_escaped() {
        assert_eq!(to_messages_id("toolu_01AbC-9"), "toolu_01AbC-9");
        assert_eq!(to_messages_id("functions.get_weather:0"), "mrl_functions-2eget_weather-3a0");
        assert_eq!(to_responses_id("functions.get_weather:0"), "functions.get_weather:0");
        assert_eq!(restore_original("mrl_functions-2eget_weather-3a0"), "functions.get_weather:0");
        assert_eq!(to_messages_id(""), "mrl_");
        assert_eq!(restore_original("mrl_-zz"), "mrl_-zz");
        // A pinned value: provider caches contain ids derived from it.
        assert_eq!(to_responses_id(&"x".repeat(65)), "mrx_e019e1226cfe07c0efe0ca73af468763");
    }

    proptest! {
        #[test]
        fn escaping_is_undone(id in "(mrl_|mrx_|mrl_-2e|call_)?[a-z0-9.:_é-]{0,8}") {
            for made in [to_messages_id(&id), to_responses_id(&id)] {
                prop_assert!((1..=64).contains(&made.chars().count()));
                prop_assert_eq!(&*restore_original(&made), &id);
            }
            prop_assert!(to_messages_id(&id).bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
        }

        #[test]
        fn any_id_is_accepted_and_restored(id in any::<String>(), other in any::<String>()) {
            let pairs = [(to_messages_id(&id), to_messages_id(&other)), (to_responses_id(&id), to_responses_id(&other))];
            for (made, made_other) in pairs {
                prop_assert!((1..=64).contains(&made.chars().count()));
                prop_assert_eq!(made == made_other, id == other);
            }
            prop_assert_eq!(to_messages_id(&to_responses_id(&id)).chars().count() <= 64, true);
        }
    }
}
