//! Files that hold secrets: who may read them, and where they lead.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::configuration::Configuration;
use super::service::Service;
use crate::config::Environment;
use crate::config::edit::managed;

/// Why a file is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Role {
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
pub(in crate::cli::doctor) struct File {
    /// As it is written where it is named.
    pub(in crate::cli::doctor) path: PathBuf,
    /// Why it is looked at.
    pub(in crate::cli::doctor) role: Role,
    /// Permission bits and owner behind all links; `None` where there is nothing.
    pub(in crate::cli::doctor) stat: Option<Stat>,
    /// Why a file that is there cannot be read.
    pub(in crate::cli::doctor) unreadable: Option<String>,
    /// It leads into the Nix store, be it to nothing.
    pub(in crate::cli::doctor) in_store: bool,
    /// It is a link that leads nowhere.
    pub(in crate::cli::doctor) dangling: bool,
}

/// Who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Stat {
    /// The lowest nine bits.
    pub(in crate::cli::doctor) mode: u32,
    /// The owner.
    pub(in crate::cli::doctor) uid: u32,
}

impl Stat {
    pub(super) fn of(facts: &Metadata) -> Self {
        Self { mode: facts.mode() & 0o777, uid: facts.uid() }
    }
}

impl File {
    fn look(path: &Path, role: Role) -> Self {
        let facts = fs::metadata(path).ok();
        let plain = facts.as_ref().is_some_and(Metadata::is_file);
        // Opening a pipe would wait for its writer.
        let unreadable = match &facts {
            Some(facts) if facts.is_dir() => Some("it is a directory".to_owned()),
            Some(_) if plain => fs::File::open(path).err().map(|error| error.to_string()),
            _ => None,
        };
        Self {
            dangling: facts.is_none() && path.symlink_metadata().is_ok(),
            stat: facts.as_ref().map(Stat::of),
            unreadable,
            in_store: managed(path, &Environment::default()).is_some(),
            path: path.to_owned(),
            role,
        }
    }

    /// For people.
    pub(in crate::cli::doctor) fn describe(&self) -> String {
        let path = self.path.display();
        match &self.role {
            Role::Configuration => format!("the configuration {path}"),
            Role::Secrets => format!("the secrets file {path}"),
            Role::Reference => format!("the key's file {path}"),
            Role::Credential(name) => format!("the file of the credential {name}, {path},"),
            Role::EnvironmentFile => format!("the unit's EnvironmentFile {path}"),
        }
    }
}

/// Looks at each that the configuration or the unit names.
pub(super) fn look(
    environment: &Environment,
    configuration: &Configuration,
    service: Option<&Service>,
) -> Vec<File> {
    let mut named: Vec<(PathBuf, Role)> = Vec::new();
    named.extend(configuration.path.clone().map(|path| (path, Role::Configuration)));
    let secrets = environment.secrets_file();
    let references = configuration.settings.iter().flat_map(|settings| &settings.files);
    let references = references.filter(|path| Some(*path) != secrets.as_ref());
    named.extend(references.map(|path| (path.clone(), Role::Reference)));
    named.extend(secrets.clone().map(|path| (path, Role::Secrets)));
    if let Some(service) = service.filter(|service| service.unit.exists()) {
        let of_unit = &service.file;
        let credentials = of_unit.credentials.iter();
        named.extend(credentials.map(|(name, path)| (path.clone(), Role::Credential(name.clone()))));
        named.extend(of_unit.environment_files.iter().map(|path| (path.clone(), Role::EnvironmentFile)));
    }
    let mut files: Vec<File> = Vec::new();
    for (path, role) in named {
        if !files.iter().any(|known| known.path == path) {
            files.push(File::look(&path, role));
        }
    }
    files
}
