//! The result of `onboard`: what was written, the systemd unit, the running gateway, and the next step.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Args;
use super::provider::SecretWrite;
use crate::cli::command::{CommandContext, CommandError, is_same_file, save_result_json, save_result_text};
use crate::cli::{prompt, service};
use crate::config::edit::SaveOutcome;
use crate::config::settings::Settings;
use crate::service::systemctl::{self, UnitState};
use crate::service::unit::SERVICE_NAME;
use crate::upstream::Connector;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::gateway_status::STATUS_TIMEOUT;

/// What was done. It contains no key.
pub(super) struct SetupReport {
    /// The value of `--auth-choice` or `--section`.
    pub(super) subject: String,
    pub(super) provider: String,
    /// The result of the key check.
    pub(super) check_text: String,
    pub(super) check_json: Value,
    pub(super) secrets: Option<SecretWrite>,
    pub(super) save_result: SaveOutcome,
    pub(super) warnings: Vec<String>,
}

impl SetupReport {
    pub(super) async fn print(
        self,
        unit: UnitOutcome,
        context: &mut CommandContext<'_>,
        connector: &dyn Connector,
    ) -> Result<(), CommandError> {
        let settings = context.load_settings()?;
        let file = context.locate_config()?.path;
        let gateway = RunningGateway::query(&settings, &file, connector).await;
        let chain: Vec<String> = settings.default_chain.references.iter().map(ToString::to_string).collect();
        let secrets = self.secrets.as_ref().map(
            |secrets| json!({ "path": secrets.path, "name": secrets.name, "changed": secrets.is_changed }),
        );
        let mut config = save_result_json(&self.save_result, &file);
        if let Some(config) = config.as_object_mut() {
            config.shift_remove("ok");
        }
        let value = json!({
            "ok": !matches!(unit, UnitOutcome::Failed(_)),
            "setUp": self.subject,
            "provider": self.provider,
            "check": self.check_json,
            "secrets": secrets,
            "config": config,
            "model": { "primary": chain.first(), "fallbacks": chain.get(1..).unwrap_or_default() },
            "service": unit.to_json(),
            "gateway": gateway.as_ref().map_or_else(|| json!({ "running": false }), RunningGateway::to_json),
            "warnings": self.warnings,
        });
        context.report(&value, || self.to_text(&chain, &unit, gateway.as_ref(), &file))?;
        if matches!(unit, UnitOutcome::Failed(_)) { Err(CommandError::silent()) } else { Ok(()) }
    }

    fn to_text(
        &self,
        chain: &[String],
        unit: &UnitOutcome,
        gateway: Option<&RunningGateway>,
        file: &Path,
    ) -> String {
        let mut lines = vec![self.check_text.clone()];
        if let Some(SecretWrite { path, name, is_changed }) = &self.secrets {
            lines.push(match is_changed {
                true => format!("{name} written to {} (mode 0600)", path.display()),
                false => format!("No change: {name} is already in {}", path.display()),
            });
        }
        lines.push(save_result_text(&self.save_result, &format!("{} configured", self.provider), file));
        if !chain.is_empty() {
            lines.push(format!("chain: {}", chain.join(", ")));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines.extend(unit.to_text());
        lines.extend(gateway.map(RunningGateway::to_text));
        lines.push("next: moonrelay agent --message hi".to_owned());
        if gateway.is_none() && !matches!(unit, UnitOutcome::Installed { .. }) {
            lines.push("      moonrelay gateway run".to_owned());
        }
        lines.join("\n")
    }
}

/// The running gateway.
struct RunningGateway {
    address: String,
    /// Its configuration file, if that is another one.
    other_config: Option<PathBuf>,
    watches_file: bool,
}

impl RunningGateway {
    async fn query(settings: &Settings, file: &Path, connector: &dyn Connector) -> Option<Self> {
        let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
        let status = address.status(settings, connector, STATUS_TIMEOUT).await.ok()?;
        // A gateway that was started without a file looks for it where commands do.
        let other_config = status.config.filter(|theirs| !is_same_file(theirs, file));
        let watches_file = settings.gateway.is_reload_enabled;
        Some(Self { address: address.to_string(), other_config, watches_file })
    }

    fn to_json(&self) -> Value {
        let reloads = self.watches_file && self.other_config.is_none();
        let mut value = json!({ "running": true, "address": self.address, "reloads": reloads });
        if let Some(file) = &self.other_config {
            value["config"] = json!(file);
        }
        value
    }

    fn to_text(&self) -> String {
        let address = &self.address;
        match &self.other_config {
            Some(file) => {
                format!("the gateway on {address} uses another configuration: {}", file.display())
            }
            None if self.watches_file => {
                format!("the gateway on {address} reloads the configuration automatically")
            }
            None => format!("to apply it to the gateway on {address}: moonrelay gateway reload"),
        }
    }
}

/// The result for the systemd user unit. `state` is `active`, `failed`, ….
pub(super) enum UnitOutcome {
    /// It was not requested, or the user has no systemd.
    NotInstalled,
    AlreadyInstalled {
        state: String,
    },
    Installed {
        state: String,
    },
    Failed(CommandError),
}

impl UnitOutcome {
    /// Installs the unit if requested; prompts if no option decides and there is none yet.
    pub(super) async fn offer(args: &Args, context: &CommandContext<'_>) -> Self {
        if args.install_service {
            return Self::install(context);
        }
        if args.no_install_service || systemctl::read_version().is_err() {
            return Self::NotInstalled;
        }
        match UnitState::query(SERVICE_NAME) {
            Ok(state) if state.exists() => Self::AlreadyInstalled { state: state.active_state().to_owned() },
            Ok(_) if !args.non_interactive => {
                match prompt::confirm("Install and start the systemd user unit?", true).await {
                    Ok(true) => Self::install(context),
                    Ok(false) => Self::NotInstalled,
                    Err(error) => Self::Failed(error),
                }
            }
            _ => Self::NotInstalled,
        }
    }

    fn install(context: &CommandContext<'_>) -> Self {
        service::install_unit(context).map_or_else(Self::Failed, |state| Self::Installed { state })
    }

    fn to_json(&self) -> Value {
        let mut value = json!({ "installed": matches!(self, Self::Installed { .. }), "unit": SERVICE_NAME });
        match self {
            Self::NotInstalled => return Value::Null,
            Self::AlreadyInstalled { state } | Self::Installed { state } => value["state"] = json!(state),
            Self::Failed(error) => value["error"] = json!(error.message()),
        }
        value
    }

    fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::NotInstalled => return None,
            Self::AlreadyInstalled { state } => format!("{SERVICE_NAME} is already installed: {state}"),
            Self::Installed { state } => format!(
                "{SERVICE_NAME} installed: {state}. It stops when your last session ends; to keep it running: \
                 loginctl enable-linger"
            ),
            Self::Failed(error) => format!("{SERVICE_NAME} was not installed: {}", error.message()),
        })
    }
}
