//! Tools.

use std::borrow::Cow;

use super::super::node::StringLiteral;
use super::super::tool_call_ids;

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolDefinition<'t> {
    /// Its name, as it is sent.
    pub name: StringLiteral<'t>,
    /// What it is for.
    pub description: Option<StringLiteral<'t>>,
    /// JSON Schema of its arguments: the client's bytes.
    pub schema: Option<&'t [u8]>,
    /// Whether the arguments must keep to it.
    pub is_strict: Option<bool>,
    /// Namespace and name, where it has one.
    pub namespace: Option<(Cow<'t, str>, Cow<'t, str>)>,
}

/// The schema of a tool without arguments, for faces that demand one.
pub(in crate::protocol::translate) const EMPTY_SCHEMA: &[u8] = br#"{"type":"object","properties":{}}"#;

/// Which tool shall be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice<'t> {
    /// As the model thinks fit.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(StringLiteral<'t>),
}

/// What every provider here takes at most (Moonshot's and OpenAI's API references, 2026-09).
const MAX_NAME_CHARS: usize = 64;

/// The one name for a tool of a namespace. Depends on nothing else, so calls in the history match.
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
