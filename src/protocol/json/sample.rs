//! Arbitrary JSON text for property tests: unusual white space, escaped keys, duplicates, numbers larger than a
//! machine word, lone surrogates.

use proptest::prelude::*;

/// Keys that the tests edit.
pub(crate) const KEYS: [&str; 6] = ["model", "temperature", "a", "", "ключ", "messages"];

/// What the text may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// Anything that the gateway forwards.
    Any,
    /// Only text that `serde_json` accepts.
    ForTrees,
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["", "", "", " ", "\n  ", "\t", "\r\n"][..])
}

fn string(text: Text) -> impl Strategy<Value = String> {
    let lone: &[&str] =
        if text == Text::Any { &[r"\ud83d", r"\udc00", r"\ud83dx", r"\ud83d\n"] } else { &[] };
    let plain = [
        "a",
        "é",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        r#"\""#,
        r"\\",
        r"\n",
        r"\/",
        r"\u0041",
        r"\ud83d\ude00",
        "𝄞",
        "\u{2028}",
        " ",
        "data:image/png;base64,iVBORw0KGgo",
    ];
    let parts: Vec<&str> = plain.iter().chain(lone).copied().collect();
    prop::collection::vec(prop::sample::select(parts), 0..8)
        .prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn key() -> impl Strategy<Value = String> {
    let written = [
        r#""model""#,
        r#""m\u006fdel""#,
        r#""temperature""#,
        r#""temper\u0061ture""#,
        r#""a""#,
        r#""\u0061""#,
        r#""""#,
        r#""ключ""#,
        r#""\u043aлюч""#,
        r#""messages""#,
        r#""other""#,
        r#""b\\""#,
    ];
    prop::sample::select(written.map(str::to_owned).to_vec())
}

/// A JSON value.
pub(crate) fn value(text: Text) -> impl Strategy<Value = String> {
    let numbers = [
        "0",
        "-1",
        "1e2",
        "1E+2",
        "0.5",
        "123456789012345678901234567890",
        "-0.000000000000000000000000000001",
        "1.0",
    ];
    let scalar = prop_oneof![
        prop::sample::select(&["null", "true", "false"][..]).prop_map(str::to_owned),
        prop::sample::select(numbers.to_vec()).prop_map(str::to_owned),
        string(text),
    ];
    scalar.prop_recursive(3, 24, 5, |inner| prop_oneof![array_of(inner.clone()), object_of(inner)])
}

/// A JSON object, with white space around it.
pub(crate) fn object(text: Text) -> impl Strategy<Value = String> {
    (space(), object_of(value(text)), space())
        .prop_map(|(before, object, after)| format!("{before}{object}{after}"))
}

fn array_of(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((space(), inner, space()).prop_map(|(a, value, b)| format!("{a}{value}{b}")), 0..5)
        .prop_map(|elements| format!("[{}]", elements.join(",")))
}

fn object_of(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member = (space(), key(), space(), space(), inner, space())
        .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
    prop::collection::vec(member, 0..7).prop_map(|members| format!("{{{}}}", members.join(",")))
}
