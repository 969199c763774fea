//! `service install`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use serde_json::json;

use super::unit_files::{RenderedUnit, RenderedUnits, explicit_config, parse_credentials};
use super::{InstallArgs, uninstall};
use crate::cli::console::{Console, edit_error};
use crate::cli::exit::CommandError;
use crate::cli::systemd_units::{self, UnitStates};
use crate::config::edit::{EditError, find_manager, replace_file};
use crate::config::{self, Environment};
use crate::service::systemctl::{self, UnitState};
use crate::service::unit::{MIN_SYSTEMD_VERSION, SERVICE_NAME, SOCKET_NAME, is_generated};

const MANUAL_HINT: &str =
    "install it within your login session, or let another supervisor run: moonrelay gateway run";

/// Writes the files, has systemd load them, and reports the result.
pub(super) fn install(args: &InstallArgs, console: &mut Console<'_>) -> Result<(), CommandError> {
    let files = install_files(args, console)?;
    print_report(args, &files, console)
}

/// How the service is now.
pub(super) fn query_state() -> Result<UnitState, CommandError> {
    UnitStates::query(MANUAL_HINT).map(|units| units.service)
}

/// Writes the files, and has systemd take them up.
pub(super) fn install_files(
    args: &InstallArgs,
    console: &Console<'_>,
) -> Result<RenderedUnits, CommandError> {
    let files = RenderedUnits::render(&args.options, console)?;
    refuse_managed(args, &files, console)?;
    files.0.iter().filter(|_| !args.force).try_for_each(refuse_foreign)?;
    // A unit that cannot start is useless.
    console.load_settings()?;
    check_systemd()?;
    if !args.no_start {
        check_keys(args, console)?;
    }
    let before = UnitStates::query(MANUAL_HINT)?;
    let same_socket = files.0.get(1).is_some_and(|file| file.is_up_to_date());
    if files.0.len() == 1 {
        // One that an earlier installation left would go on holding the port.
        uninstall::remove_units(&uninstall::find_installed(SOCKET_NAME, args.force, console)?, &before)?;
    }
    for file in &files.0 {
        replace_file(&file.path, &file.text, &console.environment).map_err(|error| edit_error(&error))?;
    }
    make_state_directory(&console.environment)?;
    systemctl::run(&["daemon-reload"]).map_err(|refusal| systemd_units::systemctl_error(&refusal))?;
    check_loaded(&files)?;
    if !args.no_start {
        enable_and_start(&files, same_socket && before.socket.active_state() == "active")?;
    }
    Ok(files)
}

/// Where a user's state directory is missing and a directory of the same name holds configuration, systemd takes that one
/// for a state directory of former days and links to it: the gateway's state would stand among its configuration.
fn make_state_directory(environment: &Environment) -> Result<(), CommandError> {
    let Some(path) = environment.state_directory() else { return Ok(()) };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
    made.map_err(|error| CommandError::failure("file_error", format!("{}: {error}", path.display())))
}

/// Enables and starts the units as written in the files.
fn enable_and_start(files: &RenderedUnits, keeps_socket: bool) -> Result<(), CommandError> {
    let names = files.names();
    systemd_units::reset_failed(&names);
    systemd_units::run_systemctl("enable", &names)?;
    if keeps_socket || names.len() == 1 {
        return systemd_units::run_systemctl("restart", &[SERVICE_NAME]);
    }
    // systemd binds no socket for a service that runs.
    systemd_units::run_systemctl("stop", &[SOCKET_NAME, SERVICE_NAME])?;
    systemd_units::run_systemctl("start", &[SOCKET_NAME, SERVICE_NAME])
}

/// Nix writes the configuration: then the unit is a matter of its module, too.
fn refuse_managed(
    args: &InstallArgs,
    files: &RenderedUnits,
    console: &Console<'_>,
) -> Result<(), CommandError> {
    let config = console.locate_config()?.path;
    let mut paths = files.0.iter().map(|file| &file.path).chain([&config]);
    let Some(mut managed) = paths.find_map(|path| find_manager(path, &console.environment)) else {
        return Ok(());
    };
    managed.nix_lines.push("services.moonrelay.enable = true;".to_owned());
    if args.options.socket {
        managed.nix_lines.push("services.moonrelay.socketActivation = true;".to_owned());
    }
    for (name, file) in args.options.credentials.iter().filter_map(|text| text.split_once('=')) {
        managed.nix_lines.push(format!("services.moonrelay.credentials.{name} = {};", json!(file)));
    }
    Err(edit_error(&EditError::Managed(managed)))
}

/// A file of another origin is kept.
fn refuse_foreign(file: &RenderedUnit) -> Result<(), CommandError> {
    match std::fs::read_to_string(&file.path) {
        Ok(text) if !is_generated(&text) => {
            let message = format!(
                "{} was not written by this command; --force replaces it (moonrelay service show prints what would stand there)",
                file.path.display()
            );
            Err(CommandError::failure("foreign_unit", message))
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CommandError::failure("file_error", format!("{}: {error}", file.path.display())))
        }
        _ => Ok(()),
    }
}

fn check_systemd() -> Result<(), CommandError> {
    let version = systemctl::read_version()
        .map_err(|refusal| systemd_units::no_systemd_error(&refusal, MANUAL_HINT))?;
    match version.filter(|version| *version < MIN_SYSTEMD_VERSION) {
        Some(version) => {
            let message = format!(
                "systemd {version} is too old for this unit, which needs {MIN_SYSTEMD_VERSION}: write one with Type=notify and \
                 ExecReload=/bin/kill -HUP $MAINPID (moonrelay service show prints the rest)"
            );
            Err(CommandError::failure("old_systemd", message))
        }
        None => Ok(()),
    }
}

/// A key in this shell's environment is none of the service's.
fn check_keys(args: &InstallArgs, console: &Console<'_>) -> Result<(), CommandError> {
    let mut variables = systemctl::read_environment()
        .map_err(|refusal| systemd_units::no_systemd_error(&refusal, MANUAL_HINT))?;
    // Whether its directories are others, [`check_taken_up`] sees.
    for name in ["HOME", "XDG_CONFIG_HOME"] {
        variables.remove(name);
        variables.extend(console.environment.get(name).map(|value| (name.to_owned(), value.to_owned())));
    }
    for (name, file) in parse_credentials(&args.options, &console.environment)? {
        // One that is not there yet is one that is known to be missing.
        let value = std::fs::read_to_string(file).unwrap_or_default();
        variables.insert(name, value.trim().to_owned());
    }
    let variables: Environment = variables.into_iter().collect();
    if config::load(explicit_config(console)?.as_deref(), &variables)?.has_target() {
        return Ok(());
    }
    Err(CommandError::configuration(
        "no provider has a key that systemd hands to the gateway, and those of this shell do not reach it: give \
         --credential KIMI_API_KEY=FILE, or write KIMI_API_KEY=… into ~/.config/moonrelay/env (mode 0600)",
    ))
}

/// systemd may look elsewhere than this shell: `XDG_CONFIG_HOME` is each one's own.
fn check_loaded(files: &RenderedUnits) -> Result<(), CommandError> {
    let units = UnitStates::query(MANUAL_HINT)?;
    let Some(file) = files.0.first().filter(|file| units.service.file() != file.path.to_string_lossy())
    else {
        return Ok(());
    };
    let seen = if units.service.exists() { units.service.file() } else { "no such unit" };
    let message = format!(
        "{} was written, but systemd sees {seen}: its XDG_CONFIG_HOME is another one (systemctl --user show-environment)",
        file.path.display()
    );
    Err(CommandError::failure("not_taken_up", message))
}

fn print_report(
    args: &InstallArgs,
    files: &RenderedUnits,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let service = query_state()?;
    if console.json {
        let paths: Vec<_> = files.0.iter().map(|file| &file.path).collect();
        let value = json!({ "ok": true, "files": paths, "state": service.active_state(), "status": service.status() });
        return console.print_json(&value);
    }
    for file in &files.0 {
        console.print_line(format_args!("wrote {}", file.path.display()))?;
    }
    if args.no_start {
        return console.print_line(format_args!(
            "start it with: systemctl --user enable --now {}",
            files.names().join(" ")
        ));
    }
    console.print_line(format_args!("{SERVICE_NAME}: {}, {}", service.active_state(), service.status()))?;
    console.print_line(
        "It ends with your last session; to keep it, and to start it at boot: loginctl enable-linger",
    )
}
