//! `moonrelay gateway reload`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::control;
use crate::cli::console::Console;
use crate::cli::exit::CommandError;
use crate::cli::systemd_units::{self, UnitStates};
use crate::config;
use crate::service::notify::RELOAD_REJECTED;
use crate::service::unit::SERVICE_NAME;

/// `gateway reload`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The configuration file [default: that of the running gateway]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

const MANUAL_HINT: &str = "send the running gateway SIGHUP: kill -HUP and its process id";

/// Reloads the running gateway; a rejected configuration is an error with its reasons.
pub(super) fn reload(console: &mut Console<'_>) -> Result<(), CommandError> {
    let units = UnitStates::query_installed(MANUAL_HINT)?;
    let Some(pid) =
        units.service.pid().filter(|_| !matches!(units.service.active_state(), "inactive" | "failed"))
    else {
        let message = format!("{SERVICE_NAME} does not run: moonrelay gateway start");
        return Err(CommandError::failure("gateway_down", message));
    };
    let file = console.config.clone().or_else(|| config_of_process(pid));
    if let Err(invalid) = config::load(file.as_deref(), &console.environment) {
        return Err(reload_error(&invalid.to_string()));
    }
    systemd_units::run_systemctl("reload", &[SERVICE_NAME])?;
    // What only the gateway knows: keys that are credentials, its flags.
    let after = UnitStates::query(MANUAL_HINT)?.service;
    match after.status().split_once(RELOAD_REJECTED) {
        Some((_, why)) => Err(reload_error(why)),
        None => control::print_state(console),
    }
}

fn reload_error(why: &str) -> CommandError {
    CommandError::failure("reload_refused", format!("{RELOAD_REJECTED}{why}"))
}

/// The file that the gateway was started with, which may be relative to its directory; `None` for the default
/// one.
fn config_of_process(pid: u32) -> Option<PathBuf> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let directory = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    loop {
        let word = words.next()?;
        let path = match word.strip_prefix(b"--config") {
            Some([]) => words.next()?,
            Some([b'=', path @ ..]) => path,
            _ => continue,
        };
        return Some(directory.join(OsStr::from_bytes(path)));
    }
}
