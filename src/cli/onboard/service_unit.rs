//! The systemd user unit, offered where systemd is there and has none yet.

use serde_json::{Value, json};

use super::{Args, prompt};
use crate::cli::console::Console;
use crate::cli::exit::CommandError;
use crate::cli::service;
use crate::service::systemctl::{self, UnitState};
use crate::service::unit::SERVICE_NAME;

/// What became of it.
pub(super) enum UnitOutcome {
    /// The unit was not wanted, or the user has no systemd.
    NotInstalled,
    /// It is there already.
    AlreadyInstalled {
        /// `active`, `failed`, …
        state: String,
    },
    /// It was written and started.
    Installed {
        /// `active`, `failed`, …
        state: String,
    },
    /// It was wanted, and was not installed.
    Failed(CommandError),
}

/// Installs the unit if wanted; prompts if no flag decides.
pub(super) async fn offer_unit(args: &Args, console: &Console<'_>) -> UnitOutcome {
    if args.install_service {
        return install_unit(console);
    }
    if args.no_install_service {
        return UnitOutcome::NotInstalled;
    }
    if systemctl::read_version().is_err() {
        return UnitOutcome::NotInstalled;
    }
    match UnitState::query(SERVICE_NAME) {
        Ok(state) if state.exists() => {
            UnitOutcome::AlreadyInstalled { state: state.active_state().to_owned() }
        }
        Ok(_) if !args.non_interactive => {
            match prompt::confirm("Install and start the systemd user unit?", true).await {
                Ok(true) => install_unit(console),
                Ok(false) => UnitOutcome::NotInstalled,
                Err(ending) => UnitOutcome::Failed(ending),
            }
        }
        _ => UnitOutcome::NotInstalled,
    }
}

fn install_unit(console: &Console<'_>) -> UnitOutcome {
    match service::install_unit(console) {
        Ok(state) => UnitOutcome::Installed { state },
        Err(ending) => UnitOutcome::Failed(ending),
    }
}

impl UnitOutcome {
    /// For `--json`.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::NotInstalled => Value::Null,
            Self::AlreadyInstalled { state } => {
                json!({ "installed": false, "unit": SERVICE_NAME, "state": state })
            }
            Self::Installed { state } => json!({ "installed": true, "unit": SERVICE_NAME, "state": state }),
            Self::Failed(ending) => {
                json!({ "installed": false, "unit": SERVICE_NAME, "error": ending.message() })
            }
        }
    }

    /// For people.
    pub(super) fn to_text(&self) -> Option<String> {
        match self {
            Self::NotInstalled => None,
            Self::AlreadyInstalled { state } => Some(format!("{SERVICE_NAME} is there already: {state}")),
            Self::Installed { state } => Some(format!(
                "{SERVICE_NAME} is installed: {state}. It ends with your last session; to keep it: loginctl enable-linger"
            )),
            Self::Failed(ending) => Some(format!("{SERVICE_NAME} was not installed: {}", ending.message())),
        }
    }
}
