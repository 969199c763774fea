//! Files with secrets: permissions and link targets.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::config::ConfigFacts;
use super::service::UnitFacts;
use crate::config::Environment;
use crate::config::edit::find_manager;

/// Why a file is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum FileRole {
    /// The configuration.
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

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct SecretFile {
    /// As it is written where it is named.
    pub(in crate::cli::doctor) path: PathBuf,
    /// Why it is looked at.
    pub(in crate::cli::doctor) role: FileRole,
    /// Permission bits and owner behind all links; `None` where there is nothing.
    pub(in crate::cli::doctor) permissions: Option<FilePermissions>,
    /// Why a file that is there cannot be read.
    pub(in crate::cli::doctor) read_error: Option<String>,
    /// It leads into the Nix store, be it to nothing.
    pub(in crate::cli::doctor) is_in_nix_store: bool,
    /// It is a link that leads nowhere.
    pub(in crate::cli::doctor) is_dangling: bool,
}

/// Permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct FilePermissions {
    /// The lowest nine bits.
    pub(in crate::cli::doctor) mode: u32,
    /// The owner.
    pub(in crate::cli::doctor) uid: u32,
}

impl FilePermissions {
    pub(super) fn from_metadata(facts: &Metadata) -> Self {
        Self { mode: facts.mode() & 0o777, uid: facts.uid() }
    }
}

impl SecretFile {
    fn inspect(path: &Path, role: FileRole) -> Self {
        let facts = fs::metadata(path).ok();
        let plain = facts.as_ref().is_some_and(Metadata::is_file);
        // Opening a pipe would wait for its writer.
        let read_error = match &facts {
            Some(facts) if facts.is_dir() => Some("it is a directory".to_owned()),
            Some(_) if plain => fs::File::open(path).err().map(|error| error.to_string()),
            _ => None,
        };
        Self {
            is_dangling: facts.is_none() && path.symlink_metadata().is_ok(),
            permissions: facts.as_ref().map(FilePermissions::from_metadata),
            read_error,
            is_in_nix_store: find_manager(path, &Environment::default()).is_some(),
            path: path.to_owned(),
            role,
        }
    }

    /// For people.
    pub(in crate::cli::doctor) fn describe(&self) -> String {
        let path = self.path.display();
        match &self.role {
            FileRole::Configuration => format!("the configuration {path}"),
            FileRole::Secrets => format!("the secrets file {path}"),
            FileRole::Reference => format!("the key's file {path}"),
            FileRole::Credential(name) => format!("the file of the credential {name}, {path},"),
            FileRole::EnvironmentFile => format!("the unit's EnvironmentFile {path}"),
        }
    }
}

/// Inspects each file that the configuration or the unit names.
pub(super) fn inspect_files(
    environment: &Environment,
    configuration: &ConfigFacts,
    service: Option<&UnitFacts>,
) -> Vec<SecretFile> {
    let mut named: Vec<(PathBuf, FileRole)> = Vec::new();
    named.extend(configuration.path.clone().map(|path| (path, FileRole::Configuration)));
    let secrets = environment.secrets_file();
    let references = configuration.settings.iter().flat_map(|settings| &settings.watched_files);
    let references = references.filter(|path| Some(*path) != secrets.as_ref());
    named.extend(references.map(|path| (path.clone(), FileRole::Reference)));
    named.extend(secrets.clone().map(|path| (path, FileRole::Secrets)));
    if let Some(service) = service.filter(|service| service.service_state.exists()) {
        let of_unit = &service.unit_file;
        let credentials = of_unit.credentials.iter();
        named.extend(credentials.map(|(name, path)| (path.clone(), FileRole::Credential(name.clone()))));
        named.extend(of_unit.environment_files.iter().map(|path| (path.clone(), FileRole::EnvironmentFile)));
    }
    let mut files: Vec<SecretFile> = Vec::new();
    for (path, role) in named {
        if !files.iter().any(|known| known.path == path) {
            files.push(SecretFile::inspect(&path, role));
        }
    }
    files
}
