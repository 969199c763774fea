//! `service uninstall`.

use std::path::PathBuf;

use serde_json::json;

use super::place::directory;
use crate::cli::console::{Console, refused};
use crate::cli::exit::Ending;
use crate::cli::units::{self, Units};
use crate::config::edit::{EditError, managed};
use crate::service::systemctl;
use crate::service::unit::{SERVICE, SOCKET, is_ours};

const BY_HAND: &str = "within your login session this command stops the unit; without systemd there is nothing but its files in ~/.config/systemd/user";

/// Stops, disables and removes what `install` wrote.
pub(super) fn uninstall(force: bool, console: &mut Console<'_>) -> Result<(), Ending> {
    // The socket first: while it stands a client would start the service again.
    let mut files = installed(SOCKET, force, console)?;
    files.extend(installed(SERVICE, force, console)?);
    if !files.is_empty() {
        remove(&files, &Units::look(BY_HAND)?)?;
        systemctl::run(&["daemon-reload"]).map_err(|refusal| units::refused(&refusal))?;
        units::forget_failures(&files.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
    tell(&files, console)
}

/// Stops, disables and deletes these.
pub(super) fn remove(files: &[(&'static str, PathBuf)], units: &Units) -> Result<(), Ending> {
    let known = units.names();
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).filter(|name| known.contains(name)).collect();
    if !names.is_empty() {
        units::ask("disable", &[&["--now"], &*names].concat())?;
    }
    for (_, path) in files {
        let failed = |error| Ending::failure("file_error", format!("{}: {error}", path.display()));
        std::fs::remove_file(path).map_err(failed)?;
    }
    Ok(())
}

/// A unit's file, where it is there and ours to remove.
pub(super) fn installed(
    name: &'static str,
    force: bool,
    console: &Console<'_>,
) -> Result<Vec<(&'static str, PathBuf)>, Ending> {
    let path = directory(&console.environment)?.join(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Ending::failure("file_error", format!("{}: {error}", path.display()))),
    };
    if let Some(mut managed) = managed(&path, &console.environment) {
        managed.lines.push("services.moonrelay.enable = false;".to_owned());
        return Err(refused(&EditError::Managed(managed)));
    }
    if !force && !is_ours(&text) {
        let message = format!("{} was not written by this command; --force removes it", path.display());
        return Err(Ending::failure("foreign_unit", message));
    }
    Ok(vec![(name, path)])
}

fn tell(files: &[(&'static str, PathBuf)], console: &mut Console<'_>) -> Result<(), Ending> {
    if console.json {
        let removed: Vec<_> = files.iter().map(|(_, path)| path).collect();
        return console.print_json(&json!({ "ok": true, "removed": removed }));
    }
    if files.is_empty() {
        return console.line("no unit is installed");
    }
    for (_, path) in files {
        console.line(format_args!("removed {}", path.display()))?;
    }
    console.line("configuration and state stay where they are")
}
