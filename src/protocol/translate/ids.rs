//! Ids of tool calls. Providers make them as they like (Kimi's `functions.Bash:0`), and each face takes others: so an
//! id that a face refuses is escaped, and gets its own shape back where it returns.
//!
//! Nothing is remembered: what an id becomes depends on the id alone, so call and result, today's request and
//! tomorrow's agree.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Begins an escaped id: letters, digits and `_` stand for themselves, other bytes as `-` and two hexadecimal digits.
const ESCAPED: &str = "mrl_";
/// Begins the digest of an id that is too long to be escaped.
const DIGEST: &str = "mrx_";
/// What both faces allow at most. Anthropic's and OpenAI's API references, 2026-11.
const LONGEST: usize = 64;

/// As the messages face takes it: `^[a-zA-Z0-9_-]+$`, at most 64 characters.
#[must_use]
pub fn for_messages(id: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let passes = (1..=LONGEST).contains(&id.len()) && id.bytes().all(plain);
    if passes && !id.starts_with(ESCAPED) { Cow::Borrowed(id) } else { Cow::Owned(replaced(id)) }
}

/// As the responses face takes it: 1 to 64 characters.
#[must_use]
pub fn for_responses(id: &str) -> Cow<'_, str> {
    let passes = !id.is_empty() && id.chars().take(LONGEST + 1).count() <= LONGEST;
    if passes && !id.starts_with(ESCAPED) { Cow::Borrowed(id) } else { Cow::Owned(replaced(id)) }
}

/// The id that the other two made this one of. A digest stays one.
#[must_use]
pub fn original(id: &str) -> Cow<'_, str> {
    match id.strip_prefix(ESCAPED).and_then(unescaped) {
        // Somebody's own id may look like one of ours.
        Some(own) if escaped(&own) == id => Cow::Owned(own),
        _ => Cow::Borrowed(id),
    }
}

fn replaced(id: &str) -> String {
    let escaped = escaped(id);
    if escaped.len() <= LONGEST { escaped } else { format!("{DIGEST}{}", digest(id)) }
}

fn escaped(id: &str) -> String {
    let mut out = String::with_capacity(ESCAPED.len() + id.len() + 8);
    out.push_str(ESCAPED);
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "-{byte:02x}");
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
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

/// 32 hexadecimal digits that depend on the text alone: two FNV-1a hashes, because the standard hasher may change
/// between compilers, and a changed id costs the provider's prompt cache.
#[must_use]
pub(super) fn digest(text: &str) -> String {
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
    fn what_passes_stays_and_the_rest_is_escaped() {
        assert_eq!(for_messages("toolu_01AbC-9"), "toolu_01AbC-9");
        assert_eq!(for_messages("functions.get_weather:0"), "mrl_functions-2eget_weather-3a0");
        assert_eq!(for_responses("functions.get_weather:0"), "functions.get_weather:0");
        assert_eq!(original("mrl_functions-2eget_weather-3a0"), "functions.get_weather:0");
        assert_eq!(for_messages(""), "mrl_");
        assert_eq!(original("mrl_-zz"), "mrl_-zz");
        // A pinned value: ids made of it stand in provider caches.
        assert_eq!(for_responses(&"x".repeat(65)), "mrx_e019e1226cfe07c0efe0ca73af468763");
    }

    proptest! {
        #[test]
        fn escaping_is_undone(id in "(mrl_|mrx_|mrl_-2e|call_)?[a-z0-9.:_é-]{0,8}") {
            for made in [for_messages(&id), for_responses(&id)] {
                prop_assert!((1..=64).contains(&made.chars().count()));
                prop_assert_eq!(&*original(&made), &id);
            }
            prop_assert!(for_messages(&id).bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
        }

        #[test]
        fn any_id_is_taken_and_stays_itself(id in any::<String>(), other in any::<String>()) {
            let pairs = [(for_messages(&id), for_messages(&other)), (for_responses(&id), for_responses(&other))];
            for (made, made_other) in pairs {
                prop_assert!((1..=64).contains(&made.chars().count()));
                prop_assert_eq!(made == made_other, id == other);
            }
            prop_assert_eq!(for_messages(&for_responses(&id)).chars().count() <= 64, true);
        }
    }
}
