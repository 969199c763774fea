//! Edits of spans against edits of a tree.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{Edits, ObjectPatch, Segments};
use crate::protocol::json::{self, sample};

fn patched(text: &str, change: impl FnOnce(&mut ObjectPatch<'_>)) -> String {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let open = json::skip_whitespace(&bytes, 0);
    let (members, _) = json::parse_members(&bytes, open).unwrap();
    let mut patch = ObjectPatch::new(&bytes, open, &members);
    change(&mut patch);
    let mut edits = Edits::new();
    patch.write_edits(&mut edits);
    String::from_utf8(edits.apply(&bytes).to_bytes().to_vec()).unwrap()
}

#[test]
fn edits_leave_valid_commas() {
    let text = r#"{ "a" : 1 , "b" : 2 , "c" : 3 }"#;
    for (removed, expected) in [
        (&["a"][..], r#"{ "b" : 2 , "c" : 3 }"#),
        (&["b"], r#"{ "a" : 1 , "c" : 3 }"#),
        (&["c"], r#"{ "a" : 1 , "b" : 2 }"#),
        (&["a", "b"], r#"{ "c" : 3 }"#),
        (&["b", "c"], r#"{ "a" : 1 }"#),
        (&["a", "c"], r#"{ "b" : 2 }"#),
        (&["a", "b", "c"], "{  }"),
    ] {
        let out = patched(text, |patch| removed.iter().for_each(|key| assert!(patch.remove(key))));
        assert_eq!(out, expected);
        let added = patched(text, |patch| {
            removed.iter().for_each(|key| assert!(patch.remove(key)));
            patch.set("d", "4");
        });
        let value: Value = serde_json::from_str(&added).unwrap();
        assert_eq!((&value["d"], value.as_object().unwrap().len()), (&Value::from(4), 4 - removed.len()));
    }
    let short = patched(r#"{"a":1,"bb":2,"\u0063":3,"d":4,"e":5}"#, |patch| {
        assert!(patch.remove("a") && patch.rename("d", "dd"));
        patch.set("f", "6");
        patch.set("ff", "7");
        patch.remove_where(|key| key.len() == 1);
    });
    assert_eq!(short, r#"{"bb":2,"dd":4,"ff":7}"#);
    assert_eq!(patched("{}", |patch| patch.set("d", "4")), r#"{"d":4}"#);
    assert_eq!(patched(r#"{"a":1}"#, |patch| patch.set("a\"", "4")), r#"{"a":1,"a\"":4}"#);
}

#[test]
fn renamed_key_keeps_position_and_value() {
    let text = r#"{"max_tokens": 1e2, "x":0,"max_\u0074okens":30000000000000000000000000000001,"b":1}"#;
    let out = patched(text, |patch| assert!(patch.rename("max_tokens", "max_completion_tokens")));
    assert_eq!(out, r#"{"x":0,"max_completion_tokens":30000000000000000000000000000001,"b":1}"#);
    let other = patched(r#"{"a":1,"b":2}"#, |patch| assert!(patch.rename("a", "b")));
    assert_eq!(other, r#"{"b":1}"#);
    let chain = patched(r#"{"a":1}"#, |patch| {
        patch.set("a", "2");
        patch.set("n", "3");
        assert!(patch.rename("a", "b") && patch.rename("b", "c") && patch.rename("n", "m"));
        assert!(
            !patch.rename("a", "z") && patch.rename("c", "c") && patch.has_key("c") && !patch.has_key("a")
        );
    });
    assert_eq!(chain, r#"{"c":2,"m":3}"#);
}

#[test]
fn edit_applies_to_all_duplicates_and_escaped_keys() {
    let text = r#"{"model":"a","m\u006fdel":"b","temperature":1,"temper\u0061ture":2}"#;
    let out = patched(text, |patch| {
        patch.set("model", "\"c\"");
        assert!(patch.remove("temperature"));
        assert!(!patch.remove("temperature"));
    });
    assert_eq!(out, r#"{"model":"c","m\u006fdel":"c"}"#);
}

#[test]
fn untouched_parts_are_slices_of_the_original() {
    let text = Bytes::from_static(br#"{"a":1,"b":2}"#);
    let whole = Edits::new().apply(&text);
    assert_eq!((whole.parts().len(), whole.to_bytes().as_ptr()), (1, text.as_ptr()));
    let mut edits = Edits::new();
    edits.replace(5..6, &b"9"[..]);
    let parts = edits.apply(&text);
    assert_eq!(parts.parts()[2].as_ptr(), text[6..].as_ptr());
    assert_eq!((parts.len(), parts.to_bytes()), (13, Bytes::from_static(br#"{"a":9,"b":2}"#)));
}

#[test]
fn edits_beyond_the_text_apply_at_its_end() {
    let mut edits = Edits::new();
    edits.replace(7..9, &b"x"[..]);
    assert_eq!(edits.apply(&Bytes::from_static(b"abc")).to_bytes(), "abcx");
}

#[test]
fn segments_are_appended() {
    let mut all = Segments::from_bytes(Bytes::from_static(b"ab"));
    all.append(Segments::from_bytes(Bytes::from_static(b"cd")));
    all.append(Segments::default());
    assert_eq!((all.len(), all.parts().len(), all.is_empty()), (4, 2, false));
}

/// A change to one object.
#[derive(Clone, Debug)]
enum Change {
    Set(&'static str, &'static str),
    Remove(&'static str),
    Rename(&'static str, &'static str),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let key = || prop::sample::select(&sample::KEYS[..]);
    let value = prop::sample::select(&["1", "\"v\"", "null", "{\"z\":[]}"][..]);
    let change = prop_oneof![
        (key(), value).prop_map(|(key, value)| Change::Set(key, value)),
        key().prop_map(Change::Remove),
        (key(), key()).prop_map(|(from, to)| Change::Rename(from, to)),
    ];
    prop::collection::vec(change, 0..5)
}

fn change_tree(tree: &mut Map<String, Value>, change: &Change) {
    match change {
        Change::Set(key, value) => {
            tree.insert((*key).to_owned(), serde_json::from_str(value).unwrap());
        }
        Change::Remove(key) => {
            tree.remove(*key);
        }
        Change::Rename(from, to) => {
            if let Some(value) = tree.remove(*from) {
                tree.insert((*to).to_owned(), value);
            }
        }
    }
}

fn change_patch(patch: &mut ObjectPatch<'_>, change: &Change) {
    match change {
        Change::Set(key, value) => patch.set(key, *value),
        Change::Remove(key) => {
            patch.remove(key);
        }
        Change::Rename(from, to) => {
            patch.rename(from, to);
        }
    }
}

proptest! {
    #[test]
    fn span_edits_match_tree_edits(text in sample::object(sample::Text::ForTrees), changes in changes()) {
        let mut tree: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let out = patched(&text, |patch| changes.iter().for_each(|change| change_patch(patch, change)));
        changes.iter().for_each(|change| change_tree(&mut tree, change));
        let found: Map<String, Value> = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(found, tree, "{}", out);
    }

    #[test]
    fn no_edit_is_byte_identical(text in sample::object(sample::Text::Any)) {
        prop_assert_eq!(patched(&text, |_| {}), text);
    }

    #[test]
    fn unedited_members_keep_their_bytes(text in sample::object(sample::Text::Any), changes in changes()) {
        let out = patched(&text, |patch| changes.iter().for_each(|change| change_patch(patch, change)));
        let touched = |key: &str| changes.iter().any(|change| match change {
            Change::Set(a, _) | Change::Remove(a) => *a == key,
            Change::Rename(a, b) => *a == key || *b == key,
        });
        let kept = |text: &str| -> Vec<(String, String)> {
            let (members, _) = json::parse_members(text.as_bytes(), json::skip_whitespace(text.as_bytes(), 0)).unwrap();
            members
                .into_iter()
                .filter(|member| !touched(&json::unescape(text[member.key.clone()].as_bytes()).unwrap()))
                .map(|member| (text[member.key].to_owned(), text[member.value].to_owned()))
                .collect()
        };
        prop_assert_eq!(kept(&out), kept(&text));
    }
}
