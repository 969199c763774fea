//! Compares the quick check with the full schema rewrite.

use proptest::prelude::*;

use super::super::apply_fixes;
use super::*;
use crate::protocol::edit::Edits;

fn is_changed(text: &str) -> bool {
    apply_fixes(text.as_bytes(), &(0..text.len()), &mut Edits::new())
}

#[test]
fn what_clients_send_is_sound() {
    for schema in [
        r#"{"type":"object"}"#,
        r#"{ "$schema": "x", "type": "object", "properties": { "a": {"type": "string", "enum": ["a"]} }, "required": ["a"] }"#,
        r#"{"required":["b"],"properties":{"a":{"items":{"type":"string"}},"b":{"properties":{"c":{}},"required":["c"]}},"type":"object"}"#,
        r#"{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}],"default":null}}}"#,
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/d"}},"$defs":{"d":{"type":"string"}}}"##,
        r#"{"type":"object","additionalProperties":false,"required":[]}"#,
        r#"{"anyOf":[{"type":"object"}]}"#,
    ] {
        assert!(is_valid(schema.as_bytes(), 0) && !is_changed(schema), "{schema}");
    }
}

#[test]
fn what_is_to_be_mended_or_damaged_is_not() {
    let deep = ["{\"type\":\"object\",\"items\":".repeat(200), "1".into(), "}".repeat(200)].concat();
    for schema in
        ["{}", "[]", "true", "", r#"{"type":"object","items":{"anyOf":[{}],"type":"string"}}"#, &deep]
    {
        assert!(!is_valid(schema.as_bytes(), 0), "{schema}");
    }
}

fn schema() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "{}",
            "true",
            r#"{"type":"object"}"#,
            r#"{"type":"string"}"#,
            r#"{"type":"object","type":"string"}"#,
            r#"{"t\u0079pe":"object"}"#,
            r##"{"$ref":"#/$defs/a"}"##,
            r##"{"$ref":"#/definitions/a"}"##,
            r##"{"$ref":"#\/definitions/a"}"##,
            r##"{"$ref":"#/$defs/a","type":"string"}"##,
            r#"["a"]"#,
            r#"["a","\u0061"]"#,
            r#"["a","b"]"#,
            "[]",
            "[1]",
            r#""object""#,
            r#""string""#,
            "{",
        ][..],
    );
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop::sample::select(
            &[
                "type", "properties", "required", "anyOf", "items", "$defs", "definitions", "a", "b", "$ref", "not",
                "allOf", "description", "any\\u004ff",
            ][..],
        );
        let member = (key, inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            4 => (any::<bool>(), prop::collection::vec(member, 0..5)).prop_map(|(typed, mut members)| {
                if typed {
                    members.push(r#""type":"object""#.to_owned());
                }
                format!("{{{}}}", members.join(","))
            }),
            1 => prop::collection::vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(" , "))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_sound_is_never_changed(schema in schema()) {
        prop_assert!(!is_valid(schema.as_bytes(), 0) || !is_changed(&schema), "{schema}");
    }
}
