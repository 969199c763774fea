//! Compares the tree with the table: unknown keys, wrong types, duplicates, all in one go.

use super::file::{Member, Node, Tree, Value, whole};
use super::issue::Report;
use super::keypath::KeyPath;
use super::nearest::did_you_mean;
use super::schema::{Key, ROOT, Shape};

/// Top-level keys of an `openclaw.json`, by which such a file is known.
const OPENCLAW: [&str; 12] = [
    "auth", "bindings", "browser", "channels", "commands", "cron", "hooks", "messages", "meta", "session",
    "skills", "wizard",
];

/// Reports everything in the tree that the table does not have.
pub fn check(tree: &Tree, report: &mut Report<'_>) {
    value(&tree.root, &ROOT, &KeyPath::default(), report);
}

fn value(node: &Node, shape: &Shape, path: &KeyPath, report: &mut Report<'_>) {
    match (shape, &node.value) {
        (Shape::Anything, _) => anything(node, path, report),
        (Shape::OrNull(_), Value::Null) | (Shape::Flag, Value::Flag(_)) | (Shape::Secret, Value::Text(_)) => {
        }
        (Shape::OrNull(inner), _) => value(node, inner, path, report),
        (Shape::TextOr(_), Value::Text(_)) => value(node, &Shape::Text, path, report),
        (Shape::TextOr(inner), Value::Object(_)) => value(node, inner, path, report),
        (Shape::Text, Value::Text(text)) if text.trim().is_empty() => {
            report.wrong(path, node.at, "it is empty: write a value, or leave the key out");
        }
        (Shape::Text, Value::Text(_)) => {}
        (Shape::Choice(words), Value::Text(text)) => choice(node, text, words, path, report),
        (Shape::Whole { min, max }, Value::Number(number)) => {
            if !whole(number).is_some_and(|number| (*min..=*max).contains(&number)) {
                let message = format!("{number} is not a whole number from {min} to {max}");
                report.wrong(path, node.at, message);
            }
        }
        (Shape::Amount, Value::Number(number)) => {
            if number.as_f64().is_none_or(|amount| amount < 0.0) {
                report.wrong(path, node.at, format!("{number} is negative"));
            }
        }
        (Shape::Secrets, Value::List(list)) => {
            if list.is_empty() {
                report.wrong(path, node.at, "the list is empty: write a key, or leave `apiKey` out");
            }
            elements(list, &Shape::Secret, path, report);
        }
        (Shape::Secrets, _) => value(node, &Shape::Secret, path, report),
        (Shape::Secret, Value::Object(members)) => secret_reference(node, members, path, report),
        (Shape::Object(keys), Value::Object(members)) => object(node, members, keys, path, report),
        (Shape::Map { keys, values }, Value::Object(members)) => map(members, keys, values, path, report),
        (Shape::Variables, Value::Object(members)) => variables(members, true, path, report),
        (Shape::List(items), Value::List(list)) => elements(list, items, path, report),
        _ => report.wrong(path, node.at, wrong_type(node, shape)),
    }
}

fn wrong_type(node: &Node, shape: &Shape) -> String {
    let expected = expected(shape);
    let shown = match &node.value {
        _ if shape.is_secret() => node.value.kind().to_owned(),
        Value::Text(text) if !is_container(shape) && is_word(text) => format!("\"{text}\""),
        Value::Number(number) => number.to_string(),
        Value::NoNumber(text) => text.clone(),
        Value::Flag(flag) => flag.to_string(),
        other => other.kind().to_owned(),
    };
    let quoted =
        matches!((&node.value, shape), (Value::Text(_), Shape::Flag | Shape::Whole { .. } | Shape::Amount));
    let hint = if quoted { " (without the quotes?)" } else { "" };
    format!("expected {expected}, found {shown}{hint}")
}

/// In the place of an object people write what belongs into it, keys too.
const fn is_container(shape: &Shape) -> bool {
    matches!(shape, Shape::Object(_) | Shape::Map { .. } | Shape::Variables | Shape::List(_))
}

/// Whether a wrong text may be shown: one that is too short to be a key, and looks like a word.
fn is_word(text: &str) -> bool {
    const LONGEST: usize = 16;
    text.len() <= LONGEST
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/: ".contains(&byte))
        && !text.starts_with("sk-")
}

fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Anything => "a value".to_owned(),
        Shape::Flag => "true or false".to_owned(),
        Shape::Text => "a string".to_owned(),
        Shape::Secret => "a string or { source, id }".to_owned(),
        Shape::Secrets => "a string, { source, id } or a list of them".to_owned(),
        Shape::Whole { min, max } => format!("a whole number from {min} to {max}"),
        Shape::Amount => "a number that is not negative".to_owned(),
        Shape::Choice(words) => format!("one of {}", words.join(", ")),
        Shape::Object(_) | Shape::Map { .. } | Shape::Variables => "an object".to_owned(),
        Shape::List(_) => "a list".to_owned(),
        Shape::TextOr(other) => format!("a string or {}", expected(other)),
        Shape::OrNull(other) => format!("{} or null", expected(other)),
    }
}

fn choice(node: &Node, text: &str, words: &[&str], path: &KeyPath, report: &mut Report<'_>) {
    if !words.contains(&text) {
        let hint = did_you_mean(text, words.iter().copied());
        let shown = if is_word(text) { format!("\"{text}\"") } else { "this text".to_owned() };
        let message = format!("{shown} is not one of {}{hint}", words.join(", "));
        report.wrong(path, node.at, message);
    }
}

fn object(node: &Node, members: &[Member], keys: &[Key], path: &KeyPath, report: &mut Report<'_>) {
    duplicates(members, path, report);
    for member in members {
        let path = path.key(&member.key);
        match keys.iter().find(|key| key.name == member.key) {
            Some(key) => value(&member.node, key.shape, &path, report),
            None => report.wrong(&path, member.at, unknown(&member.key, keys, path.0.len() == 1)),
        }
    }
    for key in keys.iter().filter(|key| key.required) {
        if !members.iter().any(|member| member.key == key.name) {
            report.wrong(path, node.at, format!("`{}` is missing", key.name));
        }
    }
}

fn unknown(name: &str, keys: &[Key], is_top: bool) -> String {
    let hint = did_you_mean(name, keys.iter().map(|key| key.name));
    if !hint.is_empty() {
        return format!("unknown key{hint}");
    }
    if is_top && OPENCLAW.contains(&name) {
        return "unknown key: it belongs to OpenClaw; `moonrelay config import` takes an openclaw.json"
            .to_owned();
    }
    let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
    format!("unknown key; known here: {}", known.join(", "))
}

fn map(members: &[Member], keys: &str, values: &Shape, path: &KeyPath, report: &mut Report<'_>) {
    duplicates(members, path, report);
    for member in members {
        let path = path.key(&member.key);
        if member.key.trim().is_empty() {
            report.wrong(&path, member.at, format!("an empty {keys}"));
        }
        value(&member.node, values, &path, report);
    }
}

/// `env`: strings, and in `vars` more of them.
fn variables(members: &[Member], is_outer: bool, path: &KeyPath, report: &mut Report<'_>) {
    duplicates(members, path, report);
    for member in members {
        let path = path.key(&member.key);
        match &member.node.value {
            Value::Text(_) => {}
            Value::Object(inner) if is_outer && member.key == "vars" => {
                variables(inner, false, &path, report)
            }
            other => {
                report.wrong(&path, member.node.at, format!("expected a string, found {}", other.kind()))
            }
        }
    }
}

fn elements(list: &[Node], items: &Shape, path: &KeyPath, report: &mut Report<'_>) {
    for (index, node) in list.iter().enumerate() {
        value(node, items, &path.index(index), report);
    }
}

fn secret_reference(node: &Node, members: &[Member], path: &KeyPath, report: &mut Report<'_>) {
    const SOURCES: &[&str] = &["env", "file", "credential"];
    static KEYS: [Key; 2] = [
        Key { name: "source", about: "Where.", shape: &Shape::Choice(SOURCES), required: true },
        Key { name: "id", about: "Its name or path.", shape: &Shape::Text, required: true },
    ];
    object(node, members, &KEYS, path, report);
}

/// Params are free, but no key may stand in them twice, and numbers must be numbers.
fn anything(node: &Node, path: &KeyPath, report: &mut Report<'_>) {
    match &node.value {
        Value::NoNumber(text) => {
            report.wrong(path, node.at, format!("{text} is no number that JSON can hold"))
        }
        Value::List(list) => elements(list, &Shape::Anything, path, report),
        Value::Object(members) => map(members, "key", &Shape::Anything, path, report),
        _ => {}
    }
}

fn duplicates(members: &[Member], path: &KeyPath, report: &mut Report<'_>) {
    for (at, member) in members.iter().enumerate() {
        if members.iter().take(at).any(|earlier| earlier.key == member.key) {
            report.wrong(&path.key(&member.key), member.at, "the key stands here twice: remove one");
        }
    }
}
