//! The units in the user's own systemd, as commands see them.

use std::process::Command;

use super::exit::CommandError;
use crate::service::systemctl::{self, SystemctlError, UnitState};
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME};

/// How the installed units are.
pub(super) struct UnitStates {
    /// The service.
    pub(super) service: UnitState,
    /// Its socket.
    pub(super) socket: UnitState,
}

impl UnitStates {
    /// Asks systemd.
    ///
    /// # Errors
    /// When no systemd of this user answers; `instead` is what to do without it.
    pub(super) fn query(instead: &str) -> Result<Self, CommandError> {
        let state = |unit| UnitState::query(unit).map_err(|refusal| no_systemd_error(&refusal, instead));
        Ok(Self { service: state(SERVICE_NAME)?, socket: state(SOCKET_NAME)? })
    }

    /// As [`Units::look`], of a service that must be there.
    ///
    /// # Errors
    /// When there is no systemd, or no unit in it.
    pub(super) fn query_installed(instead: &str) -> Result<Self, CommandError> {
        let units = Self::query(instead)?;
        if units.service.exists() {
            return Ok(units);
        }
        let message = format!(
            "there is no unit {SERVICE_NAME}: moonrelay service install makes one; without it {instead}"
        );
        Err(CommandError::failure("no_unit", message))
    }

    /// The names of those that are there, the socket first: while it stands a client would start the service again.
    pub(super) fn unit_names(&self) -> Vec<&'static str> {
        let both = [(SOCKET_NAME, &self.socket), (SERVICE_NAME, &self.service)];
        both.into_iter().filter(|(_, state)| state.exists()).map(|(name, _)| name).collect()
    }
}

/// There is no systemd to talk to: exit 1.
pub(super) fn no_systemd_error(refusal: &SystemctlError, instead: &str) -> CommandError {
    CommandError::failure(
        "no_systemd",
        format!("no systemd of your own answers ({}): {instead}", refusal.message()),
    )
}

/// systemd did not do it: exit 1, with where the reason stands.
pub(super) fn systemctl_error(refusal: &SystemctlError) -> CommandError {
    let service = UnitState::query(SERVICE_NAME).unwrap_or_default();
    let why = match (service.active_state(), service.exit_code()) {
        ("failed", "78") => "the configuration does not serve: moonrelay config validate, and ",
        _ => "why: ",
    };
    CommandError::failure("systemd_refused", format!("{refusal}\n{why}moonrelay gateway logs -n 20"))
}

/// Asks systemd for something.
///
/// # Errors
/// When it is not done.
pub(super) fn run_systemctl(verb: &str, units: &[&str]) -> Result<(), CommandError> {
    let arguments: Vec<&str> = [verb].into_iter().chain(units.iter().copied()).collect();
    systemctl::run(&arguments).map(drop).map_err(|refusal| systemctl_error(&refusal))
}

/// Starts that were too many, or failed, do not count against this one.
pub(super) fn reset_failed(units: &[&str]) {
    let arguments: Vec<&str> = ["reset-failed"].into_iter().chain(units.iter().copied()).collect();
    // One that has not failed, or is not loaded, is refused, and needs nothing.
    let _ = systemctl::run(&arguments);
}

/// The unit's journal, printed by `journalctl` itself.
///
/// # Errors
/// When there is none, or it fails.
pub(super) fn run_journalctl(arguments: &[String]) -> Result<(), CommandError> {
    let mut command = Command::new("journalctl");
    let status = command.args(["--user", "-u", "moonrelay"]).args(arguments).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(CommandError::silent()),
        Err(error) => Err(CommandError::failure("no_systemd", format!("journalctl: {error}"))),
    }
}
