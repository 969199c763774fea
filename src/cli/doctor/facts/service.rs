//! The unit in the user's own systemd: its state, its files, and the keys that the gateway in it has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::config::ConfigFacts;
use super::unit_file::UnitFile;
use crate::config::edit::find_manager;
use crate::config::secrets_file::SecretsFile;
use crate::config::settings::Settings;
use crate::config::{self, Environment};
use crate::service::systemctl::{self, UnitState};
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME};

/// What was seen of it.
pub(in crate::cli::doctor) struct UnitFacts {
    /// The service.
    pub(in crate::cli::doctor) service_state: UnitState,
    /// Its socket.
    pub(in crate::cli::doctor) socket_state: UnitState,
    /// Contents of the unit files.
    pub(in crate::cli::doctor) unit_file: UnitFile,
    /// The variables that the manager hands to what it starts.
    pub(in crate::cli::doctor) manager_variables: BTreeMap<String, String>,
    /// The service's file leads into the Nix store.
    pub(in crate::cli::doctor) is_in_nix_store: bool,
    /// The machine's own systemd has a unit of this name, as NixOS makes it.
    pub(in crate::cli::doctor) is_system_unit: bool,
    /// Output of `--version` of the service's program, if it is not this file.
    pub(in crate::cli::doctor) other_program_version: Option<String>,
    /// Whether the file of the main process was replaced since its start.
    pub(in crate::cli::doctor) is_replaced: bool,
    /// Whether the user lingers after the last session; `None` if unknown.
    pub(in crate::cli::doctor) has_linger: Option<bool>,
    /// The configuration in the service's environment; `None` if it is invalid or the unit does not exist.
    pub(in crate::cli::doctor) settings: Option<Settings>,
}

impl UnitFacts {
    /// Queries systemd. Blocks until systemd answers.
    ///
    /// # Errors
    /// When the user's systemd does not answer.
    pub(super) fn query(environment: &Environment) -> Result<Self, String> {
        let of = |unit| UnitState::query(unit).map_err(|refusal| refusal.message());
        let (unit, socket) = (of(SERVICE_NAME)?, of(SOCKET_NAME)?);
        let mut paths = vec![PathBuf::from(unit.file())];
        paths.extend(unit.get("DropInPaths").split_whitespace().map(PathBuf::from));
        let file = if unit.exists() { UnitFile::read(&paths, environment) } else { UnitFile::default() };
        let variables = systemctl::read_environment().map_err(|refusal| refusal.message())?;
        let is_replaced = unit.pid().is_some_and(|pid| {
            let program = fs::read_link(format!("/proc/{pid}/exe"));
            program.is_ok_and(|program| program.to_string_lossy().ends_with(" (deleted)"))
        });
        let other_program = file.program().filter(|program| !is_this(program)).map(version_of);
        let lingers = lingers(environment);
        let in_store = find_manager(Path::new(unit.file()), &Environment::default()).is_some();
        let of_machine = !unit.exists() && is_known_to_the_machine();
        Ok(Self {
            is_system_unit: of_machine,
            is_in_nix_store: in_store,
            service_state: unit,
            socket_state: socket,
            unit_file: file,
            manager_variables: variables,
            other_program_version: other_program,
            is_replaced,
            has_linger: lingers,
            settings: None,
        })
    }

    /// With the configuration that the service reads, and the keys that reach it.
    pub(super) fn resolve_settings(self, configuration: &ConfigFacts, environment: &Environment) -> Self {
        if !self.service_state.exists() {
            return self;
        }
        let variables = self.environment(environment);
        // The requested file is checked; a separate check reports whether the unit reads it.
        let settings = config::load(configuration.path.as_deref().filter(|path| path.exists()), &variables);
        Self { settings: settings.ok(), ..self }
    }

    /// Environment of the gateway process, as far as it is readable from outside.
    fn environment(&self, own: &Environment) -> Environment {
        let mut all = self.manager_variables.clone();
        for name in ["HOME", "XDG_CONFIG_HOME"] {
            all.remove(name);
            all.extend(own.get(name).map(|value| (name.to_owned(), value.to_owned())));
        }
        all.extend(self.unit_file.variables.iter().cloned());
        for path in &self.unit_file.environment_files {
            all.extend(SecretsFile::parse(&fs::read(path).unwrap_or_default()).values);
        }
        let held =
            own.get("XDG_RUNTIME_DIR").map(|run| Path::new(run).join("credentials").join(SERVICE_NAME));
        all.extend(
            held.filter(|path| path.is_dir())
                .map(|path| ("CREDENTIALS_DIRECTORY".to_owned(), path.display().to_string())),
        );
        for (name, path) in &self.unit_file.credentials {
            let value = || fs::read_to_string(path).unwrap_or_default().trim().to_owned();
            all.entry(name.clone()).or_insert_with(value);
        }
        all.into_iter().collect()
    }
}

/// Whether a program is this one, whatever links lead there.
fn is_this(program: &Path) -> bool {
    let own = std::env::current_exe().and_then(|path| path.canonicalize());
    matches!((own, program.canonicalize()), (Ok(own), Ok(other)) if own == other)
}

/// Whether the service is one of the machine's, which every user may ask.
fn is_known_to_the_machine() -> bool {
    let asked = Command::new("systemctl")
        .args(["show", "--property=LoadState", SERVICE_NAME])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    asked.is_ok_and(|output| output.stdout.starts_with(b"LoadState=loaded"))
}

/// `moonrelay 0.1.0`, or why it does not say.
fn version_of(program: &Path) -> String {
    match Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => format!("it ends with {}", output.status),
        Err(error) => format!("it does not start: {error}"),
    }
}

/// Reported by logind, otherwise by its linger file (loginctl(1), enable-linger).
fn lingers(environment: &Environment) -> Option<bool> {
    let user = environment.get("USER").or_else(|| environment.get("LOGNAME"))?;
    let asked = Command::new("loginctl")
        .args(["show-user", user, "--property=Linger"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = asked.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    match said.as_deref().map(|said| String::from_utf8_lossy(said).trim().to_owned()).as_deref() {
        Some("Linger=yes") => Some(true),
        Some("Linger=no") => Some(false),
        _ if user.contains('/') => None,
        // logind knows only users that are logged in or linger.
        _ => {
            let folder = Path::new("/var/lib/systemd/linger");
            folder.is_dir().then(|| folder.join(user).exists())
        }
    }
}
