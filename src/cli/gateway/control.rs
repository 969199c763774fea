//! `moonrelay gateway start|stop|restart`: the unit in the user's own systemd.

use clap::Args as ClapArgs;
use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::Ending;
use crate::cli::units::{self, Units};
use crate::service::unit::SERVICE;

/// What `start`, `stop` and `restart` take.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

const BY_HAND: &str = "run: moonrelay gateway run";

/// Starts the socket, where there is one, and the service; waits until it is ready.
pub(super) fn start(console: &mut Console<'_>) -> Result<(), Ending> {
    let names = Units::installed(BY_HAND)?.names();
    units::forget_failures(&names);
    units::ask("start", &names)?;
    tell(console)
}

/// Stops both; answers under way run to their end first.
pub(super) fn stop(console: &mut Console<'_>) -> Result<(), Ending> {
    let by_hand = "end the one in your terminal with Ctrl-C, or with kill and its process id";
    let names = Units::installed(by_hand)?.names();
    units::ask("stop", &names)?;
    tell(console)
}

/// Ends the service and starts it again. A socket stays: who connects meanwhile waits.
pub(super) fn restart(console: &mut Console<'_>) -> Result<(), Ending> {
    let units = Units::installed(BY_HAND)?;
    units::forget_failures(&units.names());
    // A socket that failed with its service is not brought back by the service alone.
    if units.socket.exists() && units.socket.active() != "active" {
        units::ask("stop", &[SERVICE])?;
        return start(console);
    }
    units::ask("restart", &[SERVICE])?;
    tell(console)
}

/// How the service is now.
pub(super) fn tell(console: &mut Console<'_>) -> Result<(), Ending> {
    let service = Units::look(BY_HAND)?.service;
    let (state, status) = (service.active(), service.status());
    if console.json {
        return console.print_json(&json!({ "ok": true, "unit": SERVICE, "state": state, "status": status }));
    }
    match status {
        "" => console.line(format_args!("{SERVICE}: {state}")),
        status => console.line(format_args!("{SERVICE}: {state}, {status}")),
    }
}
