//! Facts about files: the configuration, files with secrets, and the state directory.

use std::fs::{self, Metadata, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::edit::find_manager;
use crate::config::file::Tree;
use crate::config::keypath::KeyPath;
use crate::config::redact::find_literal_secrets;
use crate::config::schema;
use crate::config::settings::Settings;
use crate::config::{self, ConfigError, Environment};
use crate::usage;

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
        let text = path.as_ref().filter(|path| path.is_file()).and_then(|path| fs::read_to_string(path).ok());
        let document = text.and_then(|text| Tree::parse(&text).ok()).map(|tree| tree.root.value.to_json());
        let literals = document.as_ref().map(|value| find_literal_secrets(value, schema::root()));
        Self {
            settings: config::load(option, environment),
            is_managed: path.as_ref().is_some_and(|path| find_manager(path, environment).is_some())
                || environment.is_managed(),
            is_explicit: location.is_some_and(|found| found.explicit),
            path,
            literal_secrets: literals.unwrap_or_default(),
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

/// Why a file is inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileRole {
    Configuration,
    /// `~/.config/moonrelay/env`.
    Secrets,
    /// The `id` of a SecretRef.
    Reference,
    /// `LoadCredential=` of the unit; its name.
    Credential(String),
    /// `EnvironmentFile=` of the unit.
    EnvironmentFile,
}

/// A file that holds or may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretFile {
    /// As it is named in the configuration or the unit.
    pub(super) path: PathBuf,
    pub(super) role: FileRole,
    /// After all links are followed; `None` if there is no file.
    pub(super) permissions: Option<FilePermissions>,
    /// Why an existing file cannot be read.
    pub(super) read_error: Option<String>,
    /// Its path or a link on it leads into the Nix store, even if nothing is there.
    pub(super) is_in_nix_store: bool,
    /// It is a link to a path that does not exist.
    pub(super) is_dangling: bool,
}

/// Permission bits (the lowest nine) and owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FilePermissions {
    pub(super) mode: u32,
    pub(super) uid: u32,
}

impl FilePermissions {
    fn from_metadata(metadata: &Metadata) -> Self {
        Self { mode: metadata.mode() & 0o777, uid: metadata.uid() }
    }
}

impl SecretFile {
    pub(super) fn inspect(path: &Path, role: FileRole) -> Self {
        let metadata = fs::metadata(path).ok();
        // Opening a pipe would wait for its writer.
        let read_error = match &metadata {
            Some(metadata) if metadata.is_dir() => Some("it is a directory".to_owned()),
            Some(metadata) if metadata.is_file() => fs::File::open(path).err().map(|error| error.to_string()),
            _ => None,
        };
        Self {
            is_dangling: metadata.is_none() && path.symlink_metadata().is_ok(),
            permissions: metadata.as_ref().map(FilePermissions::from_metadata),
            read_error,
            is_in_nix_store: is_in_nix_store(path),
            path: path.to_owned(),
            role,
        }
    }

    pub(super) fn describe(&self) -> String {
        let path = self.path.display();
        match &self.role {
            FileRole::Configuration => format!("the configuration {path}"),
            FileRole::Secrets => format!("the secrets file {path}"),
            FileRole::Reference => format!("the key file {path}"),
            FileRole::Credential(name) => format!("the file {path} of the credential {name}"),
            FileRole::EnvironmentFile => format!("the unit's EnvironmentFile {path}"),
        }
    }
}

/// The state directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StateDirectory {
    /// Its path, whether it exists or not.
    pub(super) path: PathBuf,
    /// `None` if it does not exist.
    pub(super) permissions: Option<FilePermissions>,
    /// Why it cannot be written; if it does not exist, why its nearest existing parent cannot.
    pub(super) write_error: Option<String>,
    /// Free disk space for this user, in bytes.
    pub(super) free_bytes: Option<u64>,
    /// Why the usage database cannot be read.
    pub(super) usage_error: Option<String>,
    /// If it is a symbolic link to the configuration directory: that directory, and which of `STATE_ENTRIES` are there.
    pub(super) link: Option<(PathBuf, Vec<&'static str>)>,
}

/// The entries of a state directory, as shell patterns: the file of the home-manager module that keeps the directory in
/// existence, the history of `chat`, log-ins, sessions, the database with its backups.
const STATE_ENTRIES: [&str; 5] = [".keep", "chat_history", "oauth", "sessions", "ledger.*"];

impl StateDirectory {
    pub(super) fn inspect(path: PathBuf, configuration: Option<&Path>, is_usage_enabled: bool) -> Self {
        let metadata = fs::metadata(&path).ok();
        let existing = path.ancestors().find(|part| part.exists());
        let write_error = match (&metadata, existing) {
            (Some(metadata), _) if !metadata.is_dir() => Some("it is not a directory".to_owned()),
            (_, Some(directory)) => try_write(directory).err().map(|error| error.to_string()),
            (_, None) => Some("none of its parent directories exists".to_owned()),
        };
        let disk = existing.and_then(|path| rustix::fs::statvfs(path).ok());
        let readable = (is_usage_enabled && metadata.is_some()).then(|| usage::open_read_only(&path));
        Self {
            permissions: metadata.as_ref().filter(|it| it.is_dir()).map(FilePermissions::from_metadata),
            write_error,
            free_bytes: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            usage_error: readable.and_then(Result::err).map(|error| error.to_string()),
            link: configuration.and_then(|configuration| find_link(&path, configuration)),
            path,
        }
    }
}

/// Creates a file with a unique name and removes it.
fn try_write(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(format!(".moonrelay-doctor-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(path)
}

fn find_link(state: &Path, configuration: &Path) -> Option<(PathBuf, Vec<&'static str>)> {
    if !state.is_symlink() || fs::canonicalize(state).ok()? != fs::canonicalize(configuration).ok()? {
        return None;
    }
    let names: Vec<_> = fs::read_dir(configuration).ok()?.flatten().map(|entry| entry.file_name()).collect();
    let is_stored = |entry: &&str| match entry.strip_suffix('*') {
        Some(prefix) => names.iter().any(|name| name.to_string_lossy().starts_with(prefix)),
        None => names.iter().any(|name| name == *entry),
    };
    Some((configuration.to_owned(), STATE_ENTRIES.into_iter().filter(is_stored).collect()))
}
