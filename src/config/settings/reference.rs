//! References to models, and origins of secrets.

use std::path::PathBuf;

/// `provider/model`, split at the first slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// A provider's id.
    pub provider: String,
    /// A model's id, which may hold slashes itself.
    pub model: String,
}

impl Reference {
    /// Splits `provider/model`; `None` without a slash.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (provider, model) = text.split_once('/')?;
        Some(Self { provider: provider.to_owned(), model: model.to_owned() })
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

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
    /// A login at this OAuth server.
    Login {
        /// `https://auth.kimi.com`, without a trailing slash.
        host: String,
    },
    /// `moonrelay drill` generated it.
    Drill,
    /// No key: the provider needs none.
    NoKey,
}

impl SecretOrigin {
    /// The name under which it was looked up: of a variable, a credential or a line of the secrets file.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Environment(name)
            | Self::Credential(name)
            | Self::SecretsFile(name)
            | Self::EnvBlock(name) => Some(name),
            Self::File(_) | Self::Configuration | Self::Login { .. } | Self::Drill | Self::NoKey => None,
        }
    }
}

impl std::fmt::Display for SecretOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
