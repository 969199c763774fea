//! Warnings of the configuration: typed where code acts on the cause, so that no code has to read their text.

use std::path::PathBuf;

use super::reference::{Reference, SecretOrigin};
use crate::catalog::Retirement;
use crate::credentials::LoginError;

/// A problem that does not make the configuration invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A key path (`models.providers.kimi.apiKey`), or the path of the secrets file.
    pub path: String,
    /// The cause.
    pub kind: WarningKind,
    /// The text of `kind`, with the fix.
    pub message: String,
}

impl Warning {
    /// A warning whose message is the text of its kind.
    pub(crate) fn new(path: String, kind: WarningKind) -> Self {
        Self { path, message: kind.to_string(), kind }
    }
}

/// The cause of a warning. Displayed as the message for users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WarningKind {
    /// A problem of the secrets file.
    #[error(transparent)]
    SecretsFile(SecretsFileProblem),
    /// A key of a provider is not available.
    #[error("{missing}{}", other_keys_note(provider, *has_other_keys))]
    MissingKey {
        /// The provider's id.
        provider: String,
        /// What is not available.
        missing: Missing,
        /// Whether the provider has another key, and so is not disabled.
        has_other_keys: bool,
    },
    /// A provider with `auth` has no `apiKey`.
    #[error("provider {provider} has no apiKey, so it is disabled: add one, or set auth: \"none\"")]
    NoApiKey {
        /// The provider's id.
        provider: String,
    },
    /// The login of a provider cannot be used.
    #[error("provider {provider} is disabled: {}", .error.as_ref().map_or(NO_STATE_DIRECTORY.to_owned(), ToString::to_string))]
    MissingLogin {
        /// The provider's id.
        provider: String,
        /// Why; `None` if no state directory is known.
        error: Option<LoginError>,
    },
    /// The value of a provider's header is not available.
    #[error("{missing}, so provider {provider} is disabled")]
    MissingHeader {
        /// The provider's id.
        provider: String,
        /// What is not available.
        missing: Missing,
    },
    /// A variable in a provider's `baseUrl` is not available.
    #[error("{missing}, so provider {provider} is disabled")]
    MissingBaseUrl {
        /// The provider's id.
        provider: String,
        /// What is not available.
        missing: Missing,
    },
    /// A chain names a provider that the configuration does not configure and that has no key.
    #[error("provider {provider} is disabled: {missing}")]
    KeylessTarget {
        /// The provider's id.
        provider: String,
        /// What is not available.
        missing: Missing,
    },
    /// The key or the URL of the web search is not available.
    #[error("{0}, so web search is disabled")]
    MissingWebSearch(Missing),
    /// A model was retired.
    #[error("{}", .retired.render_notice(&reference.to_string()))]
    RetiredModel {
        /// The model.
        reference: Reference,
        /// Since when, and its successor.
        retired: Retirement,
    },
    /// A cause that no code acts on.
    #[error("{message}")]
    Other {
        /// A stable name, for programs.
        name: &'static str,
        /// The message for users.
        message: String,
    },
}

fn other_keys_note(provider: &str, has_other_keys: bool) -> String {
    match has_other_keys {
        true => format!(": provider {provider} uses its other keys"),
        false => format!(", so provider {provider} is disabled"),
    }
}

impl WarningKind {
    /// A stable name, for programs.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::SecretsFile(SecretsFileProblem::Unreadable(_)) => "unreadable_secrets_file",
            Self::SecretsFile(SecretsFileProblem::OpenToOthers { .. }) => "secrets_file_open_to_others",
            Self::SecretsFile(SecretsFileProblem::InvalidLine(_)) => "invalid_secrets_file_line",
            Self::MissingKey { .. } => "missing_key",
            Self::NoApiKey { .. } => "no_api_key",
            Self::MissingLogin { .. } => "missing_login",
            Self::MissingHeader { .. } => "missing_header",
            Self::MissingBaseUrl { .. } => "missing_base_url",
            Self::KeylessTarget { .. } => "keyless_target",
            Self::MissingWebSearch(_) => "missing_web_search",
            Self::RetiredModel { .. } => "retired_model",
            Self::Other { name, .. } => name,
        }
    }
}

/// Why a provider has no login if no state directory is known.
pub(in crate::config) const NO_STATE_DIRECTORY: &str = "there is no state directory for its login: set HOME";

/// A problem of the secrets file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsFileProblem {
    /// The error of the operating system.
    #[error("it cannot be read, so it is ignored: {0}")]
    Unreadable(String),
    /// Other users can read it.
    #[error("other users can read it (mode {mode:03o}): chmod 600 {}", .path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The number of the line, from 1.
    #[error("line {0} is not UTF-8 and is left out")]
    InvalidLine(usize),
}

/// A value that the configuration refers to, and that is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// None of these variables is set, or each is empty.
    #[error("{} is not set or empty", .0.join(" or "))]
    Variables(Vec<String>),
    /// A credential of systemd, by name.
    #[error("the credential {0} cannot be read or is empty")]
    Credential(String),
    /// A file, as the configuration names it.
    #[error("the file {0} cannot be read or is empty")]
    File(String),
    /// The configuration holds an empty string.
    #[error("it is empty")]
    Empty,
    /// A key that was found.
    #[error("the key ({0}) contains characters that no HTTP header can carry")]
    InvalidKey(SecretOrigin),
}

impl Missing {
    /// The names under which it was looked up: of variables, or of a credential.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let (many, one) = match self {
            Self::Variables(names) => (names.as_slice(), None),
            Self::Credential(name) => (&[][..], Some(name.as_str())),
            Self::InvalidKey(origin) => (&[][..], origin.name()),
            Self::File(_) | Self::Empty => (&[][..], None),
        };
        many.iter().map(String::as_str).chain(one)
    }
}
