//! The configuration: parsed, validated and resolved into [`settings`], with every error at once.
//!
//! [`load()`] finds the file, `file` parses it into a tree with positions, and `validate` compares the tree with
//! the `schema`, which is generated from the types in `keys`. `resolve` interprets the typed values (references,
//! keys, URLs). Each reports everything that it finds; only a file that does not parse ends the search at once.

pub mod environment;
pub mod keypath;
pub(crate) mod nearest;
pub(crate) mod file;
mod keys;
pub mod settings;
pub(crate) mod secrets_file;
mod interpolate;
pub(crate) mod schema;
pub(crate) mod redact;
mod validate;
pub(crate) mod lookup;
mod resolve;
mod load;
pub mod edit;
pub mod import;

pub use environment::Environment;
pub use file::{ConfigError, Issue};
pub(crate) use load::locate;
pub use load::{Location, from_text, load};

#[cfg(test)]
mod tests;
