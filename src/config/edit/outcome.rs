//! What became of a change, and why it was not made.

use std::fmt;
use std::path::{Path, PathBuf};

use super::files;
use crate::config::environment::Environment;
use crate::config::file::ConfigError;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file does not parse, or would be wrong with the change.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// The file was invalid before, and the change does not fix it.
    #[error("{before}{}", .added.iter().map(|added| format!("\nthe change would add: {added}")).collect::<String>())]
    AlreadyInvalid {
        /// Its errors.
        before: ConfigError,
        /// The errors that the change would add.
        added: Option<ConfigError>,
    },
    /// The path leads through a value that is not an object or list, or beyond the end of a list.
    #[error("{0}")]
    Path(String),
    /// The file is managed externally, for example by Nix.
    #[error("{0}")]
    Managed(ManagedFile),
    /// It cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

/// A file that only Nix may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedFile {
    /// Why.
    pub reason: String,
    /// What to add to the Nix configuration instead.
    pub nix_lines: Vec<String>,
}

impl fmt::Display for ManagedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        if !self.nix_lines.is_empty() {
            f.write_str(". Add to your Nix configuration instead:")?;
        }
        self.nix_lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Whether the file is managed externally: it leads into the Nix store, or `MOONRELAY_NIX_MODE=1`.
pub(crate) fn find_manager(path: &Path, environment: &Environment) -> Option<ManagedFile> {
    let reason = if environment.is_managed() {
        "MOONRELAY_NIX_MODE=1: the configuration is managed by Nix".to_owned()
    } else if files::resolve_links(path).ok()?.starts_with(files::NIX_STORE) {
        format!("{} is a link into the Nix store: it is managed by Nix", path.display())
    } else {
        return None;
    };
    Some(ManagedFile { reason, nix_lines: Vec::new() })
}

/// The result of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SaveOutcome {
    /// Already set; the file was not changed.
    Unchanged,
    /// It was written.
    Written {
        /// Path of the backup of the previous content; `None` if there was no file.
        backup: Option<PathBuf>,
    },
}

impl SaveOutcome {
    pub(crate) const fn is_written(&self) -> bool {
        matches!(self, Self::Written { .. })
    }
}
