//! `moonrelay gateway reload`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::control;
use crate::cli::console::Console;
use crate::cli::exit::Ending;
use crate::cli::units::{self, Units};
use crate::config;
use crate::service::notify::REFUSED;
use crate::service::unit::SERVICE;

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

const BY_HAND: &str = "send the running gateway SIGHUP: kill -HUP and its process id";

/// Reloads the running gateway; a refusal, whoever says it, is an error with its reasons.
pub(super) fn reload(console: &mut Console<'_>) -> Result<(), Ending> {
    let units = Units::installed(BY_HAND)?;
    let Some(pid) = units.service.pid().filter(|_| !matches!(units.service.active(), "inactive" | "failed"))
    else {
        let message = format!("{SERVICE} does not run: moonrelay gateway start");
        return Err(Ending::failure("gateway_down", message));
    };
    let file = console.config.clone().or_else(|| of_process(pid));
    if let Err(invalid) = config::load(file.as_deref(), &console.environment) {
        return Err(refused(&invalid.to_string()));
    }
    units::ask("reload", &[SERVICE])?;
    // What only the gateway knows: keys that are credentials, its flags.
    let after = Units::look(BY_HAND)?.service;
    match after.status().split_once(REFUSED) {
        Some((_, why)) => Err(refused(why)),
        None => control::tell(console),
    }
}

fn refused(why: &str) -> Ending {
    Ending::failure("reload_refused", format!("{REFUSED}{why}"))
}

/// The file that a gateway was started with, which may be relative to its directory; `None` where it is the default one.
fn of_process(pid: u32) -> Option<PathBuf> {
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
