//! The raw tree: the content of the file, with the position of every value.
//!
//! JSON5 as jsonc-parser reads it, less `\u` escapes in bare keys. Commas may trail but not be missing.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde_json::Number;

use super::issue::Issue;
use super::keypath::KeyPath;

/// One value and its position.
#[derive(Clone, Debug)]
pub struct Node {
    /// Offset of its first byte in the text.
    pub offset: usize,
    /// The value.
    pub value: NodeValue,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum NodeValue {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; hexadecimal ones too.
    Number(Number),
    /// `NaN`, `Infinity`, or a number beyond reach, as written.
    InvalidNumber(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object; a key may stand in it twice.
    Object(Vec<ObjectMember>),
}

/// One member of an object.
#[derive(Clone, Debug)]
pub struct ObjectMember {
    /// The key, unescaped.
    pub key: String,
    /// Offset of the key.
    pub offset: usize,
    /// The value.
    pub node: Node,
}

/// A parsed file.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The outermost value.
    pub root: Node,
    text: String,
}

/// What of JSON5 is allowed.
#[must_use]
pub fn parse_options() -> jsonc_parser::ParseOptions {
    jsonc_parser::ParseOptions { allow_missing_commas: false, ..Default::default() }
}

/// The text without a byte order mark.
#[must_use]
pub fn strip_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

impl Tree {
    /// Parses a file.
    ///
    /// # Errors
    /// Where it stops being JSON5; the parser does not go on after that.
    pub fn parse(text: &str) -> Result<Self, Issue> {
        let text = strip_byte_order_mark(text);
        let parsed =
            jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &parse_options());
        let parsed = parsed.map_err(|error| {
            // The parser's own position counts a bare CR as a line, which editors and the positions of all
            // other errors do not.
            let (line, column) = position(text, error.range().start);
            let message = format!("it is not JSON5: {}", lowercase_first(&error.kind().to_string()));
            Issue { path: KeyPath::default().to_string(), message, line, column }
        })?;
        let Some(value) = parsed.value else {
            return Err(Issue {
                path: KeyPath::default().to_string(),
                message: "the file is empty: write {} for a configuration without settings".to_owned(),
                line: 1,
                column: 1,
            });
        };
        Ok(Self { root: convert_node(value), text: text.to_owned() })
    }

    /// Line and column of an offset, both from 1; the column counts characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        position(&self.text, offset)
    }
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
    (line, column)
}

fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn convert_node(value: ast::Value<'_>) -> Node {
    let at = value.range().start;
    let value = match value {
        ast::Value::NullKeyword(_) => NodeValue::Null,
        ast::Value::BooleanLit(flag) => NodeValue::Bool(flag.value),
        ast::Value::StringLit(text) => NodeValue::Text(text.value.into_owned()),
        ast::Value::NumberLit(number) => parse_number(number.value)
            .map_or_else(|| NodeValue::InvalidNumber(number.value.to_owned()), NodeValue::Number),
        ast::Value::Array(list) => NodeValue::List(list.elements.into_iter().map(convert_node).collect()),
        ast::Value::Object(object) => {
            NodeValue::Object(object.properties.into_iter().map(convert_member).collect())
        }
    };
    Node { offset: at, value }
}

fn convert_member(property: ast::ObjectProp<'_>) -> ObjectMember {
    ObjectMember {
        offset: property.name.range().start,
        key: property.name.into_string(),
        node: convert_node(property.value),
    }
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
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
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

    /// The members in the order of the file, only the last of duplicates; none when the value is not an object.
    pub fn members(&self) -> impl Iterator<Item = &ObjectMember> {
        let members: &[ObjectMember] = match self {
            Self::Object(members) => members,
            _ => &[],
        };
        let is_last = |(at, member): &(usize, &ObjectMember)| {
            !members.iter().skip(at + 1).any(|later| later.key == member.key)
        };
        members.iter().enumerate().filter(is_last).map(|(_, member)| member).collect::<Vec<_>>().into_iter()
    }

    /// As a serde value; a value that is not a number becomes `null`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null | Self::InvalidNumber(_) => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Number(number) => Json::Number(number.clone()),
            Self::Text(text) => Json::String(text.clone()),
            Self::List(list) => Json::Array(list.iter().map(|node| node.value.to_json()).collect()),
            Self::Object(_) => {
                Json::Object(self.members().map(|m| (m.key.clone(), m.node.value.to_json())).collect())
            }
        }
    }
}

/// A value, its position and its path.
#[derive(Clone, Debug)]
pub struct Cursor<'t> {
    /// From the root.
    pub path: KeyPath,
    /// The value.
    pub node: &'t Node,
}

impl<'t> Cursor<'t> {
    /// The root of a tree.
    #[must_use]
    pub fn root(tree: &'t Tree) -> Self {
        Self { path: KeyPath::default(), node: &tree.root }
    }

    /// The member with this key; of duplicates the last.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Self> {
        let member = self.node.value.members().find(|member| member.key == key)?;
        Some(Self { path: self.path.join_key(key), node: &member.node })
    }

    /// Follows several keys with [`Self::get`].
    #[must_use]
    pub fn get_path(&self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self.clone(), |at, key| at.get(key))
    }

    /// Every member with its key.
    pub fn members(&self) -> Vec<(&'t str, Self)> {
        let node: &'t Node = self.node;
        let at =
            |member: &'t ObjectMember| Self { path: self.path.join_key(&member.key), node: &member.node };
        node.value.members().map(|member| (member.key.as_str(), at(member))).collect()
    }

    /// Every element of a list.
    pub fn elements(&self) -> Vec<Self> {
        let NodeValue::List(list) = &self.node.value else { return Vec::new() };
        list.iter().enumerate().map(|(i, node)| Self { path: self.path.join_index(i), node }).collect()
    }

    /// A string.
    #[must_use]
    pub fn as_str(&self) -> Option<&'t str> {
        match &self.node.value {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A boolean.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self.node.value {
            NodeValue::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match &self.node.value {
            NodeValue::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// A whole number that is not negative; `1e6` is one.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match &self.node.value {
            NodeValue::Number(number) => to_whole_number(number),
            _ => None,
        }
    }
}

/// A number as a whole one, where it is.
#[must_use]
pub fn to_whole_number(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        let is_whole = float.fract() == 0.0 && (0.0..=9e15).contains(&float);
        is_whole.then(|| format!("{float:.0}").parse().ok())?
    })
}

#[cfg(test)]
mod tests;
