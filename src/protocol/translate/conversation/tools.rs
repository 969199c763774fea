//! Tools.

use std::borrow::Cow;

use super::super::ids;
use super::super::node::Literal;

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool<'t> {
    /// Its name, as it is sent.
    pub name: Literal<'t>,
    /// What it is for.
    pub description: Option<Literal<'t>>,
    /// JSON Schema of its arguments: the client's bytes.
    pub schema: Option<&'t [u8]>,
    /// Whether the arguments must keep to it.
    pub strict: Option<bool>,
    /// Namespace and name, where it has one.
    pub namespace: Option<(Cow<'t, str>, Cow<'t, str>)>,
}

/// The schema of a tool without arguments, for faces that demand one.
pub(in crate::protocol::translate) const NO_ARGUMENTS: &[u8] = br#"{"type":"object","properties":{}}"#;

/// Which tool shall be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<'t> {
    /// As the model thinks fit.
    Auto,
    /// None.
    None,
    /// At least one.
    Any,
    /// This one.
    Tool(Literal<'t>),
}

/// What every provider here takes at most (Moonshot's and OpenAI's API references, 2026-09).
const LONGEST: usize = 64;

/// The one name for a tool of a namespace. Depends on nothing else, so calls in the history match.
#[must_use]
pub fn flat_name(namespace: &str, name: &str) -> String {
    let joint = if namespace.is_empty() || namespace.ends_with("__") { "" } else { "__" };
    let flat = format!("{namespace}{joint}{name}");
    if flat.chars().count() <= LONGEST {
        return flat;
    }
    let digest = ids::digest(&flat);
    let stem: String = flat.chars().take(LONGEST - 9).collect();
    format!("{stem}_{}", digest.get(..8).unwrap_or_default())
}
