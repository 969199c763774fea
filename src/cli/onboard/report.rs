//! The final report: what was found, what was written and where, what takes it over, and what to do next.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::service_unit::UnitOutcome;
use crate::cli::console::{Console, save_result_json, save_result_text};
use crate::cli::exit::CommandError;
use crate::cli::gateway::running_gateway::GatewayAddress;
use crate::config::edit::SaveOutcome;
use crate::config::settings::Settings;
use crate::upstream::Connector;

/// A gateway on this machine answers in milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

/// Where the key went.
pub(super) struct SecretWrite {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) is_changed: bool,
}

/// What was done. No key.
pub(super) struct SetupReport {
    /// The choice or the section.
    pub(super) subject: &'static str,
    pub(super) provider: String,
    /// What was found of the key, for people.
    pub(super) check_text: String,
    /// The same for `--json`.
    pub(super) check_json: Value,
    pub(super) secrets: Option<SecretWrite>,
    pub(super) save_result: SaveOutcome,
    pub(super) warnings: Vec<String>,
}

/// Prints the report.
///
/// # Errors
/// When the unit was requested and was not installed, or the output is closed.
pub(super) async fn print_report(
    report: SetupReport,
    unit: UnitOutcome,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let running = RunningGateway::query(&settings, console, connector).await;
    let file = console.locate_config()?.path;
    if console.json {
        let value = as_json(&report, &settings, &unit, &running, &file);
        console.print_json(&value)?;
    } else {
        for line in report_lines(&report, &settings, &unit, &running, &file) {
            console.print_line(line)?;
        }
    }
    match unit {
        UnitOutcome::Failed(_) => Err(CommandError::silent()),
        _ => Ok(()),
    }
}

fn as_json(
    report: &SetupReport,
    settings: &Settings,
    unit: &UnitOutcome,
    running: &RunningGateway,
    file: &Path,
) -> Value {
    let secrets = report.secrets.as_ref();
    let secrets = secrets
        .map(|secrets| json!({ "path": secrets.path, "name": secrets.name, "changed": secrets.is_changed }));
    let mut config = save_result_json(&report.save_result, file);
    if let Some(config) = config.as_object_mut() {
        config.shift_remove("ok");
    }
    let mut chain = settings.default_chain.references.iter().map(ToString::to_string);
    json!({
        "ok": !matches!(unit, UnitOutcome::Failed(_)),
        "setUp": report.subject,
        "provider": report.provider,
        "check": report.check_json,
        "secrets": secrets,
        "config": config,
        "model": { "primary": chain.next(), "fallbacks": chain.collect::<Vec<_>>() },
        "service": unit.to_json(),
        "gateway": running.to_json(),
        "warnings": report.warnings,
    })
}

fn report_lines(
    report: &SetupReport,
    settings: &Settings,
    unit: &UnitOutcome,
    running: &RunningGateway,
    file: &Path,
) -> Vec<String> {
    let mut lines = vec![report.check_text.clone()];
    lines.extend(report.secrets.as_ref().map(|secrets| {
        let (name, path) = (&secrets.name, secrets.path.display());
        match secrets.is_changed {
            true => format!("{name} written to {path} (mode 0600)"),
            false => format!("No change: {path} has this {name} already"),
        }
    }));
    lines.push(save_result_text(&report.save_result, &format!("{} set up", report.provider), file));
    let chain: Vec<String> = settings.default_chain.references.iter().map(ToString::to_string).collect();
    if !chain.is_empty() {
        lines.push(format!("asked in this order: {}", chain.join(", ")));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(unit.to_text());
    lines.extend(running.to_text());
    lines.push("next: moonrelay agent --message hi".to_owned());
    if matches!(running, RunningGateway::None) && !matches!(unit, UnitOutcome::Installed { .. }) {
        lines.push("      moonrelay gateway run".to_owned());
    }
    lines
}

/// The gateway that runs, if one does.
enum RunningGateway {
    None,
    /// It reads this configuration; whether it watches the file.
    SameConfig {
        address: String,
        watches_file: bool,
    },
    /// It reads another one.
    OtherConfig {
        address: String,
        file: String,
    },
}

impl RunningGateway {
    async fn query(settings: &Settings, console: &Console<'_>, connector: &dyn Connector) -> Self {
        let place = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
        let Ok(status) = place.fetch_status(settings, connector, STATUS_TIMEOUT).await else {
            return Self::None;
        };
        let address = place.to_string();
        // One that was started without a file looks for it where commands do.
        let theirs = status.get("config").and_then(Value::as_str).map(PathBuf::from);
        let ours = console.locate_config().ok().map(|location| location.path);
        match theirs {
            Some(theirs) if !ours.is_some_and(|ours| is_same_file(&theirs, &ours)) => {
                Self::OtherConfig { address, file: theirs.display().to_string() }
            }
            _ => Self::SameConfig { address, watches_file: settings.gateway.is_reload_enabled },
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::None => json!({ "running": false }),
            Self::SameConfig { address, watches_file: watches } => {
                json!({ "running": true, "address": address, "reloads": watches })
            }
            Self::OtherConfig { address, file } => {
                json!({ "running": true, "address": address, "reloads": false, "config": file })
            }
        }
    }

    fn to_text(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::SameConfig { address, watches_file: true } => {
                Some(format!("the gateway on {address} watches the files and takes it over by itself"))
            }
            Self::SameConfig { address, watches_file: false } => {
                Some(format!("the gateway on {address} takes it over with: moonrelay gateway reload"))
            }
            Self::OtherConfig { address, file } => {
                Some(format!("the gateway on {address} reads another configuration: {file}"))
            }
        }
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
