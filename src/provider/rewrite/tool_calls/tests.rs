//! The one pass against objects read one by one.

use proptest::prelude::*;

use super::*;
use crate::protocol::object::ObjectView;

fn by_objects(text: &[u8]) -> Vec<(Option<Span>, Option<Span>)> {
    let call = |call: &ObjectView<'_>| {
        (call.span("id"), call.object("function").and_then(|function| function.span("name")))
    };
    ObjectView::parse_array_at(text, 0).iter().map(call).collect()
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "null",
            "1",
            "\"a\"",
            "\"\\\"\"",
            "{}",
            "[]",
            "{\"name\":\"f\"}",
            "{\"name\" \"f\"}",
            "[1 2]",
            "{,}",
        ][..],
    );
    leaf.prop_map(str::to_owned).prop_recursive(3, 20, 4, |inner| {
        let key = prop::sample::select(&["id", "function", "name", "i\\u0064", "type", "arguments"][..]);
        let member = (key, inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            3 => prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(", "))),
            1 => prop::collection::vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn calls_are_read_as_objects_are(elements in prop::collection::vec(value(), 0..4), end in "\\]|,|") {
        let text = format!("[{}{end}", elements.join(" ,"));
        let found = read_chat_calls(text.as_bytes(), 0).into_iter().map(|call| (call.id, call.name));
        prop_assert_eq!(found.collect::<Vec<_>>(), by_objects(text.as_bytes()), "{}", text);
    }
}
