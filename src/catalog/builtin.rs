//! The built-in catalog: `catalog/*.json5`, compiled in and read once.

use super::{DialectId, Face, Model};

/// A provider of the catalog.
#[derive(Clone, Debug)]
pub struct BuiltinProvider {
    /// The id in references.
    pub id: String,
    /// Whose peculiarities it has.
    pub dialect: DialectId,
    /// Base URL of each face that it serves, without a trailing slash (`…/v1`).
    pub faces: Vec<(Face, String)>,
    /// Environment names of its key; the first that is set counts.
    pub key_names: Vec<String>,
    /// Other ids that mean it, unless the user defines those.
    pub aliases: Vec<String>,
    /// Old model ids and what is sent for them.
    pub renamed: Vec<(String, String)>,
    /// Whether any model id is accepted.
    pub open: bool,
    /// Whether it serves without being named in the configuration.
    pub on_by_default: bool,
    /// ISO 4217.
    pub currency: String,
    /// The model that answers when nothing else is said.
    pub default_model: String,
    /// Its models.
    pub models: Vec<Model>,
}

/// The whole catalog.
#[derive(Clone, Debug)]
pub struct Builtin {
    /// In the order of preference for the default chain.
    pub providers: Vec<BuiltinProvider>,
}

/// The catalog, read once.
#[must_use]
pub fn builtin() -> &'static Builtin {
    static EMPTY: Builtin = Builtin { providers: Vec::new() };
    &EMPTY
}
