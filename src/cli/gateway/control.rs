//! `moonrelay gateway start|stop|restart`: the unit in the user's own systemd.

use clap::Args as ClapArgs;
use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::CommandError;
use crate::cli::systemd_units::{self, UnitStates};
use crate::service::unit::SERVICE_NAME;

/// Arguments of `start`, `stop` and `restart`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

const MANUAL_HINT: &str = "run: moonrelay gateway run";

/// Starts the socket unit, if there is one, and the service; waits until it is ready.
pub(super) fn start(console: &mut Console<'_>) -> Result<(), CommandError> {
    let names = UnitStates::query_installed(MANUAL_HINT)?.unit_names();
    systemd_units::reset_failed(&names);
    systemd_units::run_systemctl("start", &names)?;
    print_state(console)
}

/// Stops both units after active requests have finished.
pub(super) fn stop(console: &mut Console<'_>) -> Result<(), CommandError> {
    let by_hand = "end the one in your terminal with Ctrl-C, or with kill and its process id";
    let names = UnitStates::query_installed(by_hand)?.unit_names();
    systemd_units::run_systemctl("stop", &names)?;
    print_state(console)
}

/// Restarts the service. The socket unit stays active: clients that connect meanwhile wait.
pub(super) fn restart(console: &mut Console<'_>) -> Result<(), CommandError> {
    let units = UnitStates::query_installed(MANUAL_HINT)?;
    systemd_units::reset_failed(&units.unit_names());
    // A socket that failed with its service is not brought back by the service alone.
    if units.socket.exists() && units.socket.active_state() != "active" {
        systemd_units::run_systemctl("stop", &[SERVICE_NAME])?;
        return start(console);
    }
    systemd_units::run_systemctl("restart", &[SERVICE_NAME])?;
    print_state(console)
}

/// Prints the state of the service.
pub(super) fn print_state(console: &mut Console<'_>) -> Result<(), CommandError> {
    let service = UnitStates::query(MANUAL_HINT)?.service;
    let (state, status) = (service.active_state(), service.status());
    if console.json {
        return console
            .print_json(&json!({ "ok": true, "unit": SERVICE_NAME, "state": state, "status": status }));
    }
    match status {
        "" => console.print_line(format_args!("{SERVICE_NAME}: {state}")),
        status => console.print_line(format_args!("{SERVICE_NAME}: {state}, {status}")),
    }
}
