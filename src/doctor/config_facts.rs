//! The configuration file, and questions about paths.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::edit::find_manager;
use crate::config::file::Tree;
use crate::config::keypath::KeyPath;
use crate::config::redact::find_literal_secrets;
use crate::config::schema;
use crate::config::settings::Settings;
use crate::config::{self, ConfigError, Environment};

/// The configuration file and its validated form.
pub(super) struct ConfigFacts {
    /// Its path, whether it exists or not; `None` without a home.
    pub(super) path: Option<PathBuf>,
    /// `--config` or `MOONRELAY_CONFIG` names it.
    pub(super) is_explicit: bool,
    /// Validated with this shell's variables.
    pub(super) settings: Result<Settings, ConfigError>,
    /// The raw tree, if the file parses.
    pub(super) document: Option<Value>,
    /// Paths of secrets in plain text.
    pub(super) literal_secrets: Vec<KeyPath>,
    pub(super) is_managed: bool,
}

impl ConfigFacts {
    pub(super) fn load(option: Option<&Path>, environment: &Environment) -> Self {
        let location = config::locate(option, environment);
        let path = location.as_ref().map(|found| found.path.clone());
        // Only a regular file can be read twice; a pipe cannot.
        let file = path.as_ref().filter(|path| path.metadata().is_ok_and(|metadata| metadata.is_file()));
        let text = file.and_then(|path| fs::read_to_string(path).ok());
        let document = text.and_then(|text| Tree::parse(&text).ok()).map(|tree| tree.root.value.to_json());
        Self {
            settings: config::load(option, environment),
            is_managed: path.as_ref().is_some_and(|path| find_manager(path, environment).is_some())
                || environment.is_managed(),
            is_explicit: location.is_some_and(|found| found.explicit),
            path,
            literal_secrets: document
                .as_ref()
                .map(|value| find_literal_secrets(value, schema::root()))
                .unwrap_or_default(),
            document,
        }
    }
}

/// Whether a path or a link on it leads into the Nix store.
pub(super) fn is_in_nix_store(path: &Path) -> bool {
    find_manager(path, &Environment::default()).is_some()
}

/// Whether two paths lead to the same file.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
