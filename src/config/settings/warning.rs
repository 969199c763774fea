//! Warnings of the configuration: typed, so that no code has to read their text.

use std::fmt;
use std::path::PathBuf;

use super::{Reference, SecretOrigin};
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
    #[must_use]
    pub fn new(path: String, kind: WarningKind) -> Self {
        Self { path, message: kind.to_string(), kind }
    }
}

/// The cause of a warning. Displayed as the message for users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// A problem of the secrets file.
    SecretsFile(SecretsFileProblem),
    /// A key of a provider is not available.
    MissingKey {
        /// The provider's id.
        provider: String,
        /// What is not available.
        missing: Missing,
        /// Whether the provider has another key, and so is not disabled.
        has_other_keys: bool,
    },
    /// A provider with `auth` has no `apiKey`.
    NoApiKey {
        /// The provider's id.
        provider: String,
    },
    /// The login of a provider cannot be used.
    MissingLogin {
        /// The provider's id.
        provider: String,
        /// Why; `None` if no state directory is known.
        error: Option<LoginError>,
    },
    /// The value of a provider's header is not available.
    MissingHeader {
        /// The provider's id.
        provider: String,
        /// What is not available.
        missing: Missing,
    },
    /// A variable in a provider's `baseUrl` is not available.
    MissingBaseUrl {
        /// The provider's id.
        provider: String,
        /// What is not available.
        missing: Missing,
    },
    /// A provider that is not in the catalog has no `baseUrl`.
    NoBaseUrl {
        /// The provider's id.
        provider: String,
    },
    /// A chain names a provider that the configuration does not configure and that has no key.
    KeylessTarget {
        /// The provider's id.
        provider: String,
        /// What is not available.
        missing: Missing,
    },
    /// A chain names a provider that is disabled until the configuration configures it.
    UnconfiguredTarget {
        /// The provider's id.
        provider: String,
    },
    /// A provider has no models.
    NoModels {
        /// The provider's id.
        provider: String,
    },
    /// `apiKey` beside `auth: "oauth"`.
    UnusedApiKey,
    /// A client token is not available; the gateway refuses to start.
    MissingClientToken(Missing),
    /// The key or the URL of the web search is not available.
    MissingWebSearch(Missing),
    /// Web search has no key of its own, and the provider's key must not be sent to another host.
    WithheldKey {
        /// Which settings disagree, and the fix.
        reason: String,
    },
    /// The endpoint of traces is not available.
    MissingTraceEndpoint(Missing),
    /// An endpoint of traces is configured, and this build cannot export traces.
    TracesNotBuilt,
    /// The web search has a key of Kimi Code, which Moonshot's platform rejects.
    KimiCodeKeyForWebSearch {
        /// Where the key was found.
        origin: SecretOrigin,
    },
    /// A model was retired.
    RetiredModel {
        /// The model.
        reference: Reference,
        /// Since when, and its successor.
        retired: Retirement,
    },
    /// A route is never used, because an alias has its name.
    UnreachableRoute {
        /// The route's name.
        pattern: String,
    },
    /// An alias has the name of something else, which can no longer be requested.
    ShadowingAlias {
        /// The alias.
        alias: String,
        /// What it hides, for users.
        hidden: String,
    },
}

impl WarningKind {
    /// A stable name, for programs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::SecretsFile(SecretsFileProblem::Unreadable(_)) => "unreadable_secrets_file",
            Self::SecretsFile(SecretsFileProblem::OpenToOthers { .. }) => "secrets_file_open_to_others",
            Self::SecretsFile(SecretsFileProblem::InvalidLine(_)) => "invalid_secrets_file_line",
            Self::MissingKey { .. } => "missing_key",
            Self::NoApiKey { .. } => "no_api_key",
            Self::MissingLogin { .. } => "missing_login",
            Self::MissingHeader { .. } => "missing_header",
            Self::MissingBaseUrl { .. } => "missing_base_url",
            Self::NoBaseUrl { .. } => "no_base_url",
            Self::KeylessTarget { .. } => "keyless_target",
            Self::UnconfiguredTarget { .. } => "unconfigured_target",
            Self::NoModels { .. } => "no_models",
            Self::UnusedApiKey => "unused_api_key",
            Self::MissingClientToken(_) => "missing_client_token",
            Self::MissingWebSearch(_) => "missing_web_search",
            Self::WithheldKey { .. } => "withheld_key",
            Self::MissingTraceEndpoint(_) => "missing_trace_endpoint",
            Self::TracesNotBuilt => "traces_not_built",
            Self::KimiCodeKeyForWebSearch { .. } => "kimi_code_key_for_web_search",
            Self::RetiredModel { .. } => "retired_model",
            Self::UnreachableRoute { .. } => "unreachable_route",
            Self::ShadowingAlias { .. } => "shadowing_alias",
        }
    }
}

const TRACES_NOT_BUILT: &str = "this build of Moonrelay cannot export traces: build it with `cargo build --release --features otel`, use the Nix \
                                package, or remove the endpoint";

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretsFile(problem) => problem.fmt(f),
            Self::MissingKey { provider, missing, has_other_keys: true } => {
                write!(f, "{missing}: provider {provider} uses its other keys")
            }
            Self::MissingKey { provider, missing, .. }
            | Self::MissingHeader { provider, missing }
            | Self::MissingBaseUrl { provider, missing } => {
                write!(f, "{missing}, so provider {provider} is disabled")
            }
            Self::NoApiKey { provider } => {
                write!(
                    f,
                    "provider {provider} has no apiKey, so it is disabled: add one, or set auth: \"none\""
                )
            }
            Self::MissingLogin { provider, error: Some(error) } => {
                write!(f, "provider {provider} is disabled: {error}")
            }
            Self::MissingLogin { provider, error: None } => {
                write!(f, "provider {provider} is disabled: {NO_STATE_DIRECTORY}")
            }
            Self::NoBaseUrl { provider } => write!(
                f,
                "provider {provider} has no baseUrl and is not in the catalog, so it is disabled: add a baseUrl"
            ),
            Self::KeylessTarget { provider, missing } => {
                write!(f, "provider {provider} is disabled: {missing}")
            }
            Self::UnconfiguredTarget { provider } => {
                write!(f, "provider {provider} is disabled: {}", unconfigured(provider))
            }
            Self::NoModels { provider } => {
                write!(f, "provider {provider} has no models, so it cannot be used: add models")
            }
            Self::UnusedApiKey => f.write_str("it is ignored with auth: \"oauth\": remove one of the two"),
            Self::MissingClientToken(missing) => {
                write!(f, "{missing}, so the gateway does not start")
            }
            Self::WithheldKey { reason } => write!(f, "web search is disabled: {reason}"),
            Self::MissingWebSearch(missing) => write!(f, "{missing}, so web search is disabled"),
            Self::MissingTraceEndpoint(missing) => write!(f, "{missing}, so no traces are exported"),
            Self::TracesNotBuilt => f.write_str(TRACES_NOT_BUILT),
            Self::KimiCodeKeyForWebSearch { origin } => write!(
                f,
                "{origin} begins with sk-kimi-, so it is a key of Kimi Code, which Moonshot's platform rejects: web search \
                 needs one from platform.kimi.ai (China: platform.kimi.com)"
            ),
            Self::RetiredModel { reference, retired } => {
                f.write_str(&retired.render_notice(&reference.to_string()))
            }
            Self::UnreachableRoute { pattern } => {
                write!(f, "\"{pattern}\" is an alias too, and aliases come first, so the route is never used")
            }
            Self::ShadowingAlias { alias, hidden } => {
                write!(f, "alias \"{alias}\" hides {hidden}, because aliases come first: choose another")
            }
        }
    }
}

/// Why a provider has no login if no state directory is known.
pub const NO_STATE_DIRECTORY: &str = "there is no state directory for its login: set HOME";

/// Why a provider of the catalog is disabled that is not enabled by default.
#[must_use]
pub fn unconfigured(provider: &str) -> String {
    format!("it is enabled only if models.providers.{provider} is configured")
}

/// A problem of the secrets file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretsFileProblem {
    /// It cannot be read; the error.
    Unreadable(String),
    /// Other users can read it.
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line is not UTF-8; its number, from 1.
    InvalidLine(usize),
}

impl fmt::Display for SecretsFileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "it cannot be read, so it is ignored: {error}"),
            Self::OpenToOthers { path, mode } => {
                write!(f, "other users can read it (mode {mode:03o}): chmod 600 {}", path.display())
            }
            Self::InvalidLine(number) => write!(f, "line {number} is not UTF-8 and is left out"),
        }
    }
}

/// A value that the configuration refers to, and that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// None of these variables is set, or each is empty.
    Variables(Vec<String>),
    /// This credential of systemd cannot be read, or is empty.
    Credential(String),
    /// This file, as the configuration names it, cannot be read, or is empty.
    File(String),
    /// The configuration holds an empty string.
    Empty,
    /// The key contains characters that no HTTP header can carry.
    InvalidKey(SecretOrigin),
}

impl Missing {
    /// One variable.
    #[must_use]
    pub fn variable(name: &str) -> Self {
        Self::Variables(vec![name.to_owned()])
    }

    /// The names under which it was looked up: of variables, or of a credential.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (many, one) = match self {
            Self::Variables(names) => (names.as_slice(), None),
            Self::Credential(name) => (&[][..], Some(name.as_str())),
            Self::InvalidKey(origin) => (&[][..], origin.name()),
            Self::File(_) | Self::Empty => (&[][..], None),
        };
        many.iter().map(String::as_str).chain(one)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variables(names) => write!(f, "{} is not set or empty", names.join(" or ")),
            Self::Credential(name) => write!(f, "the credential {name} cannot be read or is empty"),
            Self::File(name) => write!(f, "the file {name} cannot be read or is empty"),
            Self::Empty => f.write_str("it is empty"),
            Self::InvalidKey(origin) => {
                write!(f, "the key ({origin}) contains characters that no HTTP header can carry")
            }
        }
    }
}
