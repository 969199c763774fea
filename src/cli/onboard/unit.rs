//! The systemd user unit, offered where systemd is there and has none yet.

use serde_json::{Value, json};

use super::{Args, prompt};
use crate::cli::console::Console;
use crate::cli::exit::Ending;
use crate::cli::service;
use crate::service::systemctl::{self, State};
use crate::service::unit::SERVICE;

/// What became of it.
pub(super) enum Unit {
    /// Nobody wanted it, or there is no systemd of this user's.
    Left,
    /// It is there already.
    There {
        /// `active`, `failed`, …
        state: String,
    },
    /// It was written and started.
    Installed {
        /// `active`, `failed`, …
        state: String,
    },
    /// It was wanted, and was not installed.
    Failed(Ending),
}

/// Installs it where it is wanted; asks where nobody said so.
pub(super) async fn offer(args: &Args, console: &Console<'_>) -> Unit {
    if args.install_service {
        return install(console);
    }
    if args.no_install_service {
        return Unit::Left;
    }
    if systemctl::version().is_err() {
        return Unit::Left;
    }
    match State::of(SERVICE) {
        Ok(state) if state.exists() => Unit::There { state: state.active().to_owned() },
        Ok(_) if !args.non_interactive => {
            match prompt::confirm("Install and start the systemd user unit?", true).await {
                Ok(true) => install(console),
                Ok(false) => Unit::Left,
                Err(ending) => Unit::Failed(ending),
            }
        }
        _ => Unit::Left,
    }
}

fn install(console: &Console<'_>) -> Unit {
    match service::install_unit(console) {
        Ok(state) => Unit::Installed { state },
        Err(ending) => Unit::Failed(ending),
    }
}

impl Unit {
    /// For `--json`.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Left => Value::Null,
            Self::There { state } => json!({ "installed": false, "unit": SERVICE, "state": state }),
            Self::Installed { state } => json!({ "installed": true, "unit": SERVICE, "state": state }),
            Self::Failed(ending) => json!({ "installed": false, "unit": SERVICE, "error": ending.message() }),
        }
    }

    /// For people.
    pub(super) fn words(&self) -> Option<String> {
        match self {
            Self::Left => None,
            Self::There { state } => Some(format!("{SERVICE} is there already: {state}")),
            Self::Installed { state } => Some(format!(
                "{SERVICE} is installed: {state}. It ends with your last session; to keep it: loginctl enable-linger"
            )),
            Self::Failed(ending) => Some(format!("{SERVICE} was not installed: {}", ending.message())),
        }
    }
}
