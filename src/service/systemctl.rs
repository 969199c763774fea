//! The user's systemd instance, called through the `systemctl` of the search path.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};

/// Why `systemctl` failed.
#[derive(Debug, thiserror::Error)]
pub enum SystemctlError {
    /// It is not installed or does not start.
    #[error("systemctl: {0}")]
    Unavailable(#[from] io::Error),
    /// It exited with an error.
    #[error("systemctl --user {command}: {message}")]
    Failed {
        /// Its arguments.
        command: String,
        /// Its standard error, or its exit status.
        message: String,
    },
}

impl SystemctlError {
    /// The message of systemctl.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Unavailable(error) => format!("systemctl: {error}"),
            Self::Failed { message, .. } => message.clone(),
        }
    }
}

/// Runs `systemctl --user` with these arguments and returns its standard output.
///
/// # Errors
/// When it is not installed, or when it fails.
pub fn run(arguments: &[&str]) -> Result<String, SystemctlError> {
    let output = Command::new("systemctl").arg("--user").args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let message = if message.is_empty() { output.status.to_string() } else { message };
    Err(SystemctlError::Failed { command: arguments.join(" "), message })
}

/// The version of the running manager; `None` if it reports none.
///
/// # Errors
/// When the user's systemd does not respond.
pub fn read_version() -> Result<Option<u32>, SystemctlError> {
    let properties = UnitState(parse_properties(&run(&["show", "--property=Version"])?).collect());
    // For example `257.9-1~deb13u1`.
    let version = properties.get("Version");
    Ok(version.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok()))
}

/// The variables that the manager passes to every service; values with special characters are quoted as for a shell.
///
/// # Errors
/// When the user's systemd does not respond.
pub fn read_environment() -> Result<BTreeMap<String, String>, SystemctlError> {
    run(&["show-environment"]).map(|text| parse_properties(&text).collect())
}

/// Whether the system's own systemd has this unit. Every user may query it.
#[must_use]
pub fn is_system_unit(unit: &str) -> bool {
    let mut command = Command::new("systemctl");
    command.args(["show", "--property=LoadState", unit]).stdin(Stdio::null()).stderr(Stdio::null());
    command.output().is_ok_and(|output| output.stdout.starts_with(b"LoadState=loaded"))
}

/// The properties of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState(Vec<(String, String)>);

impl UnitState {
    /// Queries a unit's state.
    ///
    /// # Errors
    /// When the user's systemd does not respond. A unit that does not exist is not an error.
    pub fn query(unit: &str) -> Result<Self, SystemctlError> {
        let names = "--property=LoadState,ActiveState,FragmentPath,StatusText,MainPID,ExecMainStatus,Result,\
                     UnitFileState,NeedDaemonReload,ExecStart,Environment,EnvironmentFiles";
        Ok(Self(parse_properties(&run(&["show", names, unit])?).collect()))
    }

    /// Whether the unit exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        !matches!(self.get("LoadState"), "" | "not-found")
    }

    /// `active`, `failed`, …
    #[must_use]
    pub fn active_state(&self) -> &str {
        self.get("ActiveState")
    }

    /// The path of its file.
    #[must_use]
    pub fn file(&self) -> &str {
        self.get("FragmentPath")
    }

    /// The last `STATUS=` of the service.
    #[must_use]
    pub fn status(&self) -> &str {
        self.get("StatusText")
    }

    /// The main process, if it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.get("MainPID").parse().ok().filter(|pid| *pid != 0)
    }

    /// The exit code of the last main process.
    #[must_use]
    pub fn exit_code(&self) -> &str {
        self.get("ExecMainStatus")
    }

    /// A property as systemd prints it; empty if it is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.get_all(name).last().unwrap_or_default()
    }

    /// Every value of a property that systemd writes on several lines.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Builds a state from properties that systemd reported earlier.
impl FromIterator<(String, String)> for UnitState {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(properties: I) -> Self {
        Self(properties.into_iter().collect())
    }
}

/// `KEY=value` lines.
fn parse_properties(text: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned()))
}
