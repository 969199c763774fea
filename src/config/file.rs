//! The raw tree: the content of the file, with the position of every value.
//!
//! JSON5 as jsonc-parser reads it, less `\u` escapes in bare keys. Commas may trail but not be missing.

use std::fmt;
use std::path::{Path, PathBuf};

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde_json::{Map, Number, Value as Json};

use super::keypath::{KeyPath, PathSegment};

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// `models.providers.kimi.baseUrl`, or `<root>`.
    pub path: String,
    /// What is wrong, with the value (never a secret) and the fix.
    pub message: String,
    /// From 1; 0 if the position is unknown.
    pub line: usize,
    /// In characters, from 1; 0 if the position is unknown.
    pub column: usize,
}

impl Issue {
    /// An error of the whole file.
    pub(super) fn at_root(message: String, (line, column): (usize, usize)) -> Self {
        Self { path: KeyPath::default().to_string(), message, line, column }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// All errors of an invalid configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// In the order of the file.
    pub issues: Vec<Issue>,
}

impl ConfigError {
    pub(super) fn from_unreadable_file(path: &Path, why: &str) -> Self {
        let message = format!("{} cannot be read: {why}", path.display());
        Self { path: Some(path.to_owned()), issues: vec![Issue::at_root(message, (0, 0))] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.issues.len();
        let noun = if count == 1 { "error" } else { "errors" };
        match &self.path {
            Some(path) => write!(f, "{}: {count} {noun}", path.display())?,
            None => write!(f, "the configuration has {count} {noun}")?,
        }
        self.issues.iter().try_for_each(|issue| write!(f, "\n  {issue}"))
    }
}

/// One value and its position.
#[derive(Debug)]
pub(crate) struct Node {
    /// Offset of its first byte in the text.
    pub(super) offset: usize,
    pub(crate) value: NodeValue,
}

#[derive(Debug)]
pub(crate) enum NodeValue {
    Null,
    Bool(bool),
    /// Hexadecimal numbers too.
    Number(Number),
    /// `NaN`, `Infinity`, or a number that JSON cannot represent, as written.
    InvalidNumber(String),
    Text(String),
    List(Vec<Node>),
    /// Keys may be duplicates.
    Object(Vec<ObjectMember>),
}

#[derive(Debug)]
pub(crate) struct ObjectMember {
    /// Unescaped.
    pub(super) key: String,
    /// Offset of the key.
    pub(super) offset: usize,
    pub(super) node: Node,
}

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: Node,
    text: String,
}

/// What of JSON5 is allowed.
pub(super) fn parse_options() -> jsonc_parser::ParseOptions {
    jsonc_parser::ParseOptions { allow_missing_commas: false, ..Default::default() }
}

/// The text without a byte order mark.
pub(crate) fn strip_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

impl Tree {
    /// Parses a file. The parser stops at the first error.
    pub(crate) fn parse(text: &str) -> Result<Self, Issue> {
        let text = strip_byte_order_mark(text);
        let parsed =
            jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &parse_options());
        let parsed = parsed.map_err(|error| {
            // The parser's own position counts a bare CR as a line, which editors and the positions of all
            // other errors do not.
            let message = format!("it is not JSON5: {}", lowercase_first(&error.kind().to_string()));
            Issue::at_root(message, position(text, error.range().start))
        })?;
        let root = parsed.value.map(convert_node).ok_or_else(|| {
            let message = "the file is empty: write {} for a configuration without settings";
            Issue::at_root(message.to_owned(), (1, 1))
        })?;
        Ok(Self { root, text: text.to_owned() })
    }

    /// Offset of the value at a path, or of the nearest one above it.
    pub(crate) fn find_offset(&self, path: &KeyPath) -> usize {
        let mut node = &self.root;
        for step in &path.0 {
            let next = match (step, &node.value) {
                (PathSegment::Key(key), value) => value.member(key).map(|member| &member.node),
                (PathSegment::Index(index), NodeValue::List(list)) => list.get(*index),
                _ => None,
            };
            let Some(next) = next else { break };
            node = next;
        }
        node.offset
    }

    /// Line and column of an offset, both from 1; the column counts characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        position(&self.text, offset)
    }
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn convert_node(value: ast::Value<'_>) -> Node {
    let offset = value.range().start;
    let value = match value {
        ast::Value::NullKeyword(_) => NodeValue::Null,
        ast::Value::BooleanLit(flag) => NodeValue::Bool(flag.value),
        ast::Value::StringLit(text) => NodeValue::Text(text.value.into_owned()),
        ast::Value::NumberLit(number) => parse_number(number.value)
            .map_or_else(|| NodeValue::InvalidNumber(number.value.to_owned()), NodeValue::Number),
        ast::Value::Array(list) => NodeValue::List(list.elements.into_iter().map(convert_node).collect()),
        ast::Value::Object(object) => {
            let member = |property: ast::ObjectProp<'_>| ObjectMember {
                offset: property.name.range().start,
                key: property.name.into_string(),
                node: convert_node(property.value),
            };
            NodeValue::Object(object.properties.into_iter().map(member).collect())
        }
    };
    Node { offset, value }
}

/// JSON5's numbers: a sign, hexadecimal, a bare decimal point.
fn parse_number(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let value = i64::from_str_radix(hex, 16).ok()?;
        return Some(Number::from(if negative { -value } else { value }));
    }
    let signed = |digits: &str| if negative { format!("-{digits}") } else { digits.to_owned() };
    if let Ok(whole) = signed(digits).parse::<i64>() {
        return Some(Number::from(whole));
    }
    signed(digits).parse::<f64>().ok().and_then(Number::from_f64)
}

impl NodeValue {
    /// What it is, for messages.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::InvalidNumber(_) => "no finite number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// A member of an object; of duplicates the last counts.
    fn member(&self, key: &str) -> Option<&ObjectMember> {
        let Self::Object(members) = self else { return None };
        members.iter().rfind(|member| member.key == key)
    }

    /// An invalid number becomes `null`.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Null | Self::InvalidNumber(_) => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Number(number) => Json::Number(number.clone()),
            Self::Text(text) => Json::String(text.clone()),
            Self::List(list) => list.iter().map(|node| node.value.to_json()).collect(),
            Self::Object(members) => {
                let mut object = Map::new();
                for member in members {
                    // Of duplicates the last counts, at its own place.
                    object.shift_remove(&member.key);
                    object.insert(member.key.clone(), member.node.value.to_json());
                }
                Json::Object(object)
            }
        }
    }
}

/// The whole number, not negative, that a number means: `1e6` is one.
pub(crate) fn to_whole_number(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        let is_whole = float.fract() == 0.0 && (0.0..=9e15).contains(&float);
        is_whole.then(|| format!("{float:.0}").parse().ok())?
    })
}

#[cfg(test)]
mod tests;
