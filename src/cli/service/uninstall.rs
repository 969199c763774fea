//! `service uninstall`.

use std::path::PathBuf;

use serde_json::json;

use super::unit_files::unit_directory;
use crate::cli::console::{Console, edit_error};
use crate::cli::exit::CommandError;
use crate::cli::systemd_units::{self, UnitStates};
use crate::config::edit::{EditError, find_manager};
use crate::service::systemctl;
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME, is_generated};

const MANUAL_HINT: &str = "within your login session this command stops the unit; without systemd there is nothing but its files in ~/.config/systemd/user";

/// Stops, disables and removes what `install` wrote.
pub(super) fn uninstall(force: bool, console: &mut Console<'_>) -> Result<(), CommandError> {
    // The socket first: while it exists, a client would start the service again.
    let mut files = find_installed(SOCKET_NAME, force, console)?;
    files.extend(find_installed(SERVICE_NAME, force, console)?);
    if !files.is_empty() {
        remove_units(&files, &UnitStates::query(MANUAL_HINT)?)?;
        systemctl::run(&["daemon-reload"]).map_err(|refusal| systemd_units::systemctl_error(&refusal))?;
        systemd_units::reset_failed(&files.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
    print_report(&files, console)
}

/// Stops, disables and deletes these.
pub(super) fn remove_units(
    files: &[(&'static str, PathBuf)],
    units: &UnitStates,
) -> Result<(), CommandError> {
    let known = units.unit_names();
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).filter(|name| known.contains(name)).collect();
    if !names.is_empty() {
        systemd_units::run_systemctl("disable", &[&["--now"], &*names].concat())?;
    }
    for (_, path) in files {
        let failed = |error| CommandError::failure("file_error", format!("{}: {error}", path.display()));
        std::fs::remove_file(path).map_err(failed)?;
    }
    Ok(())
}

/// A unit's file, where it is there and ours to remove.
pub(super) fn find_installed(
    name: &'static str,
    force: bool,
    console: &Console<'_>,
) -> Result<Vec<(&'static str, PathBuf)>, CommandError> {
    let path = unit_directory(&console.environment)?.join(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(CommandError::failure("file_error", format!("{}: {error}", path.display())));
        }
    };
    if let Some(mut managed) = find_manager(&path, &console.environment) {
        managed.nix_lines.push("services.moonrelay.enable = false;".to_owned());
        return Err(edit_error(&EditError::Managed(managed)));
    }
    if !force && !is_generated(&text) {
        let message = format!("{} was not written by this command; --force removes it", path.display());
        return Err(CommandError::failure("foreign_unit", message));
    }
    Ok(vec![(name, path)])
}

fn print_report(files: &[(&'static str, PathBuf)], console: &mut Console<'_>) -> Result<(), CommandError> {
    if console.json {
        let removed: Vec<_> = files.iter().map(|(_, path)| path).collect();
        return console.print_json(&json!({ "ok": true, "removed": removed }));
    }
    if files.is_empty() {
        return console.print_line("no unit is installed");
    }
    for (_, path) in files {
        console.print_line(format_args!("removed {}", path.display()))?;
    }
    console.print_line("configuration and state stay where they are")
}
