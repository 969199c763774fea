//! Compares the tree with the table: unknown keys, wrong types, duplicates, all in one go.

use super::file::{Node, NodeValue, ObjectMember, Tree, to_whole_number};
use super::issue::Diagnostics;
use super::keypath::KeyPath;
use super::nearest::format_suggestion;
use super::schema::{ROOT, SchemaKey, ValueShape};

/// Top-level keys of an `openclaw.json`, by which such a file is known.
const OPENCLAW_KEYS: [&str; 12] = [
    "auth", "bindings", "browser", "channels", "commands", "cron", "hooks", "messages", "meta", "session",
    "skills", "wizard",
];

/// Reports everything in the tree that the table does not have.
pub fn check_tree(tree: &Tree, report: &mut Diagnostics<'_>) {
    check_value(&tree.root, &ROOT, &KeyPath::default(), report);
}

fn check_value(node: &Node, shape: &ValueShape, path: &KeyPath, report: &mut Diagnostics<'_>) {
    match (shape, &node.value) {
        (ValueShape::Anything, _) => check_any(node, path, report),
        (ValueShape::OrNull(_), NodeValue::Null)
        | (ValueShape::Flag, NodeValue::Bool(_))
        | (ValueShape::Secret, NodeValue::Text(_)) => {}
        (ValueShape::OrNull(inner), _) => check_value(node, inner, path, report),
        (ValueShape::TextOr(_), NodeValue::Text(_)) => check_value(node, &ValueShape::Text, path, report),
        (ValueShape::TextOr(inner), NodeValue::Object(_)) => check_value(node, inner, path, report),
        (ValueShape::Text, NodeValue::Text(text)) if text.trim().is_empty() => {
            report.add_error(path, node.offset, "it is empty: write a value, or leave the key out");
        }
        (ValueShape::Text, NodeValue::Text(_)) => {}
        (ValueShape::Choice(words), NodeValue::Text(text)) => check_choice(node, text, words, path, report),
        (ValueShape::Whole { min, max }, NodeValue::Number(number)) => {
            if !to_whole_number(number).is_some_and(|number| (*min..=*max).contains(&number)) {
                let message = format!("{number} is not a whole number from {min} to {max}");
                report.add_error(path, node.offset, message);
            }
        }
        (ValueShape::Amount, NodeValue::Number(number)) => {
            if number.as_f64().is_none_or(|amount| amount < 0.0) {
                report.add_error(path, node.offset, format!("{number} is negative"));
            }
        }
        (ValueShape::Secrets, NodeValue::List(list)) => {
            if list.is_empty() {
                report.add_error(path, node.offset, "the list is empty: write a key, or leave `apiKey` out");
            }
            check_elements(list, &ValueShape::Secret, path, report);
        }
        (ValueShape::Secrets, _) => check_value(node, &ValueShape::Secret, path, report),
        (ValueShape::Secret, NodeValue::Object(members)) => {
            check_secret_reference(node, members, path, report)
        }
        (ValueShape::Object(keys), NodeValue::Object(members)) => {
            check_object(node, members, keys, path, report)
        }
        (ValueShape::Map { keys, values }, NodeValue::Object(members)) => {
            check_map(members, keys, values, path, report)
        }
        (ValueShape::Variables, NodeValue::Object(members)) => check_variables(members, true, path, report),
        (ValueShape::List(items), NodeValue::List(list)) => check_elements(list, items, path, report),
        _ => report.add_error(path, node.offset, wrong_type_message(node, shape)),
    }
}

fn wrong_type_message(node: &Node, shape: &ValueShape) -> String {
    let expected = describe_shape(shape);
    let shown = match &node.value {
        _ if shape.is_secret() => node.value.type_name().to_owned(),
        NodeValue::Text(text) if !is_container(shape) && is_safe_to_show(text) => format!("\"{text}\""),
        NodeValue::Number(number) => number.to_string(),
        NodeValue::InvalidNumber(text) => text.clone(),
        NodeValue::Bool(flag) => flag.to_string(),
        other => other.type_name().to_owned(),
    };
    let quoted = matches!(
        (&node.value, shape),
        (NodeValue::Text(_), ValueShape::Flag | ValueShape::Whole { .. } | ValueShape::Amount)
    );
    let hint = if quoted { " (without the quotes?)" } else { "" };
    format!("expected {expected}, found {shown}{hint}")
}

/// Users write the content of an object, keys too, in place of the object.
const fn is_container(shape: &ValueShape) -> bool {
    matches!(
        shape,
        ValueShape::Object(_) | ValueShape::Map { .. } | ValueShape::Variables | ValueShape::List(_)
    )
}

/// Whether a wrong text may be shown: one that is too short to be a key, and looks like a word.
fn is_safe_to_show(text: &str) -> bool {
    const LONGEST: usize = 16;
    text.len() <= LONGEST
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/: ".contains(&byte))
        && !text.starts_with("sk-")
}

fn describe_shape(shape: &ValueShape) -> String {
    match shape {
        ValueShape::Anything => "a value".to_owned(),
        ValueShape::Flag => "true or false".to_owned(),
        ValueShape::Text => "a string".to_owned(),
        ValueShape::Secret => "a string or { source, id }".to_owned(),
        ValueShape::Secrets => "a string, { source, id } or a list of them".to_owned(),
        ValueShape::Whole { min, max } => format!("a whole number from {min} to {max}"),
        ValueShape::Amount => "a number that is not negative".to_owned(),
        ValueShape::Choice(words) => format!("one of {}", words.join(", ")),
        ValueShape::Object(_) | ValueShape::Map { .. } | ValueShape::Variables => "an object".to_owned(),
        ValueShape::List(_) => "a list".to_owned(),
        ValueShape::TextOr(other) => format!("a string or {}", describe_shape(other)),
        ValueShape::OrNull(other) => format!("{} or null", describe_shape(other)),
    }
}

fn check_choice(node: &Node, text: &str, words: &[&str], path: &KeyPath, report: &mut Diagnostics<'_>) {
    if !words.contains(&text) {
        let hint = format_suggestion(text, words.iter().copied());
        let shown = if is_safe_to_show(text) { format!("\"{text}\"") } else { "this text".to_owned() };
        let message = format!("{shown} is not one of {}{hint}", words.join(", "));
        report.add_error(path, node.offset, message);
    }
}

fn check_object(
    node: &Node,
    members: &[ObjectMember],
    keys: &[SchemaKey],
    path: &KeyPath,
    report: &mut Diagnostics<'_>,
) {
    report_duplicates(members, path, report);
    for member in members {
        let path = path.join_key(&member.key);
        match keys.iter().find(|key| key.name == member.key) {
            Some(key) => check_value(&member.node, key.shape, &path, report),
            None => report.add_error(
                &path,
                member.offset,
                unknown_key_message(&member.key, keys, path.0.len() == 1),
            ),
        }
    }
    for key in keys.iter().filter(|key| key.is_required) {
        if !members.iter().any(|member| member.key == key.name) {
            report.add_error(path, node.offset, format!("`{}` is missing", key.name));
        }
    }
}

fn unknown_key_message(name: &str, keys: &[SchemaKey], is_top: bool) -> String {
    let hint = format_suggestion(name, keys.iter().map(|key| key.name));
    if !hint.is_empty() {
        return format!("unknown key{hint}");
    }
    if is_top && OPENCLAW_KEYS.contains(&name) {
        return "unknown key: it belongs to OpenClaw; `moonrelay config import` takes an openclaw.json"
            .to_owned();
    }
    let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
    format!("unknown key; known here: {}", known.join(", "))
}

fn check_map(
    members: &[ObjectMember],
    keys: &str,
    values: &ValueShape,
    path: &KeyPath,
    report: &mut Diagnostics<'_>,
) {
    report_duplicates(members, path, report);
    for member in members {
        let path = path.join_key(&member.key);
        if member.key.trim().is_empty() {
            report.add_error(&path, member.offset, format!("an empty {keys}"));
        }
        check_value(&member.node, values, &path, report);
    }
}

/// `env`: strings, and in `vars` more of them.
fn check_variables(members: &[ObjectMember], is_outer: bool, path: &KeyPath, report: &mut Diagnostics<'_>) {
    report_duplicates(members, path, report);
    for member in members {
        let path = path.join_key(&member.key);
        match &member.node.value {
            NodeValue::Text(_) => {}
            NodeValue::Object(inner) if is_outer && member.key == "vars" => {
                check_variables(inner, false, &path, report)
            }
            other => report.add_error(
                &path,
                member.node.offset,
                format!("expected a string, found {}", other.type_name()),
            ),
        }
    }
}

fn check_elements(list: &[Node], items: &ValueShape, path: &KeyPath, report: &mut Diagnostics<'_>) {
    for (index, node) in list.iter().enumerate() {
        check_value(node, items, &path.join_index(index), report);
    }
}

fn check_secret_reference(
    node: &Node,
    members: &[ObjectMember],
    path: &KeyPath,
    report: &mut Diagnostics<'_>,
) {
    const SOURCES: &[&str] = &["env", "file", "credential"];
    static KEYS: [SchemaKey; 2] = [
        SchemaKey { name: "source", about: "Where.", shape: &ValueShape::Choice(SOURCES), is_required: true },
        SchemaKey { name: "id", about: "Its name or path.", shape: &ValueShape::Text, is_required: true },
    ];
    check_object(node, members, &KEYS, path, report);
}

/// Params are free, but no key may stand in them twice, and numbers must be numbers.
fn check_any(node: &Node, path: &KeyPath, report: &mut Diagnostics<'_>) {
    match &node.value {
        NodeValue::InvalidNumber(text) => {
            report.add_error(path, node.offset, format!("{text} is no number that JSON can hold"))
        }
        NodeValue::List(list) => check_elements(list, &ValueShape::Anything, path, report),
        NodeValue::Object(members) => check_map(members, "key", &ValueShape::Anything, path, report),
        _ => {}
    }
}

fn report_duplicates(members: &[ObjectMember], path: &KeyPath, report: &mut Diagnostics<'_>) {
    for (at, member) in members.iter().enumerate() {
        if members.iter().take(at).any(|earlier| earlier.key == member.key) {
            report.add_error(
                &path.join_key(&member.key),
                member.offset,
                "the key stands here twice: remove one",
            );
        }
    }
}
