//! The units in the user's systemd, as commands use them.

use super::command::CommandError;
use crate::service::systemctl::{self, SystemctlError, UnitState};
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME};

/// States of the units.
pub(super) struct UnitStates {
    pub(super) service: UnitState,
    pub(super) socket: UnitState,
}

impl UnitStates {
    /// Queries the user's systemd; `hint` says what to do without it.
    pub(super) fn query(hint: &str) -> Result<Self, CommandError> {
        let state = |unit| UnitState::query(unit).map_err(|error| no_systemd_error(&error, hint));
        Ok(Self { service: state(SERVICE_NAME)?, socket: state(SOCKET_NAME)? })
    }

    /// The same for a service that must be installed.
    pub(super) fn query_installed(hint: &str) -> Result<Self, CommandError> {
        let units = Self::query(hint)?;
        if units.service.exists() {
            return Ok(units);
        }
        let message = format!(
            "the unit {SERVICE_NAME} is not installed. Install it with: moonrelay service install. Without a unit: {hint}"
        );
        Err(CommandError::failure("no_unit", message))
    }

    /// The names of the installed units. The socket is first: a client of an active socket would start the service again.
    pub(super) fn unit_names(&self) -> Vec<&'static str> {
        let both = [(SOCKET_NAME, &self.socket), (SERVICE_NAME, &self.service)];
        both.into_iter().filter(|(_, state)| state.exists()).map(|(name, _)| name).collect()
    }
}

/// The user's systemd does not respond: exit 1.
pub(super) fn no_systemd_error(error: &SystemctlError, hint: &str) -> CommandError {
    CommandError::failure("no_systemd", format!("cannot reach user systemd ({}): {hint}", error.message()))
}

/// Runs `systemctl --user COMMAND UNITS…`. The error has the command that shows the reason.
pub(super) fn run_systemctl(command: &str, units: &[&str]) -> Result<(), CommandError> {
    let Err(error) = systemctl::run(&[&[command], units].concat()) else { return Ok(()) };
    let service = UnitState::query(SERVICE_NAME).unwrap_or_default();
    let reason = match (service.active_state(), service.exit_code()) {
        ("failed", "78") => "invalid configuration: moonrelay config validate, and ",
        _ => "see ",
    };
    let message = format!("{error}\n{reason}moonrelay gateway logs -n 20");
    Err(CommandError::failure("systemd_refused", message))
}

/// Clears earlier failures, which would count against the next start.
pub(super) fn reset_failed(units: &[&str]) {
    // It fails for a unit that has not failed or is not loaded, which needs nothing.
    let _ = systemctl::run(&[&["reset-failed"], units].concat());
}
