//! Known facts about providers and models: contexts, limits, prices, capabilities, each with its source and
//! date.
//!
//! The facts are data (`catalog/*.json5`), so contributors can extend them without reading Rust. This module
//! defines their types; [`builtin_catalog`] loads them.

mod facts;
mod builtin;
mod data;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

pub use builtin::{BuiltinProvider, Catalog, Confidence, FactProvenance, FactSource};
pub use facts::{
    AdapterId, Compat, InputModalities, MaxTokensField, ModelInfo, Retirement, ThinkingControl,
    ThinkingLevel, TokenPrices,
};

/// The catalog, read once.
#[must_use]
pub fn builtin_catalog() -> &'static Catalog {
    static READ: OnceLock<Catalog> = OnceLock::new();
    // The files are part of the program and a test reads every one of them, so this does not fail in a release.
    READ.get_or_init(|| data::parse_files(&data::FILES).unwrap_or_default())
}
