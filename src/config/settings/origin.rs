//! Where a secret was found.

use std::fmt;
use std::path::PathBuf;

/// Where a secret was found. Displayed for users, never with the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// A variable of the process environment, by name.
    Environment(String),
    /// A credential of systemd, by name.
    Credential(String),
    /// A line of the secrets file, by name.
    SecretsFile(String),
    /// A variable of the configuration's `env` block, by name.
    EnvBlock(String),
    /// A file that a SecretRef names.
    File(PathBuf),
    /// The configuration holds it in plain text.
    Configuration,
    /// The login that this OAuth server gave.
    Login {
        /// `https://auth.kimi.com`, without a trailing slash.
        host: String,
    },
    /// `moonrelay drill` made it up.
    Drill,
    /// No key: the provider takes none.
    NoKey,
}

impl SecretOrigin {
    /// The name under which it was looked up: of a variable, a credential or a line of the secrets file.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Environment(name)
            | Self::Credential(name)
            | Self::SecretsFile(name)
            | Self::EnvBlock(name) => Some(name),
            Self::File(_) | Self::Configuration | Self::Login { .. } | Self::Drill | Self::NoKey => None,
        }
    }
}

impl fmt::Display for SecretOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env {name}"),
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::SecretsFile(name) => write!(f, "secrets file {name}"),
            Self::EnvBlock(name) => write!(f, "env block {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Configuration => f.write_str("the configuration"),
            Self::Login { host } => write!(f, "login at {host}"),
            Self::Drill => f.write_str("the drill"),
            Self::NoKey => f.write_str("no key"),
        }
    }
}
