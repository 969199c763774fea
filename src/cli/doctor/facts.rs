//! Everything that the checks go by, looked at once. Each look has its limit of time; those that wait run side by side.

pub(super) mod config;
pub(super) mod disk;
pub(super) mod provider_probe;
pub(super) mod secret_files;
pub(super) mod service;
pub(super) mod sockets;
pub(super) mod unit_file;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use self::config::ConfigFacts;
use self::disk::StateDirectory;
use self::provider_probe::ProviderProbe;
use self::secret_files::SecretFile;
use self::service::UnitFacts;
use self::sockets::ListeningSocket;
use crate::cli::console::Console;
use crate::cli::gateway::running_gateway::GatewayAddress;
use crate::cli::progress::Progress;
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::upstream::Connector;

/// To connect to a provider.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A gateway on this machine answers in milliseconds.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout for all local programs together (systemctl, loginctl, df).
const PROGRAMS_TIMEOUT: Duration = Duration::from_secs(8);

/// What was seen.
pub(super) struct Facts {
    /// Variables and directories of this shell.
    pub(super) environment: Environment,
    /// The configuration file and its validated form.
    pub(super) config: ConfigFacts,
    /// Files that hold secrets, or may.
    pub(super) secret_files: Vec<SecretFile>,
    /// The unit in the user's systemd; the error is why none answers.
    pub(super) service: Result<UnitFacts, String>,
    /// Status of the running gateway, or why it does not respond; `None` if no configuration has its address.
    pub(super) gateway: Option<Result<Value, String>>,
    /// Listeners on this machine's ports; `None` if they cannot be read.
    pub(super) listeners: Option<Vec<ListeningSocket>>,
    /// Probe results of the providers; `None` if none was called.
    pub(super) provider_probes: Option<Vec<ProviderProbe>>,
    /// The state directory; `None` without a home.
    pub(super) state_directory: Option<StateDirectory>,
    /// Whether network calls are disabled.
    pub(super) is_offline: bool,
    /// This process's user.
    pub(super) uid: Option<u32>,
    /// When it was looked.
    pub(super) now: SystemTime,
}

impl Facts {
    /// Collects the facts.
    pub(super) async fn gather(
        console: &Console<'_>,
        connector: &Arc<dyn Connector>,
        offline: bool,
        progress: &Progress,
    ) -> Self {
        progress.show("looking at the configuration");
        let environment = console.environment.clone();
        let configuration = ConfigFacts::load(console);
        progress.show("asking systemd");
        let (service, state) = query_programs(&environment, &configuration).await;
        let service = service.map(|service| service.resolve_settings(&configuration, &environment));
        let mut facts = Self {
            secret_files: secret_files::inspect_files(&environment, &configuration, service.as_ref().ok()),
            listeners: sockets::list_listeners(),
            uid: sockets::current_uid(),
            now: SystemTime::now(),
            environment,
            config: configuration,
            service,
            gateway: None,
            provider_probes: None,
            state_directory: state,
            is_offline: offline,
        };
        let Ok(settings) = &facts.config.settings else { return facts };
        progress.show(if offline { "asking the gateway" } else { "asking the gateway and the providers" });
        let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
        let gateway = address.fetch_status(settings, connector.as_ref(), GATEWAY_TIMEOUT);
        let providers = async {
            match (offline, facts.effective_settings()) {
                (false, Some(serving)) => {
                    Some(provider_probe::probe_providers(serving, connector, progress).await)
                }
                _ => None,
            }
        };
        let (gateway, providers) = tokio::join!(gateway, providers);
        facts.gateway = Some(gateway);
        facts.provider_probes = providers;
        facts
    }

    /// The settings with which the gateway serves: with the keys that its unit has, where there is one.
    pub(super) fn effective_settings(&self) -> Option<&Settings> {
        let own = || self.config.settings.as_ref().ok();
        self.installed_unit().and_then(|service| service.settings.as_ref()).or_else(own)
    }

    /// The same, or why there are none: the reason for which most checks are left out.
    pub(super) fn require_settings(&self) -> Result<&Settings, String> {
        self.effective_settings().ok_or_else(|| "the configuration is not valid".to_owned())
    }

    /// What systemd knows of the unit, where there is one.
    pub(super) fn installed_unit(&self) -> Option<&UnitFacts> {
        self.service.as_ref().ok().filter(|service| service.service_state.exists())
    }

    /// The unit, or why there is none.
    pub(super) fn require_unit(&self) -> Result<&UnitFacts, String> {
        let service =
            self.service.as_ref().map_err(|why| format!("no systemd of your own answers: {why}"))?;
        match (service.service_state.exists(), service.is_system_unit) {
            (true, _) => Ok(service),
            (false, true) => Err("the unit is the machine's: systemctl status moonrelay".to_owned()),
            (false, false) => Err("no unit is installed".to_owned()),
        }
    }

    /// The status of the running gateway.
    pub(super) fn gateway_status(&self) -> Option<&Value> {
        self.gateway.as_ref()?.as_ref().ok()
    }

    /// Whether the running gateway reports this provider as available.
    pub(super) fn is_enabled_in_gateway(&self, provider: &str) -> bool {
        let providers = self.gateway_status().and_then(|status| status.get("providers")?.as_array());
        let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        providers.into_iter().flatten().any(|entry| {
            text(entry, "id").as_deref() == Some(provider) && text(entry, "state").as_deref() != Some("off")
        })
    }

    /// The command, or where Nix manages the configuration the line of it.
    pub(super) fn choose_fix(&self, command: impl Into<String>, nix: impl Into<String>) -> String {
        if self.config.is_managed { nix.into() } else { command.into() }
    }

    /// The reason for a skipped check.
    pub(super) const fn no_probe_reason(&self) -> &'static str {
        if self.is_offline { "--offline" } else { "the configuration is not valid" }
    }
}

/// Facts from local programs. They run in a thread, which is abandoned if a program hangs.
async fn query_programs(
    environment: &Environment,
    configuration: &ConfigFacts,
) -> (Result<UnitFacts, String>, Option<StateDirectory>) {
    let directory = environment.state_directory();
    let of_configuration = environment.config_directory();
    let keeps = configuration.settings.as_ref().map_or(true, |settings| settings.usage.is_enabled);
    let of_systemd = tokio::task::spawn_blocking({
        let environment = environment.clone();
        move || UnitFacts::query(&environment)
    });
    let of_disk = tokio::task::spawn_blocking(move || {
        directory.map(|path| StateDirectory::inspect(path, of_configuration.as_deref(), keeps))
    });
    let (service, state) = tokio::join!(
        tokio::time::timeout(PROGRAMS_TIMEOUT, of_systemd),
        tokio::time::timeout(PROGRAMS_TIMEOUT, of_disk)
    );
    let late = || format!("systemctl did not answer within {} s", PROGRAMS_TIMEOUT.as_secs());
    let service = match service {
        Ok(Ok(service)) => service,
        Ok(Err(_)) | Err(_) => Err(late()),
    };
    (service, state.ok().and_then(Result::ok).flatten())
}
