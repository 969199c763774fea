//! The user's systemd instance, called through the `systemctl` of the search path.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};

/// Why `systemctl` failed.
#[derive(Debug, thiserror::Error)]
pub enum SystemctlError {
    /// There is none, or it does not start.
    #[error("systemctl: {0}")]
    Unavailable(#[from] io::Error),
    /// It said no.
    #[error("systemctl --user {command}: {message}")]
    Failed {
        /// Its arguments.
        command: String,
        /// Its standard error, or its exit status.
        message: String,
    },
}

impl SystemctlError {
    /// In its own words.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Unavailable(error) => format!("systemctl: {error}"),
            Self::Failed { message: said, .. } => said.clone(),
        }
    }
}

/// Runs `systemctl --user` with these arguments, to its end. Its standard output.
///
/// # Errors
/// When there is none, or when it fails.
pub fn run(arguments: &[&str]) -> Result<String, SystemctlError> {
    let output = Command::new("systemctl").arg("--user").args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let said = if said.is_empty() { output.status.to_string() } else { said };
    Err(SystemctlError::Failed { command: arguments.join(" "), message: said })
}

/// The version of the manager that runs; `None` where it names none.
///
/// # Errors
/// When no manager of this user answers.
pub fn read_version() -> Result<Option<u32>, SystemctlError> {
    let properties = parse_properties(&run(&["show", "--property=Version"])?);
    // For example `257.9-1~deb13u1`.
    let version = properties.get("Version").map(String::as_str).unwrap_or_default();
    Ok(version.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok()))
}

/// The variables that the manager hands to what it starts; one with special characters is quoted as for a shell.
///
/// # Errors
/// When no manager of this user answers.
pub fn read_environment() -> Result<BTreeMap<String, String>, SystemctlError> {
    run(&["show-environment"]).map(|text| parse_properties(&text))
}

/// What the manager knows of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState(BTreeMap<String, String>);

impl UnitState {
    /// Queries a unit's state.
    ///
    /// # Errors
    /// When the user's systemd does not answer. A unit that does not exist is not an error.
    pub fn query(unit: &str) -> Result<Self, SystemctlError> {
        let names = "--property=LoadState,ActiveState,FragmentPath,StatusText,MainPID,ExecMainStatus,Result,\
                     UnitFileState,NeedDaemonReload,DropInPaths";
        Ok(Self(parse_properties(&run(&["show", names, unit])?)))
    }

    /// Whether there is such a unit.
    #[must_use]
    pub fn exists(&self) -> bool {
        !matches!(self.get("LoadState"), "" | "not-found")
    }

    /// `active`, `failed`, …
    #[must_use]
    pub fn active_state(&self) -> &str {
        self.get("ActiveState")
    }

    /// Its file.
    #[must_use]
    pub fn file(&self) -> &str {
        self.get("FragmentPath")
    }

    /// What the service last said with `STATUS=`.
    #[must_use]
    pub fn status(&self) -> &str {
        self.get("StatusText")
    }

    /// The main process, where one runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.get("MainPID").parse().ok().filter(|pid| *pid != 0)
    }

    /// The exit code of the last main process.
    #[must_use]
    pub fn exit_code(&self) -> &str {
        self.get("ExecMainStatus")
    }

    /// One of the properties above, as systemd writes it; empty where it says nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Builds a state from properties that systemd reported earlier.
impl FromIterator<(String, String)> for UnitState {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(properties: I) -> Self {
        Self(properties.into_iter().collect())
    }
}

/// `KEY=value` lines.
fn parse_properties(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
