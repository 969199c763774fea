//! The login of a provider whose key changes by itself: where it is stored, and which process may change it.
//!
//! `oauth/PROVIDER.json` in the state directory has the tokens. The process that refreshes them replaces it.
//! `oauth/PROVIDER.lock` is locked for that, as a refresh token may be good only once. The lock file is written
//! when a login begins or ends, but not when it is refreshed, so the gateway watches this file.

mod device_id;
mod error;
mod file;
mod lock;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::secret::Secret;

pub use device_id::generate_id;
pub use error::{LoginError, LoginProblem};
pub use file::FileVersion;
pub use lock::LoginLock;

/// A login: the server that issued it, and the current tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Random; the same from the login to its end, however often the tokens change. No secret.
    pub id: String,
    /// Where tokens come from: `https://auth.kimi.com`, without a trailing slash.
    pub host: String,
    /// The client that the login was given to.
    pub client_id: String,
    /// The key of now.
    pub access_token: Secret,
    /// Gets the next one; `None`: there is none, and the login ends with the key.
    pub refresh_token: Option<Secret>,
    /// When the key of now ends.
    pub expires_at: SystemTime,
    /// For how long it was good in all.
    pub lifetime: Duration,
}

/// Where the login of one provider is kept.
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
