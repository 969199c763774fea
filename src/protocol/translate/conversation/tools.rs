//! Tools.

use std::borrow::Cow;

use super::super::node::StringLiteral;
use super::super::tool_call_ids;

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolDefinition<'t> {
    /// Its name, as it is sent.
    pub name: StringLiteral<'t>,
    /// The description.
    pub description: Option<StringLiteral<'t>>,
    /// JSON Schema of its arguments: the client's bytes.
    pub schema: Option<&'t [u8]>,
    /// Whether the arguments must match the schema.
    pub is_strict: Option<bool>,
    /// Namespace and name, where it has one.
    pub namespace: Option<(Cow<'t, str>, Cow<'t, str>)>,
}

/// The schema of a tool without arguments, for formats that require one.
pub(in crate::protocol::translate) const EMPTY_SCHEMA: &[u8] = br#"{"type":"object","properties":{}}"#;

/// The tool choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice<'t> {
    /// As the model thinks fit.
    Auto,
    /// No tool.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(StringLiteral<'t>),
}

/// The longest name that every supported provider accepts (Moonshot's and OpenAI's API references, 2026-09).
const MAX_NAME_CHARS: usize = 64;

/// The flat name of a tool in a namespace. It depends on nothing else, so calls in the history match.
#[must_use]
pub fn flatten_name(namespace: &str, name: &str) -> String {
    let joint = if namespace.is_empty() || namespace.ends_with("__") { "" } else { "__" };
    let flat = format!("{namespace}{joint}{name}");
    if flat.chars().count() <= MAX_NAME_CHARS {
        return flat;
    }
    let digest = tool_call_ids::compute_digest(&flat);
    let stem: String = flat.chars().take(MAX_NAME_CHARS - 9).collect();
    format!("{stem}_{}", digest.get(..8).unwrap_or_default())
}
