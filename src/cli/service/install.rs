//! `moonrelay service install`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use serde_json::json;

use super::{
    InstallArgs, RenderedUnit, explicit_config, file_error, find_installed, refuse_foreign, remove_units,
    render_units,
};
use crate::cli::command::{CommandContext, CommandError};
use crate::cli::systemd::{self, UnitStates};
use crate::config::edit::{EditError, find_manager, replace_file};
use crate::config::{self, Environment};
use crate::service::systemctl::{self, UnitState};
use crate::service::unit::{MIN_SYSTEMD_VERSION, SERVICE_NAME, SOCKET_NAME};

const HINT: &str =
    "install the unit in your login session, or run `moonrelay gateway run` with another supervisor";

/// Writes the files, has systemd load them, and reports the result.
pub(super) fn install(args: &InstallArgs, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let units = install_files(args, context)?;
    let service = query_state()?;
    let (state, status) = (service.active_state(), service.status());
    let paths: Vec<_> = units.iter().map(|unit| &unit.path).collect();
    context.report(&json!({ "ok": true, "files": paths, "state": state, "status": status }), || {
        let written = paths.iter().map(|path| format!("wrote {}\n", path.display())).collect::<String>();
        if args.no_start {
            let names = unit_names(&units).join(" ");
            return format!("{written}start it with: systemctl --user enable --now {names}");
        }
        format!(
            "{written}{SERVICE_NAME}: {state}, {status}\n\
             It stops with your last session. To keep it running and start it at boot: loginctl enable-linger"
        )
    })
}

/// The state of the service.
pub(super) fn query_state() -> Result<UnitState, CommandError> {
    UnitStates::query(HINT).map(|units| units.service)
}

/// Writes the files, and has systemd load them.
pub(super) fn install_files(
    args: &InstallArgs,
    context: &CommandContext<'_>,
) -> Result<Vec<RenderedUnit>, CommandError> {
    let units = render_units(&args.options, context)?;
    refuse_managed(args, &units, context)?;
    let fix = "Replace it with --force; moonrelay service show prints the new text.";
    units.iter().filter(|_| !args.force).try_for_each(|unit| refuse_foreign(&unit.path, fix))?;
    // A unit that cannot start is useless.
    context.load_settings()?;
    check_systemd()?;
    if !args.no_start {
        check_keys(args, context)?;
    }
    let before = UnitStates::query(HINT)?;
    let is_same =
        |unit: &RenderedUnit| std::fs::read_to_string(&unit.path).is_ok_and(|text| text == unit.text);
    let keeps_socket = units.get(1).is_some_and(is_same) && before.socket.active_state() == "active";
    if units.len() == 1 {
        // The socket of an earlier installation would keep the port.
        let socket: Vec<_> = find_installed(SOCKET_NAME, args.force, context)?.into_iter().collect();
        remove_units(&socket, &before)?;
    }
    for unit in &units {
        replace_file(&unit.path, &unit.text, &context.environment)?;
    }
    make_state_directory(&context.environment)?;
    systemd::run_systemctl("daemon-reload", &[])?;
    check_loaded(&units)?;
    if !args.no_start {
        enable_and_start(&unit_names(&units), keeps_socket)?;
    }
    Ok(units)
}

fn unit_names(units: &[RenderedUnit]) -> Vec<&'static str> {
    units.iter().map(|unit| unit.name).collect()
}

/// If a user's state directory is missing and a configuration directory of the same name exists, systemd links the state
/// directory to it: the gateway's state would be stored among its configuration.
fn make_state_directory(environment: &Environment) -> Result<(), CommandError> {
    let Some(path) = environment.state_directory() else { return Ok(()) };
    let created = DirBuilder::new().recursive(true).mode(0o700).create(&path);
    created.map_err(|error| file_error(&path, &error))
}

fn enable_and_start(names: &[&str], keeps_socket: bool) -> Result<(), CommandError> {
    systemd::reset_failed(names);
    systemd::run_systemctl("enable", names)?;
    if keeps_socket || names.len() == 1 {
        return systemd::run_systemctl("restart", &[SERVICE_NAME]);
    }
    // systemd binds no socket for a service that runs.
    systemd::run_systemctl("stop", &[SOCKET_NAME, SERVICE_NAME])?;
    systemd::run_systemctl("start", &[SOCKET_NAME, SERVICE_NAME])
}

/// If Nix manages the configuration, its module must write the unit too.
fn refuse_managed(
    args: &InstallArgs,
    units: &[RenderedUnit],
    context: &CommandContext<'_>,
) -> Result<(), CommandError> {
    let config = context.locate_config()?.path;
    let mut paths = units.iter().map(|unit| &unit.path).chain([&config]);
    let Some(mut managed) = paths.find_map(|path| find_manager(path, &context.environment)) else {
        return Ok(());
    };
    managed.nix_lines.push("services.moonrelay.enable = true;".to_owned());
    if args.options.socket {
        managed.nix_lines.push("services.moonrelay.socketActivation = true;".to_owned());
    }
    for (name, file) in args.options.credentials.iter().filter_map(|text| text.split_once('=')) {
        managed.nix_lines.push(format!("services.moonrelay.credentials.{name} = {};", json!(file)));
    }
    Err(EditError::Managed(managed).into())
}

fn check_systemd() -> Result<(), CommandError> {
    let version = systemctl::read_version().map_err(|error| systemd::no_systemd_error(&error, HINT))?;
    let Some(version) = version.filter(|version| *version < MIN_SYSTEMD_VERSION) else { return Ok(()) };
    let message = format!(
        "systemd {version} is too old: this unit needs {MIN_SYSTEMD_VERSION}. Write a unit with Type=notify and \
         ExecReload=/bin/kill -HUP $MAINPID (moonrelay service show prints the rest)"
    );
    Err(CommandError::failure("old_systemd", message))
}

/// The service does not see the keys in this shell's environment.
fn check_keys(args: &InstallArgs, context: &CommandContext<'_>) -> Result<(), CommandError> {
    let mut variables =
        systemctl::read_environment().map_err(|error| systemd::no_systemd_error(&error, HINT))?;
    // `check_loaded` finds out if the directories of systemd differ.
    for name in ["HOME", "XDG_CONFIG_HOME"] {
        variables.remove(name);
        variables.extend(context.environment.get(name).map(|value| (name.to_owned(), value.to_owned())));
    }
    for (name, file) in args.options.parse_credentials(&context.environment)? {
        // A file that does not exist yet is a missing key.
        let value = std::fs::read_to_string(file).unwrap_or_default();
        variables.insert(name, value.trim().to_owned());
    }
    let variables: Environment = variables.into_iter().collect();
    if config::load(explicit_config(context)?.as_deref(), &variables)?.has_target() {
        return Ok(());
    }
    Err(CommandError::configuration(
        "no provider has a key in the service, which does not see this shell's variables. Use \
         --credential KIMI_API_KEY=FILE, or add KIMI_API_KEY=… to ~/.config/moonrelay/env (mode 0600)",
    ))
}

/// systemd may use another `XDG_CONFIG_HOME` than this shell.
fn check_loaded(units: &[RenderedUnit]) -> Result<(), CommandError> {
    let service = query_state()?;
    let Some(unit) = units.first().filter(|unit| service.file() != unit.path.to_string_lossy()) else {
        return Ok(());
    };
    let loaded = if service.exists() { service.file() } else { "no such unit" };
    let message = format!(
        "{} was written, but systemd sees {loaded}: its XDG_CONFIG_HOME differs (systemctl --user show-environment)",
        unit.path.display()
    );
    Err(CommandError::failure("not_taken_up", message))
}
