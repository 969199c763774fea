//! What `onboard` writes and reports: the key, the systemd unit, the running gateway, and the next step.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Args;
use crate::cli::command::{CommandContext, CommandError, is_same_file, save_result_json, save_result_text};
use crate::cli::{prompt, service};
use crate::config::edit::{Document, EditError, ManagedFile, SaveOutcome, set_secret};
use crate::config::settings::Settings;
use crate::secret::Secret;
use crate::service::systemctl::{self, UnitState};
use crate::service::unit::SERVICE_NAME;
use crate::upstream::Connector;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::gateway_status::STATUS_TIMEOUT;

/// A key that was written into the secrets file.
pub(super) struct SecretWrite {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) is_changed: bool,
}

impl SecretWrite {
    /// Writes a key. Adds a warning if a variable of this shell wins over the file.
    pub(super) fn store(
        name: &str,
        key: &Secret,
        context: &CommandContext<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, CommandError> {
        let path = context.environment.secrets_file();
        let path =
            path.ok_or_else(|| CommandError::failure("no_home", "no directory for the key: set HOME"))?;
        let is_changed = set_secret(&path, name, key, &context.environment)?;
        if context.environment.get(name).is_some_and(|value| value.trim() != key.expose()) {
            warnings.push(format!(
                "{name} has another value in this shell, which overrides the file. Run: unset {name}"
            ));
        }
        Ok(Self { path, name: name.to_owned(), is_changed })
    }
}

/// The Nix lines for a change, and how to store the key. `LoadCredential=` passes the file to the gateway
/// (nix/modules/unit.nix). home-manager's sandbox leaves `~/.config/moonrelay` visible, so a key in its `env` file is
/// found too (nix/modules/sandbox.nix).
pub(super) fn managed_error(managed: ManagedFile, name: Option<&str>, document: &Document) -> CommandError {
    let mut nix_lines = document.nix_lines();
    let Some(name) = name else {
        return EditError::Managed(ManagedFile { nix_lines, ..managed }).into();
    };
    let lower = name.to_lowercase();
    // There may be a line with a placeholder already.
    nix_lines.retain(|line| !line.starts_with(&format!("services.moonrelay.credentials.{name} ")));
    nix_lines.push(format!("services.moonrelay.credentials.{name} = \"%h/.secrets/{lower}\";"));
    let error = EditError::Managed(ManagedFile { nix_lines, ..managed });
    CommandError::failure(
        "managed_config",
        format!(
            "{error}\nStore the key alone in that file, then switch:\n  \
             (umask 077; mkdir -p ~/.secrets; cat >~/.secrets/{lower})   # paste it, Enter, Ctrl-D\n\
             For home-manager's service and for commands, a line {name}=… in ~/.config/moonrelay/env (mode 0600) works \
             too; Nix does not manage that file. Nothing was changed."
        ),
    )
}

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
        unit: UnitReport,
        context: &mut CommandContext<'_>,
        connector: &dyn Connector,
    ) -> Result<(), CommandError> {
        let settings = context.load_settings()?;
        let file = context.locate_config()?.path;
        let (gateway, gateway_text) = query_gateway(&settings, &file, connector).await;
        let chain: Vec<String> = settings.default_chain.references.iter().map(ToString::to_string).collect();
        let mut lines = vec![self.check_text];
        let secrets = self.secrets.map(|SecretWrite { path, name, is_changed }| {
            lines.push(match is_changed {
                true => format!("{name} written to {} (mode 0600)", path.display()),
                false => format!("No change: {name} is already in {}", path.display()),
            });
            json!({ "path": path, "name": name, "changed": is_changed })
        });
        lines.push(save_result_text(&self.save_result, &format!("{} configured", self.provider), &file));
        if !chain.is_empty() {
            lines.push(format!("chain: {}", chain.join(", ")));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        let needs_start = gateway_text.is_none() && !unit.is_installed;
        lines.extend(unit.text.into_iter().chain(gateway_text));
        lines.push("next: moonrelay agent --message hi".to_owned());
        if needs_start {
            lines.push("      moonrelay gateway run".to_owned());
        }
        let mut config = save_result_json(&self.save_result, &file);
        if let Some(config) = config.as_object_mut() {
            config.shift_remove("ok");
        }
        let value = json!({
            "ok": !unit.is_failed,
            "setUp": self.subject,
            "provider": self.provider,
            "check": self.check_json,
            "secrets": secrets,
            "config": config,
            "model": { "primary": chain.first(), "fallbacks": chain.get(1..).unwrap_or_default() },
            "service": unit.json,
            "gateway": gateway,
            "warnings": self.warnings,
        });
        context.report(&value, || lines.join("\n"))?;
        if unit.is_failed { Err(CommandError::silent()) } else { Ok(()) }
    }
}

/// The running gateway, for `--json`; and for people, what applies the change to it, `None` without a gateway.
async fn query_gateway(
    settings: &Settings,
    file: &Path,
    connector: &dyn Connector,
) -> (Value, Option<String>) {
    let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
    let Ok(status) = address.status(settings, connector, STATUS_TIMEOUT).await else {
        return (json!({ "running": false }), None);
    };
    let address = address.to_string();
    // A gateway that was started without a file looks for it where commands do.
    let other = status.config.filter(|theirs| !is_same_file(theirs, file));
    let reloads = settings.gateway.is_reload_enabled && other.is_none();
    let mut value = json!({ "running": true, "address": address, "reloads": reloads });
    let text = match other {
        Some(file) => {
            value["config"] = json!(file);
            format!("the gateway on {address} uses another configuration: {}", file.display())
        }
        None if reloads => format!("the gateway on {address} reloads the configuration automatically"),
        None => format!("to apply it to the gateway on {address}: moonrelay gateway reload"),
    };
    (value, Some(text))
}

/// The result for the systemd user unit. By default it was not requested, or the user has no systemd.
#[derive(Default)]
pub(super) struct UnitReport {
    json: Value,
    text: Option<String>,
    is_installed: bool,
    is_failed: bool,
}

impl UnitReport {
    /// Installs the unit if requested; prompts if no option decides and there is none yet.
    pub(super) async fn offer(args: &Args, context: &CommandContext<'_>) -> Self {
        let is_wanted = if args.install_service {
            Ok(true)
        } else if args.no_install_service || systemctl::read_version().is_err() {
            Ok(false)
        } else {
            match UnitState::query(SERVICE_NAME) {
                Ok(state) if state.exists() => {
                    let state = state.active_state();
                    let text = Some(format!("{SERVICE_NAME} is already installed: {state}"));
                    let json = json!({ "installed": false, "unit": SERVICE_NAME, "state": state });
                    return Self { json, text, ..Self::default() };
                }
                Ok(_) if !args.non_interactive => {
                    prompt::confirm("Install and start the systemd user unit?", true).await
                }
                _ => Ok(false),
            }
        };
        let installed = match is_wanted {
            Ok(false) => return Self::default(),
            Ok(true) => service::install_unit(context),
            Err(error) => Err(error),
        };
        match installed {
            Ok(state) => Self {
                json: json!({ "installed": true, "unit": SERVICE_NAME, "state": state }),
                text: Some(format!(
                    "{SERVICE_NAME} installed: {state}. It stops when your last session ends; to keep it running: \
                     loginctl enable-linger"
                )),
                is_installed: true,
                is_failed: false,
            },
            Err(error) => Self {
                json: json!({ "installed": false, "unit": SERVICE_NAME, "error": error.message() }),
                text: Some(format!("{SERVICE_NAME} was not installed: {}", error.message())),
                is_installed: false,
                is_failed: true,
            },
        }
    }
}
