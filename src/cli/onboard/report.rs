//! The last word: what was found, what was written where, who takes it over, and what to do next.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::unit::Unit;
use crate::cli::console::{Console, saved_json, saved_words};
use crate::cli::exit::Ending;
use crate::cli::gateway::running::Address;
use crate::config::edit::Saved;
use crate::config::settings::Settings;
use crate::upstream::Connector;

/// A gateway on this machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the key went.
pub(super) struct Secrets {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) changed: bool,
}

/// What was done. No key.
pub(super) struct Report {
    /// The choice or the section.
    pub(super) what: &'static str,
    pub(super) provider: String,
    /// What was found of the key, for people.
    pub(super) said: String,
    /// The same for `--json`.
    pub(super) check: Value,
    pub(super) secrets: Option<Secrets>,
    pub(super) saved: Saved,
    pub(super) warnings: Vec<String>,
}

/// Tells it.
///
/// # Errors
/// When the unit was asked for and was not installed, or the output is gone.
pub(super) async fn tell(
    report: Report,
    unit: Unit,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<(), Ending> {
    let settings = console.settings()?;
    let running = Running::ask(&settings, console, connector).await;
    let file = console.location()?.path;
    if console.json {
        let value = as_json(&report, &settings, &unit, &running, &file);
        console.print_json(&value)?;
    } else {
        for line in lines(&report, &settings, &unit, &running, &file) {
            console.line(line)?;
        }
    }
    match unit {
        Unit::Failed(_) => Err(Ending::silent()),
        _ => Ok(()),
    }
}

fn as_json(report: &Report, settings: &Settings, unit: &Unit, running: &Running, file: &Path) -> Value {
    let secrets = report.secrets.as_ref();
    let secrets = secrets
        .map(|secrets| json!({ "path": secrets.path, "name": secrets.name, "changed": secrets.changed }));
    let mut config = saved_json(&report.saved, file);
    if let Some(config) = config.as_object_mut() {
        config.shift_remove("ok");
    }
    let mut chain = settings.default_chain.references.iter().map(ToString::to_string);
    json!({
        "ok": !matches!(unit, Unit::Failed(_)),
        "setUp": report.what,
        "provider": report.provider,
        "check": report.check,
        "secrets": secrets,
        "config": config,
        "model": { "primary": chain.next(), "fallbacks": chain.collect::<Vec<_>>() },
        "service": unit.json(),
        "gateway": running.json(),
        "warnings": report.warnings,
    })
}

fn lines(report: &Report, settings: &Settings, unit: &Unit, running: &Running, file: &Path) -> Vec<String> {
    let mut lines = vec![report.said.clone()];
    lines.extend(report.secrets.as_ref().map(|secrets| {
        let (name, path) = (&secrets.name, secrets.path.display());
        match secrets.changed {
            true => format!("{name} written to {path} (mode 0600)"),
            false => format!("No change: {path} has this {name} already"),
        }
    }));
    lines.push(saved_words(&report.saved, &format!("{} set up", report.provider), file));
    let chain: Vec<String> = settings.default_chain.references.iter().map(ToString::to_string).collect();
    if !chain.is_empty() {
        lines.push(format!("asked in this order: {}", chain.join(", ")));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(unit.words());
    lines.extend(running.words());
    lines.push("next: moonrelay agent --message hi".to_owned());
    if matches!(running, Running::None) && !matches!(unit, Unit::Installed { .. }) {
        lines.push("      moonrelay gateway run".to_owned());
    }
    lines
}

/// The gateway that runs, if one does.
enum Running {
    None,
    /// It reads this configuration; whether it watches the file.
    This {
        address: String,
        watches: bool,
    },
    /// It reads another one.
    Other {
        address: String,
        file: String,
    },
}

impl Running {
    async fn ask(settings: &Settings, console: &Console<'_>, connector: &dyn Connector) -> Self {
        let place = Address::of(&settings.gateway.bind, settings.gateway.port);
        let Ok(status) = place.status(settings, connector, PATIENCE).await else { return Self::None };
        let address = place.to_string();
        // One that was started without a file looks for it where commands do.
        let theirs = status.get("config").and_then(Value::as_str).map(PathBuf::from);
        let ours = console.location().ok().map(|location| location.path);
        match theirs {
            Some(theirs) if !ours.is_some_and(|ours| same(&theirs, &ours)) => {
                Self::Other { address, file: theirs.display().to_string() }
            }
            _ => Self::This { address, watches: settings.gateway.reload },
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::None => json!({ "running": false }),
            Self::This { address, watches } => {
                json!({ "running": true, "address": address, "reloads": watches })
            }
            Self::Other { address, file } => {
                json!({ "running": true, "address": address, "reloads": false, "config": file })
            }
        }
    }

    fn words(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::This { address, watches: true } => {
                Some(format!("the gateway on {address} watches the files and takes it over by itself"))
            }
            Self::This { address, watches: false } => {
                Some(format!("the gateway on {address} takes it over with: moonrelay gateway reload"))
            }
            Self::Other { address, file } => {
                Some(format!("the gateway on {address} reads another configuration: {file}"))
            }
        }
    }
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
