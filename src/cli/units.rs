//! The units in the user's own systemd, as commands see them.

use std::process::Command;

use super::exit::Ending;
use crate::service::systemctl::{self, Refusal, State};
use crate::service::unit::{SERVICE, SOCKET};

/// How the installed units are.
pub(super) struct Units {
    /// The service.
    pub(super) service: State,
    /// Its socket.
    pub(super) socket: State,
}

impl Units {
    /// Asks systemd.
    ///
    /// # Errors
    /// When no systemd of this user answers; `instead` is what to do without it.
    pub(super) fn look(instead: &str) -> Result<Self, Ending> {
        let state = |unit| State::of(unit).map_err(|refusal| no_session(&refusal, instead));
        Ok(Self { service: state(SERVICE)?, socket: state(SOCKET)? })
    }

    /// As [`Units::look`], of a service that must be there.
    ///
    /// # Errors
    /// When there is no systemd, or no unit in it.
    pub(super) fn installed(instead: &str) -> Result<Self, Ending> {
        let units = Self::look(instead)?;
        if units.service.exists() {
            return Ok(units);
        }
        let message =
            format!("there is no unit {SERVICE}: moonrelay service install makes one; without it {instead}");
        Err(Ending::failure("no_unit", message))
    }

    /// The names of those that are there, the socket first: while it stands a client would start the service again.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let both = [(SOCKET, &self.socket), (SERVICE, &self.service)];
        both.into_iter().filter(|(_, state)| state.exists()).map(|(name, _)| name).collect()
    }
}

/// There is no systemd to talk to: exit 1.
pub(super) fn no_session(refusal: &Refusal, instead: &str) -> Ending {
    Ending::failure("no_systemd", format!("no systemd of your own answers ({}): {instead}", refusal.said()))
}

/// systemd did not do it: exit 1, with where the reason stands.
pub(super) fn refused(refusal: &Refusal) -> Ending {
    let service = State::of(SERVICE).unwrap_or_default();
    let why = match (service.active(), service.exit()) {
        ("failed", "78") => "the configuration does not serve: moonrelay config validate, and ",
        _ => "why: ",
    };
    Ending::failure("systemd_refused", format!("{refusal}\n{why}moonrelay gateway logs -n 20"))
}

/// Asks systemd for something.
///
/// # Errors
/// When it is not done.
pub(super) fn ask(verb: &str, units: &[&str]) -> Result<(), Ending> {
    let arguments: Vec<&str> = [verb].into_iter().chain(units.iter().copied()).collect();
    systemctl::run(&arguments).map(drop).map_err(|refusal| refused(&refusal))
}

/// Starts that were too many, or failed, do not count against this one.
pub(super) fn forget_failures(units: &[&str]) {
    let arguments: Vec<&str> = ["reset-failed"].into_iter().chain(units.iter().copied()).collect();
    // One that has not failed, or is not loaded, is refused, and needs nothing.
    let _ = systemctl::run(&arguments);
}

/// The unit's journal, printed by `journalctl` itself.
///
/// # Errors
/// When there is none, or it fails.
pub(super) fn journal(arguments: &[String]) -> Result<(), Ending> {
    let mut command = Command::new("journalctl");
    let status = command.args(["--user", "-u", "moonrelay"]).args(arguments).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Ending::silent()),
        Err(error) => Err(Ending::failure("no_systemd", format!("journalctl: {error}"))),
    }
}
