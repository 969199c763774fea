//! The configuration: raw tree, then resolved settings, with every error at once.

pub mod settings;
