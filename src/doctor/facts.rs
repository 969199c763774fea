//! The facts that the checks use. Each query has a timeout; those that wait run concurrently.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::files::{ConfigFacts, FileRole, SecretFile, StateDirectory};
use super::network::{self, ProviderProbe};
use super::systemd::UnitFacts;
use crate::catalog::builtin_catalog;
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::upstream::Connector;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::gateway_status::GatewayStatus;

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

pub(super) const INVALID_CONFIGURATION: &str = "the configuration is invalid";

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
            let settings = facts.require_settings().ok().filter(|_| !is_offline)?;
            Some(network::probe_providers(settings, connector, progress).await)
        };
        let (gateway, provider_probes) = tokio::join!(gateway, probes);
        facts.gateway = Some(gateway);
        facts.provider_probes = provider_probes;
        facts
    }

    /// The settings of the gateway, with the keys of its unit if there is one; or why a check that needs them is skipped.
    pub(super) fn require_settings(&self) -> Result<&Settings, String> {
        let of_unit = self.installed_unit().and_then(|service| service.settings.as_ref());
        of_unit.or(self.config.settings.as_ref().ok()).ok_or_else(|| INVALID_CONFIGURATION.to_owned())
    }

    /// The unit, if it is installed.
    pub(super) fn installed_unit(&self) -> Option<&UnitFacts> {
        self.service.as_ref().ok().filter(|service| service.service_state.exists())
    }

    /// The unit, or why there is none.
    pub(super) fn require_unit(&self) -> Result<&UnitFacts, String> {
        match &self.service {
            Err(why) => Err(format!("cannot reach user systemd: {why}")),
            Ok(service) if service.service_state.exists() => Ok(service),
            Ok(service) if service.is_system_unit => {
                Err("the unit is a system unit: systemctl status moonrelay".to_owned())
            }
            Ok(_) => Err("no unit is installed".to_owned()),
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

    /// The command that sets a value of the configuration, or its Nix line. `value` is JSON.
    pub(super) fn set_fix(&self, path: &str, value: &str) -> String {
        self.choose_fix(
            format!("moonrelay config set {path} {}", value.trim_matches('"')),
            format!("services.moonrelay.settings.{path} = {value};"),
        )
    }

    /// How to give the gateway a key, which is looked up under `name`, else under the provider's variable of the catalog.
    pub(super) fn key_fix(&self, provider: &str, name: Option<&str>) -> String {
        let known = builtin_catalog().provider(provider);
        let variable = known.and_then(|known| known.key_variables.first()).map(String::as_str);
        let name = name.or(variable).unwrap_or("NAME");
        let choice = match provider {
            "kimi" => "kimi-code-api-key",
            "moonshot" => "moonshot-api-key",
            "moonshot-cn" => "moonshot-api-key-cn",
            "openrouter" => "openrouter-api-key",
            _ => "",
        };
        let file = self.environment.secrets_file().unwrap_or_default();
        let command = match choice {
            "" => format!("add the line {name}=… to {} (mode 600)", file.display()),
            choice => format!("moonrelay onboard --auth-choice {choice}"),
        };
        let nix = format!(
            "services.moonrelay.credentials.{name} = \"/path/to/it\"; # a file with only the key, outside the store"
        );
        self.choose_fix(command, nix)
    }

    /// Why the providers were not called.
    pub(super) const fn no_probe_reason(&self) -> &'static str {
        if self.is_offline { "--offline" } else { INVALID_CONFIGURATION }
    }
}

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
