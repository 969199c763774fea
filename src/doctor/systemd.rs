//! The unit in the user's systemd, and the keys of the gateway that it starts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::files::{ConfigFacts, is_in_nix_store, is_same_file};
use crate::config::secrets_file::SecretsFile;
use crate::config::settings::Settings;
use crate::config::{self, Environment};
use crate::service::systemctl::{self, UnitState};
use crate::service::unit::{SERVICE_NAME, SOCKET_NAME};

/// The service and its socket, as systemd reports them.
#[derive(Default)]
pub(super) struct UnitFacts {
    pub(super) service_state: UnitState,
    pub(super) socket_state: UnitState,
    /// The program of `ExecStart=`.
    pub(super) program: Option<PathBuf>,
    /// `--config` of `ExecStart=`.
    pub(super) config: Option<PathBuf>,
    /// `Environment=`.
    pub(super) variables: Vec<(String, String)>,
    /// `EnvironmentFile=`.
    pub(super) environment_files: Vec<PathBuf>,
    /// `LoadCredential=`: names and files.
    pub(super) credentials: Vec<(String, PathBuf)>,
    /// Names of credentials with unknown values: encrypted ones, and those without a file.
    pub(super) opaque_credentials: Vec<String>,
    /// The variables that systemd passes to every service.
    pub(super) manager_variables: BTreeMap<String, String>,
    /// The unit's file is in the Nix store.
    pub(super) is_in_nix_store: bool,
    /// The system's systemd has a unit of this name, as NixOS installs it.
    pub(super) is_system_unit: bool,
    /// Output of `--version` of the unit's program, if it is not this program.
    pub(super) other_program_version: Option<String>,
    /// Whether the program file of the running process was replaced.
    pub(super) is_replaced: bool,
    /// Whether the user has lingering enabled; `None` if unknown.
    pub(super) has_linger: Option<bool>,
    /// The configuration with the service's environment; `None` if it is invalid or the unit does not exist.
    pub(super) settings: Option<Settings>,
}

impl UnitFacts {
    /// Queries systemd; blocks until it responds.
    pub(super) fn query(environment: &Environment) -> Result<Self, String> {
        let query = |unit| UnitState::query(unit).map_err(|error| error.message());
        let (service, socket) = (query(SERVICE_NAME)?, query(SOCKET_NAME)?);
        let is_replaced = service.pid().is_some_and(|pid| {
            let program = fs::read_link(format!("/proc/{pid}/exe"));
            program.is_ok_and(|program| program.to_string_lossy().ends_with(" (deleted)"))
        });
        let mut facts = Self {
            is_system_unit: !service.exists() && systemctl::is_system_unit(SERVICE_NAME),
            is_in_nix_store: is_in_nix_store(Path::new(service.file())),
            manager_variables: systemctl::read_environment().map_err(|error| error.message())?,
            is_replaced,
            has_linger: has_linger(environment),
            socket_state: socket,
            ..Self::default()
        };
        if service.exists() {
            facts.read_properties(&service);
            // `systemctl show` prints credentials as "[unprintable]".
            let files = systemctl::run(&["cat", SERVICE_NAME]).unwrap_or_default();
            facts.read_credentials(&files, environment);
        }
        let is_other =
            |program: &&PathBuf| std::env::current_exe().is_ok_and(|own| !is_same_file(program, &own));
        facts.other_program_version =
            facts.program.as_ref().filter(is_other).map(|program| version_of(program));
        facts.service_state = service;
        Ok(facts)
    }

    /// Reads the properties, in which systemd has merged drop-ins and expanded specifiers.
    pub(super) fn read_properties(&mut self, service: &UnitState) {
        // `{ path=/bin/moonrelay ; argv[]=/bin/moonrelay gateway run ; ignore_errors=no ; … }`
        let command = service.get("ExecStart");
        let part = |start: &str, end: &str| Some(command.split_once(start)?.1.split_once(end)?.0);
        self.program = part("path=", " ; argv[]=").map(PathBuf::from);
        let arguments = part("argv[]=", " ; ignore_errors=").unwrap_or_default();
        // systemd prints the arguments without quotes: the path ends at the next option.
        let config = arguments.split_once(" --config").and_then(|(_, rest)| rest.split(" --").next());
        self.config = config.map(|path| PathBuf::from(path.trim_start_matches(['=', ' '])));
        self.variables = split_words(service.get("Environment"))
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // `/run/keys (ignore_errors=yes)`
        let files =
            service.get_all("EnvironmentFiles").filter_map(|value| value.rsplit_once(" (ignore_errors"));
        self.environment_files = files.map(|(path, _)| PathBuf::from(path)).collect();
    }

    /// Reads the credentials from the text of the unit file and its drop-ins.
    pub(super) fn read_credentials(&mut self, files: &str, environment: &Environment) {
        let home = environment.home().unwrap_or_default().display().to_string();
        let runtime = environment.get("XDG_RUNTIME_DIR").unwrap_or_default();
        for (key, value) in files.lines().filter_map(|line| line.split_once('=')) {
            let value = value.trim();
            let (name, path) = value.split_once(':').unwrap_or((value, ""));
            match key.trim() {
                "LoadCredential" if value.is_empty() => self.credentials.clear(),
                "LoadCredential" => {
                    let path = path.replace("%h", &home).replace("%t", runtime).replace("%%", "%");
                    if path.starts_with('/') {
                        self.credentials.push((name.to_owned(), PathBuf::from(path)));
                    } else {
                        self.opaque_credentials.push(name.to_owned());
                    }
                }
                "LoadCredentialEncrypted" | "SetCredentialEncrypted" | "ImportCredential" => {
                    self.opaque_credentials.push(name.to_owned());
                }
                _ => {}
            }
        }
    }

    /// Adds the configuration with the keys that the service has.
    pub(super) fn resolve_settings(self, config: &ConfigFacts, environment: &Environment) -> Self {
        if !self.service_state.exists() {
            return self;
        }
        // The requested file is checked; a separate check reports whether the unit reads it.
        let path = config.path.as_deref().filter(|path| path.exists());
        let settings = config::load(path, &self.environment(environment)).ok();
        Self { settings, ..self }
    }

    /// Environment of the gateway process, as far as it is readable from outside.
    fn environment(&self, own: &Environment) -> Environment {
        let mut all = self.manager_variables.clone();
        for name in ["HOME", "XDG_CONFIG_HOME"] {
            all.remove(name);
            all.extend(own.get(name).map(|value| (name.to_owned(), value.to_owned())));
        }
        all.extend(self.variables.iter().cloned());
        for path in &self.environment_files {
            all.extend(SecretsFile::parse(&fs::read(path).unwrap_or_default()).values);
        }
        let directory =
            own.get("XDG_RUNTIME_DIR").map(|run| Path::new(run).join("credentials").join(SERVICE_NAME));
        let directory = directory.filter(|path| path.is_dir());
        all.extend(directory.map(|path| ("CREDENTIALS_DIRECTORY".to_owned(), path.display().to_string())));
        for (name, path) in &self.credentials {
            let value = || fs::read_to_string(path).unwrap_or_default().trim().to_owned();
            all.entry(name.clone()).or_insert_with(value);
        }
        all.into_iter().collect()
    }
}

/// `moonrelay 0.1.0`, or why the program does not print its version.
fn version_of(program: &Path) -> String {
    match Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => format!("it fails: {}", output.status),
        Err(error) => format!("it does not start: {error}"),
    }
}

/// logind keeps a file for each user with lingering enabled.
fn has_linger(environment: &Environment) -> Option<bool> {
    let user = environment.get("USER").or_else(|| environment.get("LOGNAME"))?;
    let directory = Path::new("/var/lib/systemd/linger");
    (directory.is_dir() && !user.contains('/')).then(|| directory.join(user).exists())
}

/// Splits words as systemctl prints them: double quotes around special characters, escaped by backslashes.
fn split_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    while let Some(character) = chars.next() {
        match character {
            '\\' => word.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words
}
