//! The login of a provider whose access token changes: where it is stored, and which process may change it.
//!
//! `oauth/PROVIDER.json` in the state directory has the tokens. The process that refreshes them replaces it.
//! `oauth/PROVIDER.lock` is locked for that, because a refresh token may be valid only once. The lock file is written
//! when a login begins or ends, but not when it is refreshed, so the gateway watches this file.

mod file;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::secret::Secret;

pub use file::{FileVersion, LoginLock, create_private_directory, generate_id};

/// A login: the server that issued it, and the current tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Random, the same for the whole login. It is not a secret.
    pub id: String,
    /// The OAuth server: `https://auth.kimi.com`, without a trailing slash.
    pub host: String,
    /// The client id that the login was granted to.
    pub client_id: String,
    /// The current access token.
    pub access_token: Secret,
    /// Gets the next access token. Without it the login ends when the access token expires.
    pub refresh_token: Option<Secret>,
    /// When the access token expires.
    pub expires_at: SystemTime,
    /// The whole lifetime of the access token.
    pub lifetime: Duration,
}

/// The files of the login of one provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginFile {
    directory: PathBuf,
    provider: String,
}

impl LoginFile {
    /// `state` is the state directory, `provider` an id of the configuration.
    #[must_use]
    pub fn new(state: &Path, provider: &str) -> Self {
        Self { directory: state.join("oauth"), provider: provider.to_owned() }
    }

    /// The provider's id.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The file with the tokens.
    #[must_use]
    pub fn token_path(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.provider))
    }

    /// The lock file for changes to the token file. It is written when a login begins or ends.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.directory.join(format!("{}.lock", self.provider))
    }

    /// The command that logs in.
    #[must_use]
    pub fn login_command(&self) -> String {
        match self.provider.as_str() {
            "kimi" => "moonrelay onboard --auth-choice kimi-code-oauth".to_owned(),
            other => format!("moonrelay login --provider {other}"),
        }
    }
}

/// Why the login of a provider cannot be used. Displayed with the fix, never with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginError {
    /// Where the login is stored.
    pub file: LoginFile,
    /// What is wrong.
    pub problem: LoginProblem,
}

/// What is wrong with a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginProblem {
    /// The provider has no login.
    LoggedOut,
    /// Its file cannot be opened; the error.
    Unreadable(String),
    /// Other users can read its file.
    OpenToOthers {
        /// The permission bits.
        mode: u32,
    },
    /// Its file holds something else; what, as a predicate: `has no token`.
    Invalid(String),
    /// It has ended; why.
    Ended(String),
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, login) = (self.file.token_path(), self.file.login_command());
        let path = path.display();
        match &self.problem {
            LoginProblem::LoggedOut => write!(f, "not logged in; log in: {login}"),
            LoginProblem::Unreadable(error) => write!(
                f,
                "cannot read {path} ({error}): make it yours and chmod 600 {path}, or log in again: {login}"
            ),
            LoginProblem::OpenToOthers { mode } => write!(
                f,
                "others can read {path} (mode {mode:03o}), so it is not used: chmod 600 {path}, and log in again if another \
                 user may have read it"
            ),
            LoginProblem::Invalid(what) => write!(f, "{path} {what}; log in again: {login}"),
            LoginProblem::Ended(why) => write!(f, "the login has ended ({why}); log in again: {login}"),
        }
    }
}

impl std::error::Error for LoginError {}
