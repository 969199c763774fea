//! The configuration: its file, its validated form in this shell, and what manages it.

use std::path::PathBuf;

use serde_json::Value;

use crate::cli::console::Console;
use crate::config::edit::find_manager;
use crate::config::file::Tree;
use crate::config::keypath::KeyPath;
use crate::config::schema::{ROOT, find_literal_secrets};
use crate::config::settings::Settings;
use crate::config::{self, ConfigError};

/// The file and its meaning.
pub(in crate::cli::doctor) struct ConfigFacts {
    /// Where it is, or would be; `None` without a home.
    pub(in crate::cli::doctor) path: Option<PathBuf>,
    /// `--config` or `MOONRELAY_CONFIG` names it.
    pub(in crate::cli::doctor) is_explicit: bool,
    /// As this shell's variables have it.
    pub(in crate::cli::doctor) settings: Result<Settings, ConfigError>,
    /// The raw tree, where the file parses.
    pub(in crate::cli::doctor) document: Option<Value>,
    /// Paths of secrets in plain text.
    pub(in crate::cli::doctor) literal_secrets: Vec<KeyPath>,
    /// Nix writes it.
    pub(in crate::cli::doctor) is_managed: bool,
}

impl ConfigFacts {
    /// Reads it.
    pub(in crate::cli::doctor) fn load(console: &Console<'_>) -> Self {
        let environment = &console.environment;
        let location = config::locate(console.config.as_deref(), environment);
        let path = location.as_ref().map(|found| found.path.clone());
        let settings = config::load(console.config.as_deref(), environment);
        // Only a regular file can be read twice; a pipe cannot.
        let plain = path.as_ref().filter(|path| path.metadata().is_ok_and(|facts| facts.is_file()));
        let text = plain.and_then(|path| std::fs::read_to_string(path).ok());
        let document = text.and_then(|text| Tree::parse(&text).ok()).map(|tree| tree.root.value.to_json());
        let literal_secrets =
            document.as_ref().map(|value| find_literal_secrets(value, &ROOT)).unwrap_or_default();
        Self {
            is_managed: path.as_ref().is_some_and(|path| find_manager(path, environment).is_some())
                || environment.is_managed(),
            is_explicit: location.is_some_and(|found| found.explicit),
            path,
            settings,
            document,
            literal_secrets,
        }
    }
}
