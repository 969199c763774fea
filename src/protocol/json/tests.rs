//! The scan against `serde_json`, and against damage.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[test]
fn strings_end_at_the_unescaped_quote() {
    for (text, end) in [
        (r#""""#, 2),
        (r#""a"b"#, 3),
        (r#""\"""#, 4),
        (r#""\\"x"#, 4),
        (r#""\\\"""#, 6),
        (r#""0123456789012345678901234567890123456789\"0123456789" "#, 54),
    ] {
        assert_eq!(skip_string(text.as_bytes(), 0).unwrap(), end, "{text}");
    }
    for text in ["", "a", "\"", "\"a", r#""\"#, r#""\""#] {
        assert!(skip_string(text.as_bytes(), 0).is_err(), "{text}");
    }
    assert!(skip_string(b"\"\"", 7).is_err());
}

#[test]
fn strings_of_every_length_end_at_the_unescaped_quote() {
    for length in 0..200 {
        for escape in ["", "\\\"", "\\\\"] {
            let text = format!(
                "{}\"{}{escape}{}\",\"",
                " ".repeat(length % 9),
                "x".repeat(length),
                "é".repeat(length % 5)
            );
            let start = length % 9;
            assert_eq!(skip_string(text.as_bytes(), start).unwrap(), text.len() - 2, "{text}");
        }
    }
}

#[test]
fn brackets_match_by_kind() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert_eq!(skip_value(deep(128).as_bytes(), 0).unwrap(), 256);
    for text in [deep(129).as_str(), "[}", "{]", "[", "{\"a\":[}]", "[\"", ""] {
        assert!(skip_value(text.as_bytes(), 0).is_err(), "{text}");
    }
}

#[test]
fn missing_separator_is_an_error() {
    for text in ["{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1,}", "{,}", "{a:1}", "{\"a\":}", "{\"a\":1", "{"]
    {
        assert!(parse_members(text.as_bytes(), 0).is_err(), "{text}");
    }
    for text in ["[1 2]", "[1,]", "[,]", "[", "[1"] {
        assert!(parse_elements(text.as_bytes(), 0).is_err(), "{text}");
    }
    assert_eq!(parse_elements(b"[ ]x", 0).unwrap(), (vec![], 3));
}

#[test]
fn validity_checks_the_whole_grammar() {
    for text in [r#"{"a":["\ud83d",123456789012345678901234567890,1e999]}"#, " null "] {
        assert!(is_valid(text.as_bytes()), "{text}");
    }
    for text in ["", r#"{"a":nul}"#, r#"{"a":[1 2]}"#, r#"{"a":"\x"}"#, "{\"a\":\"\n\"}", "{} {}"] {
        assert!(!is_valid(text.as_bytes()), "{text}");
    }
}

#[test]
fn error_states_what_was_expected() {
    let error = parse_members(b"{\"a\" 1}", 0).unwrap_err();
    assert_eq!(error.to_string(), "malformed JSON at byte 5: expected a colon");
}

#[test]
fn escapes_are_decoded() {
    for (literal, text) in [
        (r#""a\/\b\f\n\r\t\"\\b""#, "a/\u{8}\u{c}\n\r\t\"\\b"),
        (r#""\u0041\u00e9\uD83D\uDE00""#, "Aé😀"),
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud83dA""#, "\u{fffd}A"),
        (r#""\udc00\n""#, "\u{fffd}\n"),
        (r#""\u12""#, "\u{fffd}12"),
    ] {
        assert_eq!(unescape(literal.as_bytes()).unwrap(), text, "{literal}");
    }
    for no_string in ["", "\"", "a", "1", "\"a", r#""\""#] {
        assert_eq!(unescape(no_string.as_bytes()), None, "{no_string}");
    }
}

#[test]
fn keys_compare_unescaped_and_the_last_counts() {
    let text = br#"{"a":1,"\u0061":2,"b":3}"#;
    let (members, _) = parse_members(text, 0).unwrap();
    assert_eq!(find_member(text, &members, "a").unwrap().value, 16..17);
    assert!(find_member(text, &members, "c").is_none());
    assert!(
        literal_equals(br#""\u006dodel""#, "model")
            && !literal_equals(b"model", "model")
            && !literal_equals(b"\"", "")
            && !literal_equals(br#""mo\rel""#, r"mo\rel")
            && literal_equals(br#""mo\\rel""#, r"mo\rel")
    );
}

#[test]
fn literals_round_trip() {
    for text in ["", "a\"b\\c\n\r\t\u{1}\u{1f}é\u{2028}😀"] {
        let literal = to_string_literal(text);
        assert_eq!(serde_json::from_slice::<String>(&literal).unwrap(), text);
        assert_eq!(unescape(&literal).unwrap(), text);
    }
}

/// Every walk there is, over any bytes.
fn walk_all(text: &[u8]) {
    for at in 0..=text.len() + 1 {
        let _ = skip_whitespace(text, at);
        let _ = skip_string(text, at);
        let _ = parse_elements(text, at);
        if let Ok(end) = skip_value(text, at) {
            assert!(end <= text.len() && end > at);
            let _ = unescape(&text[at..end]);
        }
        if let Ok((found, end)) = parse_members(text, at) {
            assert!(end <= text.len());
            let _ = find_member(text, &found, "model");
        }
    }
}

proptest! {
    #[test]
    fn value_end_matches_serde_json(text in sample::value(sample::Text::ForTrees)) {
        let padded = format!("{text} ,[\"x\"]");
        prop_assert_eq!(skip_value(padded.as_bytes(), 0).unwrap(), text.len());
    }

    #[test]
    fn members_match_serde_json(text in sample::object(sample::Text::ForTrees)) {
        let bytes = text.as_bytes();
        let (members, end) = parse_members(bytes, skip_whitespace(bytes, 0)).unwrap();
        prop_assert_eq!(skip_whitespace(bytes, end), bytes.len());
        let tree: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        for (key, value) in &tree {
            let member = find_member(bytes, &members, key).unwrap();
            let found: Value = serde_json::from_slice(&bytes[member.value.clone()]).unwrap();
            prop_assert_eq!(&found, value);
        }
        let mut keys: Vec<_> = members.iter().map(|m| unescape(&bytes[m.key.clone()]).unwrap()).collect();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), tree.len());
    }

    #[test]
    fn escapes_decode_as_in_serde_json(text in any::<String>(), escaped in any::<bool>()) {
        let mut literal = serde_json::to_string(&text).unwrap();
        if escaped {
            let inner: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            literal = format!("\"{inner}\"");
        }
        prop_assert_eq!(unescape(literal.as_bytes()).unwrap(), text);
    }

    #[test]
    fn damage_never_panics(
        text in sample::object(sample::Text::Any),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = text.into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        walk_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        walk_all(&bytes);
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(prop::sample::select(&b"{}[]\",:\\u0 1ne\xff\n"[..]), 0..60)) {
        walk_all(&bytes);
    }
}
