use serde_json::json;

use super::Tree;
use crate::config::keypath::KeyPath;

fn json_of(text: &str) -> serde_json::Value {
    Tree::parse(text).unwrap().root.value.to_json()
}

#[test]
fn json5_is_parsed() {
    let text = "\u{feff}// comment\n{ 'single': \"double\", bare_Key: .5, hex: 0x1F, neg: -0x10, plus: +1, five: 5.,\n\
                list: [1, 2,], /* block */ $dollar: null, kimi-code: true, line: 'a\\\nb', sep: '\u{2028}', big: 1e3, }";
    let expected = json!({
        "single": "double", "bare_Key": 0.5, "hex": 31, "neg": -16, "plus": 1, "five": 5.0,
        "list": [1, 2], "$dollar": null, "kimi-code": true, "line": "ab", "sep": "\u{2028}", "big": 1000.0,
    });
    assert_eq!(json_of(text), expected);
}

#[test]
fn missing_commas_and_lone_surrogates_are_rejected() {
    for text in ["{ a: 1 b: 2 }", "[1 2]", r#"{ a: "\ud83d" }"#, "{ \\u0061: 1 }", "{ a: 'x }", "{ a: 1 } x"]
    {
        assert!(Tree::parse(text).is_err(), "{text}");
    }
}

#[test]
fn numbers_that_json_cannot_represent_become_null() {
    assert_eq!(json_of("[NaN, Infinity, 1e999, 0xFFFFFFFFFFFFFFFFFF]"), json!([null, null, null, null]));
}

#[test]
fn positions_count_lines_and_characters_from_one() {
    let tree = Tree::parse("{\r\n  'ü': {\n    b: 1 } }").unwrap();
    let position = |keys: &[&str]| tree.position(tree.find_offset(&KeyPath::from_keys(keys)));
    assert_eq!(position(&["ü"]), (2, 8));
    assert_eq!(position(&["ü", "b"]), (3, 8));
    assert_eq!(position(&["ü", "b", "missing"]), (3, 8));
    assert_eq!(tree.position(0), (1, 1));
}

#[test]
fn last_of_duplicate_keys_counts() {
    assert_eq!(json_of("{ a: 1, b: 2, a: 3 }"), json!({ "b": 2, "a": 3 }));
}

#[test]
fn parse_error_has_the_line_that_editors_count() {
    let issue = Tree::parse("{\r  a: 1,\n  b: \"in\n}\n").unwrap_err();
    assert_eq!((issue.line, issue.column), (2, 6), "{issue}");
}
