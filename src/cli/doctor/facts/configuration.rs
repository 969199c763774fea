//! The configuration: what its file says, what it means in this shell, and who manages it.

use std::path::PathBuf;

use serde_json::Value;

use crate::cli::console::Console;
use crate::config::edit::managed;
use crate::config::file::Tree;
use crate::config::keypath::KeyPath;
use crate::config::schema::{ROOT, literal_secrets};
use crate::config::settings::Settings;
use crate::config::{self, Invalid};

/// The file and its meaning.
pub(in crate::cli::doctor) struct Configuration {
    /// Where it is, or would be; `None` without a home.
    pub(in crate::cli::doctor) path: Option<PathBuf>,
    /// `--config` or `MOONRELAY_CONFIG` names it.
    pub(in crate::cli::doctor) explicit: bool,
    /// As this shell's variables have it.
    pub(in crate::cli::doctor) settings: Result<Settings, Invalid>,
    /// The raw tree, where the file parses.
    pub(in crate::cli::doctor) document: Option<Value>,
    /// Places where a secret stands in plain text.
    pub(in crate::cli::doctor) literals: Vec<KeyPath>,
    /// Nix writes it.
    pub(in crate::cli::doctor) managed: bool,
}

impl Configuration {
    /// Reads it.
    pub(in crate::cli::doctor) fn look(console: &Console<'_>) -> Self {
        let environment = &console.environment;
        let location = config::locate(console.config.as_deref(), environment);
        let path = location.as_ref().map(|found| found.path.clone());
        let settings = config::load(console.config.as_deref(), environment);
        // Only a plain file is read a second time: of a pipe nothing is left.
        let plain = path.as_ref().filter(|path| path.metadata().is_ok_and(|facts| facts.is_file()));
        let text = plain.and_then(|path| std::fs::read_to_string(path).ok());
        let document = text.and_then(|text| Tree::parse(&text).ok()).map(|tree| tree.root.value.to_json());
        let literals = document.as_ref().map(|value| literal_secrets(value, &ROOT)).unwrap_or_default();
        Self {
            managed: path.as_ref().is_some_and(|path| managed(path, environment).is_some())
                || environment.is_managed(),
            explicit: location.is_some_and(|found| found.explicit),
            path,
            settings,
            document,
            literals,
        }
    }
}
