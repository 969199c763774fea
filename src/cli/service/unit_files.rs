//! The unit's files: where they belong, and what they say on this machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf, absolute};

use super::UnitOptions;
use crate::cli::console::Console;
use crate::cli::exit::CommandError;
use crate::config::settings::{Bind, GatewaySettings};
use crate::config::{self, Environment};
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME, UnitConfig};

/// A unit's file.
pub(super) struct RenderedUnit {
    /// The unit's name.
    pub(super) name: &'static str,
    /// Where it belongs.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) text: String,
}

impl RenderedUnit {
    /// Whether the file already contains this text.
    pub(super) fn is_up_to_date(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }
}

/// The service, and its socket if requested.
pub(super) struct RenderedUnits(pub(super) Vec<RenderedUnit>);

impl RenderedUnits {
    /// As the command line and the configuration say.
    ///
    /// # Errors
    /// When a path cannot stand in a unit, a credential is misspelt, or the configuration that names the socket is bad.
    pub(super) fn render(choices: &UnitOptions, console: &Console<'_>) -> Result<Self, CommandError> {
        let directory = unit_directory(&console.environment)?;
        let unit = UnitConfig {
            program: program_path(&console.environment)?,
            rm_program: rm_program(),
            config: explicit_config(console)?,
            credentials: parse_credentials(choices, &console.environment)?,
            listen_stream: choices
                .socket
                .then(|| console.load_settings().map(|s| listen_stream(&s.gateway)))
                .transpose()?,
        };
        let unwritable = |error: crate::service::unit::UnitPathError| {
            CommandError::failure("invalid_path", error.to_string())
        };
        let file = |name, text| RenderedUnit { name, path: directory.join(name), text };
        let mut files = vec![file(SERVICE_NAME, unit.render_service().map_err(unwritable)?)];
        files.extend(unit.render_socket().map(|text| file(SOCKET_NAME, text)));
        Ok(Self(files))
    }

    /// Their units' names.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|file| file.name).collect()
    }
}

/// Where the user's own systemd looks for units.
pub(super) fn unit_directory(environment: &Environment) -> Result<PathBuf, CommandError> {
    let home = environment.config_home();
    let home = home.ok_or_else(|| CommandError::failure("no_home", "no place for a unit: set HOME"))?;
    Ok(home.join("systemd/user"))
}

/// This binary, by the name under which the search path finds it: what that leads to may be gone after an upgrade.
fn program_path(environment: &Environment) -> Result<PathBuf, CommandError> {
    let unknown =
        |error| CommandError::failure("no_program", format!("cannot tell where this program is: {error}"));
    let program = std::env::current_exe().and_then(|path| path.canonicalize()).map_err(unknown)?;
    let paths = environment.get("PATH").unwrap_or_default();
    let mut named =
        std::env::split_paths(paths).filter(|path| path.is_absolute()).map(|path| path.join("moonrelay"));
    Ok(named.find(|path| path.canonicalize().is_ok_and(|path| path == program)).unwrap_or(program))
}

/// What removes files, where it stays: in a shell of Nix the search path leads to what is collected some day.
fn rm_program() -> PathBuf {
    let known = ["/run/current-system/sw/bin/rm", "/usr/bin/rm", "/bin/rm"].map(PathBuf::from);
    known.iter().find(|path| path.is_file()).unwrap_or(&known[2]).clone()
}

/// The file that the unit names: one chosen explicitly, because systemd does not know this shell's variables.
pub(super) fn explicit_config(console: &Console<'_>) -> Result<Option<PathBuf>, CommandError> {
    let location =
        config::locate(console.config.as_deref(), &console.environment).filter(|place| place.explicit);
    let path = location.map(|place| absolute(place.path)).transpose();
    path.map_err(|error| CommandError::failure("invalid_path", format!("--config: {error}")))
}

/// The names and files of `--credential`.
pub(super) fn parse_credentials(
    choices: &UnitOptions,
    environment: &Environment,
) -> Result<Vec<(String, PathBuf)>, CommandError> {
    choices.credentials.iter().map(|text| parse_credential(text, environment)).collect()
}

fn parse_credential(text: &str, environment: &Environment) -> Result<(String, PathBuf), CommandError> {
    let wrong = |why: &str| CommandError::usage(format!("--credential {text}: {why}; NAME=FILE is expected"));
    let (name, file) = text.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(wrong("a name has letters, digits, `_` and `-`"));
    }
    if file.is_empty() {
        return Err(wrong("there is no file"));
    }
    let file = absolute(environment.expand_path(file, None)).map_err(|error| wrong(&error.to_string()))?;
    Ok((name.to_owned(), file))
}

/// As `ListenStream=` has it.
fn listen_stream(gateway: &GatewaySettings) -> String {
    let on = |ip| SocketAddr::new(ip, gateway.port).to_string();
    match &gateway.bind {
        Bind::Loopback => on(std::net::Ipv4Addr::LOCALHOST.into()),
        // IPv6 and IPv4, as a port alone would be read.
        Bind::All => on(std::net::Ipv6Addr::UNSPECIFIED.into()),
        Bind::Address(ip) => on(*ip),
        Bind::Unix(path) => absolute_path_text(path),
    }
}

fn absolute_path_text(path: &Path) -> String {
    absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
