//! Compares the tree with the schema: unknown keys, wrong types, duplicates. Reports all of them at once, and
//! deserializes what is valid.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::file::{Issue, Node, NodeValue, ObjectMember, Tree, to_whole_number};
use super::keypath::KeyPath;
use super::keys::ConfigFile;
use super::nearest::format_suggestion;
use super::schema::{self, SchemaNode};
use super::settings::{Warning, WarningKind};

/// Top-level keys by which an `openclaw.json` is recognised.
const OPENCLAW_KEYS: [&str; 12] = [
    "auth", "bindings", "browser", "channels", "commands", "cron", "hooks", "messages", "meta", "session",
    "skills", "wizard",
];

/// Errors and warnings of one configuration.
#[derive(Debug)]
pub(super) struct Diagnostics {
    tree: Arc<Tree>,
    pub(super) issues: Vec<Issue>,
    /// In the order in which they were found.
    pub(super) warnings: Vec<Warning>,
}

impl Diagnostics {
    /// An error at this offset of the text.
    fn add_error_at(&mut self, path: &KeyPath, offset: usize, message: impl Into<String>) {
        let (line, column) = self.tree.position(offset);
        self.issues.push(Issue { path: path.to_string(), message: message.into(), line, column });
    }

    /// An error at the value of a path.
    pub(super) fn add_error(&mut self, path: &KeyPath, message: impl Into<String>) {
        self.add_error_at(path, self.tree.find_offset(path), message);
    }

    /// Whether there is an error at a path or below it.
    pub(super) fn has_error_below(&self, path: &KeyPath) -> bool {
        let start = path.to_string();
        self.issues.iter().any(|issue| issue.path.starts_with(&start))
    }

    /// A warning about a key path or a file. The same warning is kept once.
    pub(super) fn add_warning(&mut self, path: String, kind: WarningKind) {
        let warning = Warning::new(path, kind);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Like [`Diagnostics::add_warning`], but the same kind is not repeated for another path.
    pub(super) fn add_warning_once(&mut self, path: &KeyPath, kind: WarningKind) {
        if !self.warnings.iter().any(|known| known.kind == kind) {
            self.add_warning(path.to_string(), kind);
        }
    }
}

/// Reports everything in the tree that the schema does not allow, and returns the rest.
pub(super) fn read_tree(tree: Tree) -> (ConfigFile, Diagnostics) {
    let tree = Arc::new(tree);
    let mut report = Diagnostics { tree: Arc::clone(&tree), issues: Vec::new(), warnings: Vec::new() };
    let root = KeyPath::default();
    let valid = check_value(&tree.root, schema::root(), &root, &mut report);
    let file = valid.map_or_else(|| Ok(ConfigFile::default()), serde_json::from_value);
    let file = file.unwrap_or_else(|error| {
        report.add_error(&root, format!("cannot read the configuration: {error}"));
        ConfigFile::default()
    });
    (file, report)
}

/// The valid part of a value; `None` if there is none.
fn check_value(node: &Node, schema: SchemaNode, path: &KeyPath, report: &mut Diagnostics) -> Option<Value> {
    let Some(branch) = schema.branches().find(|branch| has_type_of(*branch, &node.value)) else {
        report.add_error_at(path, node.offset, wrong_type_message(node, schema));
        return None;
    };
    let checked = match &node.value {
        NodeValue::Text(text) => check_text(text, branch),
        NodeValue::Number(number) if !branch.accepts_anything() => check_number(number, branch),
        NodeValue::List(list) if list.is_empty() && branch.limit("minItems").is_some() => {
            Err("the list is empty: add an element, or leave the key out".to_owned())
        }
        NodeValue::List(list) => Ok(check_elements(list, branch, path, report)),
        NodeValue::Object(members) => {
            let object = check_object(node, members, branch, path, report);
            let is_complete = branch.required().all(|key| object.contains_key(key));
            return (is_complete || !schema.is_secret()).then_some(Value::Object(object));
        }
        scalar => Ok(scalar.to_json()),
    };
    checked.map_err(|message| report.add_error_at(path, node.offset, message)).ok()
}

fn has_type_of(schema: SchemaNode, value: &NodeValue) -> bool {
    match value {
        NodeValue::Null => schema.has_type("null"),
        NodeValue::Bool(_) => schema.has_type("boolean"),
        NodeValue::Number(_) => schema.has_type("integer") || schema.has_type("number"),
        NodeValue::InvalidNumber(_) => false,
        NodeValue::Text(_) => schema.has_type("string"),
        NodeValue::List(_) => schema.has_type("array"),
        NodeValue::Object(_) => schema.has_type("object"),
    }
}

fn check_text(text: &str, schema: SchemaNode) -> Result<Value, String> {
    if let Some(words) = schema.choices().filter(|words| !words.contains(&text)) {
        let hint = format_suggestion(text, words.iter().copied());
        let shown = if is_safe_to_show(text) { format!("\"{text}\"") } else { "this text".to_owned() };
        return Err(format!("{shown} is not one of {}{hint}", words.join(", ")));
    }
    if text.trim().is_empty() && schema.limit("minLength").is_some() {
        return Err("it is empty: write a value, or leave the key out".to_owned());
    }
    Ok(Value::from(text))
}

fn check_number(number: &serde_json::Number, schema: SchemaNode) -> Result<Value, String> {
    if !schema.has_type("integer") {
        let is_negative = number.as_f64().is_none_or(|amount| amount < 0.0);
        return if is_negative { Err(format!("{number} is negative")) } else { Ok(number.clone().into()) };
    }
    let (min, max) = whole_number_range(schema);
    let whole = to_whole_number(number).filter(|whole| (min..=max).contains(whole));
    whole.map(Value::from).ok_or_else(|| format!("{number} is not a whole number from {min} to {max}"))
}

fn whole_number_range(schema: SchemaNode) -> (u64, u64) {
    (schema.limit("minimum").unwrap_or(0), schema.limit("maximum").unwrap_or(u64::MAX))
}

/// An invalid element becomes `null`, so that the others keep their indexes.
fn check_elements(list: &[Node], schema: SchemaNode, path: &KeyPath, report: &mut Diagnostics) -> Value {
    let Some(items) = schema.items() else { return Value::Array(Vec::new()) };
    let nodes = list.iter().enumerate();
    nodes
        .map(|(at, node)| check_value(node, items, &path.join_index(at), report).unwrap_or_default())
        .collect()
}

fn check_object(
    node: &Node,
    members: &[ObjectMember],
    schema: SchemaNode,
    path: &KeyPath,
    report: &mut Diagnostics,
) -> Map<String, Value> {
    report_duplicates(members, path, report);
    let mut object = Map::new();
    for member in members {
        let path = path.join_key(&member.key);
        let Some(schema) = schema.member(&member.key) else {
            let message = unknown_key_message(&member.key, schema, path.0.len() == 1);
            report.add_error_at(&path, member.offset, message);
            continue;
        };
        if let Some(value) = check_value(&member.node, schema, &path, report) {
            object.insert(member.key.clone(), value);
        }
    }
    for key in schema.required().filter(|key| !members.iter().any(|member| member.key == **key)) {
        report.add_error_at(path, node.offset, format!("`{key}` is missing"));
    }
    object
}

fn report_duplicates(members: &[ObjectMember], path: &KeyPath, report: &mut Diagnostics) {
    for (at, member) in members.iter().enumerate() {
        let path = path.join_key(&member.key);
        if member.key.trim().is_empty() {
            report.add_error_at(&path, member.offset, "the key is empty");
        }
        if members.iter().take(at).any(|earlier| earlier.key == member.key) {
            report.add_error_at(&path, member.offset, "duplicate key: remove one");
        }
    }
}

fn unknown_key_message(name: &str, schema: SchemaNode, is_top: bool) -> String {
    let known: Vec<&str> = schema.keys().collect();
    let hint = format_suggestion(name, known.iter().copied());
    if !hint.is_empty() {
        return format!("unknown key{hint}");
    }
    if is_top && OPENCLAW_KEYS.contains(&name) {
        return "unknown key: it belongs to OpenClaw. Import an openclaw.json with `moonrelay config import`."
            .to_owned();
    }
    format!("unknown key; known here: {}", known.join(", "))
}

fn wrong_type_message(node: &Node, schema: SchemaNode) -> String {
    if let (NodeValue::InvalidNumber(text), true) = (&node.value, schema.accepts_anything()) {
        return format!("{text} is not a number that JSON can represent");
    }
    let is_container = schema.branches().all(|branch| branch.has_type("object") || branch.has_type("array"));
    let shown = match &node.value {
        // Users write the content of an object, keys too, instead of the object.
        _ if schema.is_secret() || is_container => node.value.type_name().to_owned(),
        NodeValue::Text(text) if is_safe_to_show(text) => format!("\"{text}\""),
        NodeValue::Number(number) => number.to_string(),
        NodeValue::InvalidNumber(text) => text.clone(),
        NodeValue::Bool(flag) => flag.to_string(),
        other => other.type_name().to_owned(),
    };
    let is_quoted = matches!(node.value, NodeValue::Text(_)) && !is_container;
    let hint = if is_quoted { " (without the quotes?)" } else { "" };
    format!("expected {}, found {shown}{hint}", describe(schema))
}

/// Whether a wrong text may be shown: it looks like a word, and is too short to be a key.
fn is_safe_to_show(text: &str) -> bool {
    const MAX_LENGTH: usize = 16;
    text.len() <= MAX_LENGTH
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/: ".contains(&byte))
        && !text.starts_with("sk-")
}

/// What a schema accepts, for messages.
fn describe(schema: SchemaNode) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for branch in schema.branches() {
        let kind = match branch {
            choice if choice.choices().is_some() => {
                format!("one of {}", choice.choices().unwrap_or_default().join(", "))
            }
            flag if flag.has_type("boolean") => "true or false".to_owned(),
            whole if whole.has_type("integer") => {
                let (min, max) = whole_number_range(whole);
                format!("a whole number from {min} to {max}")
            }
            number if number.has_type("number") => "a number that is not negative".to_owned(),
            text if text.has_type("string") => "a string".to_owned(),
            list if list.has_type("array") && kinds.is_empty() => "a list".to_owned(),
            list if list.has_type("array") => "a list of them".to_owned(),
            _ if schema.is_secret() => "{ source, id }".to_owned(),
            _ => "an object".to_owned(),
        };
        kinds.push(kind);
        if branch.has_type("null") {
            kinds.push("null".to_owned());
        }
    }
    match kinds.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => kinds.concat(),
    }
}
