//! The configuration: parsed, validated and resolved into [`settings`], with every error at once.
//!
//! [`load()`] finds the file, [`mod@file`] parses it into a tree with positions, and `validate` compares the tree with
//! the [`schema`], which is generated from the types in `keys`. `resolve` interprets the typed values (references,
//! keys, URLs). Each reports everything that it finds; only a file that does not parse ends the search at once.

pub mod edit;
pub mod environment;
pub(crate) mod file;
pub mod import;
mod interpolate;
pub mod keypath;
mod keys;
mod load;
pub(crate) mod lookup;
pub(crate) mod nearest;
mod resolve;
pub(crate) mod schema;
pub(crate) mod secrets_file;
pub mod settings;
mod validate;

pub use environment::Environment;
pub use file::{ConfigError, Issue};
pub use load::{Location, from_text, load, locate};

#[cfg(test)]
mod tests;
