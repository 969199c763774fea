//! The units in the user's systemd, as commands use them.

use std::process::Command;

use super::command::CommandError;
use crate::service::systemctl::{self, SystemctlError, UnitState};
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME};

/// States of the units.
pub(super) struct UnitStates {
    pub(super) service: UnitState,
    pub(super) socket: UnitState,
}

impl UnitStates {
    /// Queries systemd.
    ///
    /// # Errors
    /// When the user's systemd does not respond; `hint` says what to do without it.
    pub(super) fn query(hint: &str) -> Result<Self, CommandError> {
        let state = |unit| UnitState::query(unit).map_err(|error| no_systemd_error(&error, hint));
        Ok(Self { service: state(SERVICE_NAME)?, socket: state(SOCKET_NAME)? })
    }

    /// The same for a service that must be installed.
    ///
    /// # Errors
    /// When there is no systemd, or no unit in it.
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

/// systemctl failed: exit 1, with the command that shows the reason.
pub(super) fn systemctl_error(error: &SystemctlError) -> CommandError {
    let service = UnitState::query(SERVICE_NAME).unwrap_or_default();
    let reason = match (service.active_state(), service.exit_code()) {
        ("failed", "78") => "invalid configuration: moonrelay config validate, and ",
        _ => "see ",
    };
    CommandError::failure("systemd_refused", format!("{error}\n{reason}moonrelay gateway logs -n 20"))
}

/// Runs `systemctl --user COMMAND UNITS…`.
///
/// # Errors
/// When it fails.
pub(super) fn run_systemctl(command: &str, units: &[&str]) -> Result<(), CommandError> {
    let arguments: Vec<&str> = [command].into_iter().chain(units.iter().copied()).collect();
    systemctl::run(&arguments).map(drop).map_err(|error| systemctl_error(&error))
}

/// Clears earlier failures, which would count against the next start.
pub(super) fn reset_failed(units: &[&str]) {
    let arguments: Vec<&str> = ["reset-failed"].into_iter().chain(units.iter().copied()).collect();
    // It fails for a unit that has not failed or is not loaded, which needs nothing.
    let _ = systemctl::run(&arguments);
}

/// Prints the unit's journal.
///
/// # Errors
/// When journalctl fails.
pub(super) fn run_journalctl(arguments: &[String]) -> Result<(), CommandError> {
    let mut command = Command::new("journalctl");
    let status = command.args(["--user", "-u", "moonrelay"]).args(arguments).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(CommandError::silent()),
        Err(error) => Err(CommandError::failure("no_systemd", format!("journalctl: {error}"))),
    }
}
