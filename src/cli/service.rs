//! `moonrelay service`: the systemd user unit, for people without Nix.

mod install;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::command::{self, CommandContext, CommandError};
use super::systemd::{self, UnitStates};
use crate::config::edit::{EditError, find_manager};
use crate::config::settings::{Bind, GatewaySettings};
use crate::config::{self, Environment};
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME, UnitConfig, UnitPathError, is_generated};

/// Arguments of `moonrelay service`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: ServiceCommand,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ServiceCommand {
    /// Print the unit that `install` would write
    Show(UnitOptions),
    /// Write the unit into ~/.config/systemd/user, enable it and start it
    Install(InstallArgs),
    /// Stop and disable the unit and remove its files; keep configuration and state
    Uninstall {
        /// Also remove files that `install` did not write
        #[arg(long)]
        force: bool,
    },
}

/// Settings of the unit.
#[derive(Debug, ClapArgs)]
struct UnitOptions {
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use a systemd socket on gateway.bind and gateway.port, so that restarts refuse no client
    #[arg(long)]
    socket: bool,
    /// Secret that systemd loads from a file, for example KIMI_API_KEY=/home/me/.secrets/kimi
    #[arg(long = "credential", value_name = "NAME=FILE")]
    credentials: Vec<String>,
}

impl UnitOptions {
    /// Names and files.
    fn parse_credentials(&self, environment: &Environment) -> Result<Vec<(String, PathBuf)>, CommandError> {
        self.credentials.iter().map(|text| parse_credential(text, environment)).collect()
    }
}

#[derive(Debug, ClapArgs)]
struct InstallArgs {
    #[command(flatten)]
    options: UnitOptions,
    /// Replace files that `install` did not write
    #[arg(long)]
    force: bool,
    /// Write the files without starting the unit
    #[arg(long)]
    no_start: bool,
}

/// Runs a command of `service`.
pub async fn run(args: Args) -> ExitCode {
    let config = match &args.command {
        ServiceCommand::Show(options) | ServiceCommand::Install(InstallArgs { options, .. }) => {
            options.config.clone()
        }
        ServiceCommand::Uninstall { .. } => None,
    };
    command::run(config, args.json, async |context| match args.command {
        ServiceCommand::Show(options) => show(&options, context),
        ServiceCommand::Install(args) => install::install(&args, context),
        ServiceCommand::Uninstall { force } => uninstall(force, context),
    })
    .await
}

/// Installs the unit as `install` without options does. Returns the state of the service: `active`, `failed`, ….
///
/// # Errors
/// When there is no systemd, or the service does not start.
pub(super) fn install_unit(context: &CommandContext<'_>) -> Result<String, CommandError> {
    let options = UnitOptions { config: context.config.clone(), socket: false, credentials: Vec::new() };
    install::install_files(&InstallArgs { options, force: false, no_start: false }, context)?;
    install::query_state().map(|service| service.active_state().to_owned())
}

fn show(options: &UnitOptions, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let units = render_units(options, context)?;
    let json = units.iter().map(|unit| json!({ "path": unit.path, "text": unit.text }));
    context.report(&json!({ "units": json.collect::<Vec<_>>() }), || match units.as_slice() {
        // One file can be redirected into a file.
        [unit] => unit.text.clone(),
        units => {
            let texts =
                units.iter().map(|unit| format!("# {}\n{}", unit.path.display(), unit.text.trim_end()));
            texts.collect::<Vec<_>>().join("\n\n")
        }
    })
}

/// The file of a unit.
struct RenderedUnit {
    name: &'static str,
    path: PathBuf,
    text: String,
}

/// The service, and its socket if requested.
///
/// # Errors
/// When a unit file cannot contain a path, a credential is invalid, or the configuration with the socket is invalid.
fn render_units(
    options: &UnitOptions,
    context: &CommandContext<'_>,
) -> Result<Vec<RenderedUnit>, CommandError> {
    let directory = unit_directory(&context.environment)?;
    let listen_stream = match options.socket {
        true => Some(listen_stream(&context.load_settings()?.gateway)),
        false => None,
    };
    let unit = UnitConfig {
        program: program_path(&context.environment)?,
        rm_program: rm_program(),
        config: explicit_config(context)?,
        credentials: options.parse_credentials(&context.environment)?,
        listen_stream,
    };
    let invalid_path = |error: UnitPathError| CommandError::failure("invalid_path", error.to_string());
    let file = |name, text| RenderedUnit { name, path: directory.join(name), text };
    let mut files = vec![file(SERVICE_NAME, unit.render_service().map_err(invalid_path)?)];
    files.extend(unit.render_socket().map(|text| file(SOCKET_NAME, text)));
    Ok(files)
}

/// The directory of the user's units.
fn unit_directory(environment: &Environment) -> Result<PathBuf, CommandError> {
    let home = environment.config_home();
    let home = home.ok_or_else(|| CommandError::failure("no_home", "no directory for a unit: set HOME"))?;
    Ok(home.join("systemd/user"))
}

/// This binary, by its name in the search path: the target of a link there may be gone after an upgrade.
fn program_path(environment: &Environment) -> Result<PathBuf, CommandError> {
    let unknown =
        |error| CommandError::failure("no_program", format!("cannot find the path of this program: {error}"));
    let program = std::env::current_exe().and_then(|path| path.canonicalize()).map_err(unknown)?;
    let paths = environment.get("PATH").unwrap_or_default();
    let paths = std::env::split_paths(paths).filter(|path| path.is_absolute());
    let is_program = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path == program);
    Ok(paths.map(|path| path.join("moonrelay")).find(is_program).unwrap_or(program))
}

/// `rm` at a lasting path: in a Nix shell the search path leads to a path that is garbage-collected.
fn rm_program() -> PathBuf {
    let known = ["/run/current-system/sw/bin/rm", "/usr/bin/rm", "/bin/rm"].map(PathBuf::from);
    known.iter().find(|path| path.is_file()).unwrap_or(&known[2]).clone()
}

/// The configuration that the unit names: only an explicit one, because systemd does not know this shell's variables.
fn explicit_config(context: &CommandContext<'_>) -> Result<Option<PathBuf>, CommandError> {
    let location = config::locate(context.config.as_deref(), &context.environment);
    let path = location.filter(|found| found.explicit).map(|found| absolute(found.path)).transpose();
    path.map_err(|error| CommandError::failure("invalid_path", format!("--config: {error}")))
}

fn parse_credential(text: &str, environment: &Environment) -> Result<(String, PathBuf), CommandError> {
    let invalid = |why: &str| CommandError::usage(format!("--credential {text}: {why}; expected NAME=FILE"));
    let (name, file) = text.split_once('=').ok_or_else(|| invalid("`=` is missing"))?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(invalid("a name has letters, digits, `_` and `-`"));
    }
    if file.is_empty() {
        return Err(invalid("the file is missing"));
    }
    let file = absolute(environment.expand_path(file, None)).map_err(|error| invalid(&error.to_string()))?;
    Ok((name.to_owned(), file))
}

/// The value of `ListenStream=`.
fn listen_stream(gateway: &GatewaySettings) -> String {
    let address = |ip| SocketAddr::new(ip, gateway.port).to_string();
    match &gateway.bind {
        Bind::Loopback => address(Ipv4Addr::LOCALHOST.into()),
        // IPv6 and IPv4, as for a port alone.
        Bind::All => address(Ipv6Addr::UNSPECIFIED.into()),
        Bind::Address(ip) => address(*ip),
        Bind::Unix(path) => absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
    }
}

const UNINSTALL_HINT: &str = "run this command in your login session, where it can stop the unit. Without systemd there are only \
                              the files in ~/.config/systemd/user";

/// Stops, disables and removes the units of `install`.
fn uninstall(force: bool, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    // The socket first: while it exists, a client would start the service again.
    let found = [find_installed(SOCKET_NAME, force, context)?, find_installed(SERVICE_NAME, force, context)?];
    let files: Vec<_> = found.into_iter().flatten().collect();
    if !files.is_empty() {
        remove_units(&files, &UnitStates::query(UNINSTALL_HINT)?)?;
        systemd::run_systemctl("daemon-reload", &[])?;
        systemd::reset_failed(&files.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
    let removed: Vec<&PathBuf> = files.iter().map(|(_, path)| path).collect();
    context.report(&json!({ "ok": true, "removed": removed }), || {
        if removed.is_empty() {
            return "no unit is installed".to_owned();
        }
        let lines = removed.iter().map(|path| format!("removed {}\n", path.display())).collect::<String>();
        lines + "configuration and state are kept"
    })
}

/// Stops, disables and deletes these units.
fn remove_units(files: &[(&'static str, PathBuf)], units: &UnitStates) -> Result<(), CommandError> {
    let known = units.unit_names();
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).filter(|name| known.contains(name)).collect();
    if !names.is_empty() {
        systemd::run_systemctl("disable", &[&["--now"], &*names].concat())?;
    }
    files
        .iter()
        .try_for_each(|(_, path)| std::fs::remove_file(path).map_err(|error| file_error(path, &error)))
}

/// The file of a unit, if it exists. It must be one of `install`, unless `force` is set.
fn find_installed(
    name: &'static str,
    force: bool,
    context: &CommandContext<'_>,
) -> Result<Option<(&'static str, PathBuf)>, CommandError> {
    let path = unit_directory(&context.environment)?.join(name);
    if !path.try_exists().map_err(|error| file_error(&path, &error))? {
        return Ok(None);
    }
    if let Some(mut managed) = find_manager(&path, &context.environment) {
        managed.nix_lines.push("services.moonrelay.enable = false;".to_owned());
        return Err(EditError::Managed(managed).into());
    }
    if !force {
        refuse_foreign(&path, "Remove it with --force.")?;
    }
    Ok(Some((name, path)))
}

/// Keeps a file that `install` did not write.
fn refuse_foreign(path: &Path, fix: &str) -> Result<(), CommandError> {
    match std::fs::read_to_string(path) {
        Ok(text) if is_generated(&text) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file_error(path, &error)),
        Ok(_) => {
            let message = format!("{} was not written by this command. {fix}", path.display());
            Err(CommandError::failure("foreign_unit", message))
        }
    }
}

fn file_error(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failure("file_error", format!("{}: {error}", path.display()))
}
