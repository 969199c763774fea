//! The facts that the checks use. Each query has a timeout; those that wait run concurrently.

use std::fs::{self, Metadata, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::config_facts::{ConfigFacts, is_in_nix_store};
use super::network::{self, ProviderProbe};
use super::systemd::UnitFacts;
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::upstream::Connector;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::gateway_status::GatewayStatus;
use crate::usage;

/// A gateway on this machine responds within milliseconds.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(2);
/// For systemctl, and for the disk of the state directory.
const MACHINE_TIMEOUT: Duration = Duration::from_secs(8);

/// What the checks know about the machine.
pub(crate) struct Facts {
    pub(super) environment: Environment,
    pub(super) config: ConfigFacts,
    /// Files that hold or may hold secrets.
    pub(super) secret_files: Vec<SecretFile>,
    /// The unit in the user's systemd, or why systemd does not respond.
    pub(super) service: Result<UnitFacts, String>,
    /// Status of the running gateway, or why it does not respond; `None` if its address is unknown.
    pub(super) gateway: Option<Result<GatewayStatus, String>>,
    /// Probe results of the providers; `None` if they were not called.
    pub(super) provider_probes: Option<Vec<ProviderProbe>>,
    pub(super) state_directory: Option<StateDirectory>,
    pub(super) is_offline: bool,
    pub(super) uid: u32,
    pub(super) now: SystemTime,
}

impl Facts {
    /// Collects the facts. `config` is the `--config` option; `progress` shows the current step.
    pub(crate) async fn gather(
        environment: Environment,
        config: Option<&Path>,
        connector: &Arc<dyn Connector>,
        is_offline: bool,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Self {
        progress("checking the configuration");
        let config = ConfigFacts::load(config, &environment);
        progress("querying systemd");
        let (service, state_directory) = query_machine(&environment, &config).await;
        let service = service.map(|service| service.resolve_settings(&config, &environment));
        let mut facts = Self {
            secret_files: list_secret_files(&environment, &config, service.as_ref().ok()),
            uid: rustix::process::getuid().as_raw(),
            now: SystemTime::now(),
            environment,
            config,
            service,
            gateway: None,
            provider_probes: None,
            state_directory,
            is_offline,
        };
        let Ok(settings) = &facts.config.settings else { return facts };
        progress(if is_offline { "querying the gateway" } else { "querying the gateway and the providers" });
        let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
        let gateway = address.status(settings, connector.as_ref(), GATEWAY_TIMEOUT);
        let probes = async {
            let settings = facts.effective_settings().filter(|_| !is_offline)?;
            Some(network::probe_providers(settings, connector, progress).await)
        };
        let (gateway, provider_probes) = tokio::join!(gateway, probes);
        facts.gateway = Some(gateway);
        facts.provider_probes = provider_probes;
        facts
    }

    /// The settings of the gateway: with the keys of its unit if there is one.
    pub(super) fn effective_settings(&self) -> Option<&Settings> {
        let own = || self.config.settings.as_ref().ok();
        self.installed_unit().and_then(|service| service.settings.as_ref()).or_else(own)
    }

    /// The settings of the gateway, or why a check that needs them is skipped.
    pub(super) fn require_settings(&self) -> Result<&Settings, String> {
        self.effective_settings().ok_or_else(|| INVALID_CONFIGURATION.to_owned())
    }

    /// The unit, if it is installed.
    pub(super) fn installed_unit(&self) -> Option<&UnitFacts> {
        self.service.as_ref().ok().filter(|service| service.service_state.exists())
    }

    /// The unit, or why there is none.
    pub(super) fn require_unit(&self) -> Result<&UnitFacts, String> {
        let service = self.service.as_ref().map_err(|why| format!("cannot reach user systemd: {why}"))?;
        match (service.service_state.exists(), service.is_system_unit) {
            (true, _) => Ok(service),
            (false, true) => Err("the unit is a system unit: systemctl status moonrelay".to_owned()),
            (false, false) => Err("no unit is installed".to_owned()),
        }
    }

    /// The state directory, or why it is unknown.
    pub(super) fn require_state_directory(&self) -> Result<&StateDirectory, String> {
        self.state_directory
            .as_ref()
            .ok_or_else(|| "HOME is not set, or the disk does not respond".to_owned())
    }

    /// The status of the running gateway.
    pub(super) fn gateway_status(&self) -> Option<&GatewayStatus> {
        self.gateway.as_ref()?.as_ref().ok()
    }

    /// Whether the running gateway can use this provider.
    pub(super) fn is_enabled_in_gateway(&self, provider: &str) -> bool {
        let providers = self.gateway_status().into_iter().flat_map(|status| &status.providers);
        providers.into_iter().any(|entry| entry.id == provider && entry.availability.state != "off")
    }

    /// The command, or the Nix line if Nix manages the configuration.
    pub(super) fn choose_fix(&self, command: impl Into<String>, nix: impl Into<String>) -> String {
        if self.config.is_managed { nix.into() } else { command.into() }
    }

    /// The command that sets a value of the configuration, or its Nix line.
    pub(super) fn set_fix(&self, path: &str, value: &str) -> String {
        self.choose_fix(
            format!("moonrelay config set {path} {value}"),
            format!("services.moonrelay.settings.{path} = \"{value}\";"),
        )
    }

    /// Why the providers were not called.
    pub(super) const fn no_probe_reason(&self) -> &'static str {
        if self.is_offline { "--offline" } else { INVALID_CONFIGURATION }
    }
}

pub(super) const INVALID_CONFIGURATION: &str = "the configuration is invalid";

/// Queries systemd and the disk in threads, which are abandoned after a timeout.
async fn query_machine(
    environment: &Environment,
    config: &ConfigFacts,
) -> (Result<UnitFacts, String>, Option<StateDirectory>) {
    let (directory, config_directory) = (environment.state_directory(), environment.config_directory());
    let is_usage_enabled = config.settings.as_ref().map_or(true, |settings| settings.usage.is_enabled);
    let environment = environment.clone();
    let service = tokio::task::spawn_blocking(move || UnitFacts::query(&environment));
    let state = tokio::task::spawn_blocking(move || {
        directory.map(|path| StateDirectory::inspect(path, config_directory.as_deref(), is_usage_enabled))
    });
    let (service, state) = tokio::join!(
        tokio::time::timeout(MACHINE_TIMEOUT, service),
        tokio::time::timeout(MACHINE_TIMEOUT, state)
    );
    let late = || Err(format!("systemctl did not respond within {} s", MACHINE_TIMEOUT.as_secs()));
    let service = service.ok().and_then(Result::ok).unwrap_or_else(late);
    (service, state.ok().and_then(Result::ok).flatten())
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
    fn inspect(path: &Path, role: FileRole) -> Self {
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

/// Inspects each file that the configuration or the unit names, once.
fn list_secret_files(
    environment: &Environment,
    config: &ConfigFacts,
    service: Option<&UnitFacts>,
) -> Vec<SecretFile> {
    let mut named: Vec<(PathBuf, FileRole)> = Vec::new();
    named.extend(config.path.clone().map(|path| (path, FileRole::Configuration)));
    let secrets = environment.secrets_file();
    let references = config.settings.iter().flat_map(|settings| &settings.watched_files);
    let references = references.filter(|path| Some(*path) != secrets.as_ref());
    named.extend(references.map(|path| (path.clone(), FileRole::Reference)));
    named.extend(secrets.clone().map(|path| (path, FileRole::Secrets)));
    if let Some(unit) = service.filter(|service| service.service_state.exists()) {
        let credentials = unit.credentials.iter();
        named.extend(credentials.map(|(name, path)| (path.clone(), FileRole::Credential(name.clone()))));
        named.extend(unit.environment_files.iter().map(|path| (path.clone(), FileRole::EnvironmentFile)));
    }
    let mut files: Vec<SecretFile> = Vec::new();
    for (path, role) in named {
        if !files.iter().any(|known| known.path == path) {
            files.push(SecretFile::inspect(&path, role));
        }
    }
    files
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
    /// Set if it is a symbolic link to the configuration directory.
    pub(super) link: Option<StateLink>,
}

/// The configuration directory behind a state directory that is a symbolic link to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateLink {
    /// The path of the configuration directory.
    pub(super) configuration: PathBuf,
    /// Whether files of the database are stored there.
    pub(super) has_database: bool,
    /// The names of the other state files and directories that are stored there.
    pub(super) entries: Vec<&'static str>,
}

/// Prefix of the database files and their backups.
pub(super) const DATABASE_FILES: &str = "ledger.";

/// The other entries of a state directory: sessions, log-ins, the history of `chat`, and the file of the home-manager
/// module that keeps the directory in existence.
const STATE_ENTRIES: [&str; 4] = [".keep", "chat_history", "oauth", "sessions"];

impl StateDirectory {
    fn inspect(path: PathBuf, configuration: Option<&Path>, is_usage_enabled: bool) -> Self {
        let metadata = fs::metadata(&path).ok();
        let existing = path.ancestors().find(|part| part.exists());
        let write_error = match (&metadata, existing) {
            (Some(metadata), _) if !metadata.is_dir() => Some("it is not a directory".to_owned()),
            (_, Some(directory)) => try_write(directory).err().map(|error| error.to_string()),
            (_, None) => Some("none of its parent directories exists".to_owned()),
        };
        let statistics = existing.and_then(|path| rustix::fs::statvfs(path).ok());
        let usage_error = if is_usage_enabled && metadata.is_some() {
            usage::open_read_only(&path).err().map(|error| error.to_string())
        } else {
            None
        };
        Self {
            permissions: metadata.as_ref().filter(|it| it.is_dir()).map(FilePermissions::from_metadata),
            write_error,
            free_bytes: statistics.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            usage_error,
            link: configuration.and_then(|configuration| StateLink::find(&path, configuration)),
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

impl StateLink {
    fn find(state: &Path, configuration: &Path) -> Option<Self> {
        let is_link = fs::symlink_metadata(state).is_ok_and(|metadata| metadata.is_symlink());
        if !is_link || fs::canonicalize(state).ok()? != fs::canonicalize(configuration).ok()? {
            return None;
        }
        let names: Vec<_> =
            fs::read_dir(configuration).ok()?.flatten().map(|entry| entry.file_name()).collect();
        let is_of_database = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(DATABASE_FILES);
        let is_stored = |entry: &&str| names.iter().any(|name| name == *entry);
        Some(Self {
            configuration: configuration.to_owned(),
            has_database: names.iter().any(is_of_database),
            entries: STATE_ENTRIES.into_iter().filter(is_stored).collect(),
        })
    }
}
