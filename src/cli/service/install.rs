//! `service install`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use serde_json::json;

use super::place::{File, Files, config_file, credentials};
use super::{Install, uninstall};
use crate::cli::console::{Console, refused};
use crate::cli::exit::Ending;
use crate::cli::units::{self, Units};
use crate::config::edit::{EditError, managed, replace};
use crate::config::{self, Environment};
use crate::service::systemctl::{self, State};
use crate::service::unit::{OLDEST, SERVICE, SOCKET, is_ours};

const BY_HAND: &str =
    "install it within your login session, or let another supervisor run: moonrelay gateway run";

/// Writes the files, has systemd take them up, and tells.
pub(super) fn install(args: &Install, console: &mut Console<'_>) -> Result<(), Ending> {
    let files = perform(args, console)?;
    tell(args, &files, console)
}

/// How the service is now.
pub(super) fn state() -> Result<State, Ending> {
    Units::look(BY_HAND).map(|units| units.service)
}

/// Writes the files, and has systemd take them up.
pub(super) fn perform(args: &Install, console: &Console<'_>) -> Result<Files, Ending> {
    let files = Files::of(&args.choices, console)?;
    refuse_managed(args, &files, console)?;
    files.0.iter().filter(|_| !args.force).try_for_each(refuse_foreign)?;
    // A unit whose start must fail is no help.
    console.settings()?;
    check_systemd()?;
    if !args.no_start {
        check_keys(args, console)?;
    }
    let before = Units::look(BY_HAND)?;
    let same_socket = files.0.get(1).is_some_and(|file| file.is_written());
    if files.0.len() == 1 {
        // One that an earlier installation left would go on holding the port.
        uninstall::remove(&uninstall::installed(SOCKET, args.force, console)?, &before)?;
    }
    for file in &files.0 {
        replace(&file.path, &file.text, &console.environment).map_err(|error| refused(&error))?;
    }
    make_state_directory(&console.environment)?;
    systemctl::run(&["daemon-reload"]).map_err(|refusal| units::refused(&refusal))?;
    check_taken_up(&files)?;
    if !args.no_start {
        start(&files, same_socket && before.socket.active() == "active")?;
    }
    Ok(files)
}

/// Where a user's state directory is missing and a directory of the same name holds configuration, systemd takes that one
/// for a state directory of former days and links to it: the gateway's state would stand among its configuration.
fn make_state_directory(environment: &Environment) -> Result<(), Ending> {
    let Some(path) = environment.state_directory() else { return Ok(()) };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
    made.map_err(|error| Ending::failure("file_error", format!("{}: {error}", path.display())))
}

/// Enables, and starts what stands in the files now.
fn start(files: &Files, keeps_socket: bool) -> Result<(), Ending> {
    let names = files.names();
    units::forget_failures(&names);
    units::ask("enable", &names)?;
    if keeps_socket || names.len() == 1 {
        return units::ask("restart", &[SERVICE]);
    }
    // systemd binds no socket for a service that runs.
    units::ask("stop", &[SOCKET, SERVICE])?;
    units::ask("start", &[SOCKET, SERVICE])
}

/// Nix writes the configuration: then the unit is a matter of its module, too.
fn refuse_managed(args: &Install, files: &Files, console: &Console<'_>) -> Result<(), Ending> {
    let config = console.location()?.path;
    let mut paths = files.0.iter().map(|file| &file.path).chain([&config]);
    let Some(mut managed) = paths.find_map(|path| managed(path, &console.environment)) else { return Ok(()) };
    managed.lines.push("services.moonrelay.enable = true;".to_owned());
    if args.choices.socket {
        managed.lines.push("services.moonrelay.socketActivation = true;".to_owned());
    }
    for (name, file) in args.choices.credentials.iter().filter_map(|text| text.split_once('=')) {
        managed.lines.push(format!("services.moonrelay.credentials.{name} = {};", json!(file)));
    }
    Err(refused(&EditError::Managed(managed)))
}

/// Somebody else's file stays.
fn refuse_foreign(file: &File) -> Result<(), Ending> {
    match std::fs::read_to_string(&file.path) {
        Ok(text) if !is_ours(&text) => {
            let message = format!(
                "{} was not written by this command; --force replaces it (moonrelay service show prints what would stand there)",
                file.path.display()
            );
            Err(Ending::failure("foreign_unit", message))
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Ending::failure("file_error", format!("{}: {error}", file.path.display())))
        }
        _ => Ok(()),
    }
}

fn check_systemd() -> Result<(), Ending> {
    let version = systemctl::version().map_err(|refusal| units::no_session(&refusal, BY_HAND))?;
    match version.filter(|version| *version < OLDEST) {
        Some(version) => {
            let message = format!(
                "systemd {version} is too old for this unit, which needs {OLDEST}: write one with Type=notify and \
                 ExecReload=/bin/kill -HUP $MAINPID (moonrelay service show prints the rest)"
            );
            Err(Ending::failure("old_systemd", message))
        }
        None => Ok(()),
    }
}

/// A key in this shell's environment is none of the service's.
fn check_keys(args: &Install, console: &Console<'_>) -> Result<(), Ending> {
    let mut variables = systemctl::environment().map_err(|refusal| units::no_session(&refusal, BY_HAND))?;
    // Whether its directories are others, [`check_taken_up`] sees.
    for name in ["HOME", "XDG_CONFIG_HOME"] {
        variables.remove(name);
        variables.extend(console.environment.get(name).map(|value| (name.to_owned(), value.to_owned())));
    }
    for (name, file) in credentials(&args.choices, &console.environment)? {
        // One that is not there yet is one that is known to be missing.
        let value = std::fs::read_to_string(file).unwrap_or_default();
        variables.insert(name, value.trim().to_owned());
    }
    let variables: Environment = variables.into_iter().collect();
    if config::load(config_file(console)?.as_deref(), &variables)?.has_target() {
        return Ok(());
    }
    Err(Ending::configuration(
        "no provider has a key that systemd hands to the gateway, and those of this shell do not reach it: give \
         --credential KIMI_API_KEY=FILE, or write KIMI_API_KEY=… into ~/.config/moonrelay/env (mode 0600)",
    ))
}

/// systemd may look elsewhere than this shell: `XDG_CONFIG_HOME` is each one's own.
fn check_taken_up(files: &Files) -> Result<(), Ending> {
    let units = Units::look(BY_HAND)?;
    let Some(file) = files.0.first().filter(|file| units.service.file() != file.path.to_string_lossy())
    else {
        return Ok(());
    };
    let seen = if units.service.exists() { units.service.file() } else { "no such unit" };
    let message = format!(
        "{} was written, but systemd sees {seen}: its XDG_CONFIG_HOME is another one (systemctl --user show-environment)",
        file.path.display()
    );
    Err(Ending::failure("not_taken_up", message))
}

fn tell(args: &Install, files: &Files, console: &mut Console<'_>) -> Result<(), Ending> {
    let service = state()?;
    if console.json {
        let paths: Vec<_> = files.0.iter().map(|file| &file.path).collect();
        let value =
            json!({ "ok": true, "files": paths, "state": service.active(), "status": service.status() });
        return console.print_json(&value);
    }
    for file in &files.0 {
        console.line(format_args!("wrote {}", file.path.display()))?;
    }
    if args.no_start {
        return console
            .line(format_args!("start it with: systemctl --user enable --now {}", files.names().join(" ")));
    }
    console.line(format_args!("{SERVICE}: {}, {}", service.active(), service.status()))?;
    console
        .line("It ends with your last session; to keep it, and to start it at boot: loginctl enable-linger")
}
