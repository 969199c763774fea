//! Everything that the checks go by, looked at once. Each look has its limit of time; those that wait run side by side.

pub(super) mod configuration;
pub(super) mod disk;
pub(super) mod files;
pub(super) mod network;
pub(super) mod service;
pub(super) mod sockets;
pub(super) mod unit_file;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use self::configuration::Configuration;
use self::disk::State;
use self::files::File;
use self::network::Asked;
use self::service::Service;
use self::sockets::Listener;
use crate::cli::console::Console;
use crate::cli::gateway::running::Address;
use crate::cli::progress::Progress;
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::upstream::Connector;

/// To connect to a provider.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// A gateway on this machine answers in milliseconds.
const GATEWAY: Duration = Duration::from_secs(2);
/// For what a program of this machine is asked (systemctl, loginctl, df), all of it together.
const PROGRAMS: Duration = Duration::from_secs(8);

/// What was seen.
pub(super) struct Facts {
    /// Variables and directories of this shell.
    pub(super) environment: Environment,
    /// The file, as it stands and as it is understood.
    pub(super) configuration: Configuration,
    /// Files that hold secrets, or may.
    pub(super) files: Vec<File>,
    /// The unit in the user's systemd; the error is why none answers.
    pub(super) service: Result<Service, String>,
    /// What the gateway says of itself, or why none answers; `None` where no configuration says where to ask.
    pub(super) gateway: Option<Result<Value, String>>,
    /// Who listens on this machine's ports; `None` where that cannot be seen.
    pub(super) listeners: Option<Vec<Listener>>,
    /// What the providers answered; `None` where none was asked.
    pub(super) providers: Option<Vec<Asked>>,
    /// The state directory; `None` without a home.
    pub(super) state: Option<State>,
    /// Whether nobody beyond this machine may be asked.
    pub(super) offline: bool,
    /// This process's user.
    pub(super) uid: Option<u32>,
    /// When it was looked.
    pub(super) now: SystemTime,
}

impl Facts {
    /// Looks.
    pub(super) async fn gather(
        console: &Console<'_>,
        connector: &Arc<dyn Connector>,
        offline: bool,
        progress: &Progress,
    ) -> Self {
        progress.show("looking at the configuration");
        let environment = console.environment.clone();
        let configuration = Configuration::look(console);
        progress.show("asking systemd");
        let (service, state) = programs(&environment, &configuration).await;
        let service = service.map(|service| service.resolved(&configuration, &environment));
        let mut facts = Self {
            files: files::look(&environment, &configuration, service.as_ref().ok()),
            listeners: sockets::listening(),
            uid: sockets::own_uid(),
            now: SystemTime::now(),
            environment,
            configuration,
            service,
            gateway: None,
            providers: None,
            state,
            offline,
        };
        let Ok(settings) = &facts.configuration.settings else { return facts };
        progress.show(if offline { "asking the gateway" } else { "asking the gateway and the providers" });
        let address = Address::of(&settings.gateway.bind, settings.gateway.port);
        let gateway = address.status(settings, connector.as_ref(), GATEWAY);
        let providers = async {
            match (offline, facts.serving()) {
                (false, Some(serving)) => Some(network::ask(serving, connector, progress).await),
                _ => None,
            }
        };
        let (gateway, providers) = tokio::join!(gateway, providers);
        facts.gateway = Some(gateway);
        facts.providers = providers;
        facts
    }

    /// The settings with which the gateway serves: with the keys that its unit has, where there is one.
    pub(super) fn serving(&self) -> Option<&Settings> {
        let own = || self.configuration.settings.as_ref().ok();
        self.unit().and_then(|service| service.settings.as_ref()).or_else(own)
    }

    /// The same, or why there are none: the reason for which most checks are left out.
    pub(super) fn settings(&self) -> Result<&Settings, String> {
        self.serving().ok_or_else(|| "the configuration is not valid".to_owned())
    }

    /// What systemd knows of the unit, where there is one.
    pub(super) fn unit(&self) -> Option<&Service> {
        self.service.as_ref().ok().filter(|service| service.unit.exists())
    }

    /// The unit, or why there is none.
    pub(super) fn installed(&self) -> Result<&Service, String> {
        let service =
            self.service.as_ref().map_err(|why| format!("no systemd of your own answers: {why}"))?;
        match (service.unit.exists(), service.of_machine) {
            (true, _) => Ok(service),
            (false, true) => Err("the unit is the machine's: systemctl status moonrelay".to_owned()),
            (false, false) => Err("no unit is installed".to_owned()),
        }
    }

    /// What the running gateway says of itself.
    pub(super) fn status(&self) -> Option<&Value> {
        self.gateway.as_ref()?.as_ref().ok()
    }

    /// Whether the running gateway can call this provider, as it says itself.
    pub(super) fn is_on_in_the_gateway(&self, provider: &str) -> bool {
        let providers = self.status().and_then(|status| status.get("providers")?.as_array());
        let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        providers.into_iter().flatten().any(|entry| {
            text(entry, "id").as_deref() == Some(provider) && text(entry, "state").as_deref() != Some("off")
        })
    }

    /// The command, or where Nix manages the configuration the line of it.
    pub(super) fn fix(&self, command: impl Into<String>, nix: impl Into<String>) -> String {
        if self.configuration.managed { nix.into() } else { command.into() }
    }

    /// As a reason for a check that is left out.
    pub(super) const fn why_nobody_was_asked(&self) -> &'static str {
        if self.offline { "--offline" } else { "the configuration is not valid" }
    }
}

/// What programs say. They are waited for in a thread: one that hangs is left behind.
async fn programs(
    environment: &Environment,
    configuration: &Configuration,
) -> (Result<Service, String>, Option<State>) {
    let directory = environment.state_directory();
    let of_configuration = environment.config_directory();
    let keeps = configuration.settings.as_ref().map_or(true, |settings| settings.usage.kept);
    let of_systemd = tokio::task::spawn_blocking({
        let environment = environment.clone();
        move || Service::look(&environment)
    });
    let of_disk = tokio::task::spawn_blocking(move || {
        directory.map(|path| State::look(path, of_configuration.as_deref(), keeps))
    });
    let (service, state) =
        tokio::join!(tokio::time::timeout(PROGRAMS, of_systemd), tokio::time::timeout(PROGRAMS, of_disk));
    let late = || format!("systemctl did not answer within {} s", PROGRAMS.as_secs());
    let service = match service {
        Ok(Ok(service)) => service,
        Ok(Err(_)) | Err(_) => Err(late()),
    };
    (service, state.ok().and_then(Result::ok).flatten())
}
