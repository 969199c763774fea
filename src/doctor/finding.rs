//! What a check finds: its kind, with a stable name for programs and a severity, and its texts.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// How severe a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Something does not work, or a secret is readable by others. The command exits with 1.
    Error,
    /// A problem that will occur later, or for some users.
    Warning,
    /// Good to know.
    Info,
}

/// A problem. Its texts never contain a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: FindingKind,
    pub(crate) severity: Severity,
    #[serde(rename = "what")]
    pub(crate) problem: String,
    #[serde(rename = "how")]
    pub(crate) evidence: String,
    /// A command, or a line of the Nix configuration.
    pub(crate) fix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathBuf>,
}

impl Finding {
    /// A finding with the severity of its kind.
    pub(super) fn new(kind: FindingKind, problem: impl Into<String>, evidence: impl Into<String>) -> Self {
        let (problem, evidence) = (problem.into(), evidence.into());
        Self { kind, severity: kind.severity(), problem, evidence, fix: None, path: None }
    }

    pub(super) fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    pub(super) fn with_fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    pub(super) fn with_path(self, path: &Path) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }
}

/// What a check found, or why it could not run.
pub(super) type CheckResult = Result<Vec<Finding>, String>;

/// Declares each kind once: its usual severity, its name in `--json`, and its meaning for the reference.
macro_rules! kinds {
    ($($kind:ident $severity:ident $name:literal: $meaning:literal,)+) => {
        /// The kind of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FindingKind {
            $(#[doc = $meaning] $kind,)+
        }

        impl FindingKind {
            /// Every kind, in the order of the checks.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// Severity, name and meaning.
            const fn facts(self) -> (Severity, &'static str, &'static str) {
                match self { $(Self::$kind => (Severity::$severity, $name, $meaning),)+ }
            }
        }
    };
}

impl FindingKind {
    const fn severity(self) -> Severity {
        self.facts().0
    }

    /// The name in `--json`. It does not change between versions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().1
    }

    /// One sentence, for the reference.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.facts().2
    }
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

kinds! {
    InvalidConfiguration Error "invalid_configuration": "The configuration is invalid.",
    ConfigurationWarning Warning "configuration_warning": "`moonrelay config validate` warns of the configuration, and no other check reports it.",
    ConfigurationWritableByOthers Error "configuration_writable_by_others": "Other users can change the configuration.",
    ConfigurationReadableByOthers Error "configuration_readable_by_others": "Other users can read a configuration that holds keys.",
    PlainTextKey Warning "plain_text_key": "The configuration holds a key in plain text.",
    DanglingSecretFile Error "dangling_secret_file": "A file with secrets is a link to a file that does not exist.",
    UnreadableSecretFile Error "unreadable_secret_file": "A file with secrets cannot be read.",
    SecretFileWritableByOthers Error "secret_file_writable_by_others": "Other users can change a file with secrets.",
    SecretFileReadableByAll Error "secret_file_readable_by_all": "Every user of this machine can read a file with secrets.",
    SecretFileReadableByGroup Warning "secret_file_readable_by_group": "The group of a file with secrets can read it.",
    SecretFileOfOtherUser Warning "secret_file_of_other_user": "A file with secrets belongs to another user.",
    KeyInNixStore Error "key_in_nix_store": "A key is in the Nix store.",
    KeyInUnit Warning "key_in_unit": "The unit's file holds a key.",
    NoUsableProvider Error "no_usable_provider": "No provider has a key: the gateway does not start.",
    MissingKey Warning "missing_key": "A key is not available.",
    MissingLogin Warning "missing_login": "A login cannot be used.",
    MissingHeader Warning "missing_header": "The value of a provider's header is not available.",
    MissingBaseUrl Warning "missing_base_url": "A variable in a provider's `baseUrl` is not available.",
    MissingWebSearch Warning "missing_web_search": "The key or the URL of the web search is not available.",
    LinkedStateDirectory Warning "linked_state_directory": "The state directory is a symbolic link to the configuration directory.",
    KeyOnlyInShell Warning "key_only_in_shell": "This shell has a key that the unit does not have.",
    KeyOfOtherProduct Error "key_of_other_product": "A provider has the key of another product.",
    LoginFailed Warning "login_failed": "The login of a provider gives no key.",
    NameNotResolved Warning "name_not_resolved": "The name of a provider's host has no address.",
    ConnectionFailed Warning "connection_failed": "No connection to a provider can be made.",
    TlsFailed Warning "tls_failed": "No TLS connection to a provider can be made.",
    ProxyFailed Warning "proxy_failed": "A provider cannot be reached through the proxy.",
    NoResponse Warning "no_response": "A provider accepts the connection and does not respond.",
    KeyRejected Error "key_rejected": "A provider rejects its key (401).",
    KeyNotServed Warning "key_not_served": "A provider accepts the key and does not serve it (402, 403).",
    NoModelList Warning "no_model_list": "A provider has no list of models (404): its `baseUrl` may be wrong.",
    ProviderRedirects Warning "provider_redirects": "A provider redirects.",
    ProviderError Warning "provider_error": "A provider responds with a server error.",
    KeyOfOtherRegion Error "key_of_other_region": "A key belongs to the other region of its provider.",
    ClockSkew Warning "clock_skew": "This machine's clock is wrong.",
    RetiredModel Warning "retired_model": "A model is retired.",
    RetiringModel Warning "retiring_model": "A model will be retired.",
    NoCallableModel Error "no_callable_model": "No model of the default chain can be called.",
    NoFallback Warning "no_fallback": "The default chain has no fallback that can be called.",
    SingleProviderChain Warning "single_provider_chain": "All models of the default chain are of one provider.",
    TargetInCooldown Info "target_in_cooldown": "A target is in cooldown.",
    ClientGate Warning "client_gate": "Kimi Code rejects clients that it does not know.",
    PortTaken Error "port_taken": "Another process listens on the port.",
    AddressNotAvailable Error "address_not_available": "This machine does not have the address of `gateway.bind`.",
    PortNotPermitted Error "port_not_permitted": "This user must not listen on the port.",
    MissingSocketDirectory Error "missing_socket_directory": "The directory of the socket does not exist.",
    NotASocket Error "not_a_socket": "The path of the socket is not a socket.",
    StaleSocket Info "stale_socket": "The socket was left by a process that has ended.",
    UnreachableSocket Error "unreachable_socket": "The socket cannot be opened.",
    SocketTaken Error "socket_taken": "Another process listens on the socket.",
    GatewayDown Info "gateway_down": "No gateway responds at the configured address.",
    OtherVersion Warning "other_version": "The running gateway has another version.",
    OtherConfiguration Warning "other_configuration": "The running gateway reads another configuration.",
    ReloadRejected Error "reload_rejected": "The running gateway rejected the changed configuration.",
    ReloadIncomplete Warning "reload_incomplete": "The running gateway applied only a part of the changed configuration.",
    ReloadPending Warning "reload_pending": "The running gateway has not read the changed configuration.",
    NoUnit Info "no_unit": "No unit is installed.",
    UnitFailed Error "unit_failed": "The unit has failed.",
    UnitRestarting Error "unit_restarting": "The unit fails at each start.",
    UnitInactive Warning "unit_inactive": "The unit is not running.",
    UnitDisabled Warning "unit_disabled": "The unit is not enabled.",
    DaemonReloadNeeded Warning "daemon_reload_needed": "systemd has not read the changed unit.",
    ProgramReplaced Warning "program_replaced": "The program of the unit was replaced while it runs.",
    OtherCopy Info "other_copy": "The unit runs another copy of this version.",
    OtherProgram Warning "other_program": "The unit runs another version.",
    UnitReadsOtherConfiguration Warning "unit_reads_other_configuration": "The unit reads another configuration.",
    NoLinger Warning "no_linger": "The unit ends with the user's last session.",
    UnwritableState Error "unwritable_state": "The state directory cannot be written.",
    StateOpenToOthers Warning "state_open_to_others": "Other users can read the state directory.",
    StateOfOtherUser Warning "state_of_other_user": "The state directory belongs to another user.",
    DiskFull Warning "disk_full": "The disk of the state directory is full, or nearly so.",
    UnreadableUsageDatabase Error "unreadable_usage_database": "The usage database cannot be read.",
    UsageDatabaseNotWritten Error "usage_database_not_written": "The running gateway cannot write the usage database.",
    UsageEntriesLost Warning "usage_entries_lost": "The running gateway lost entries of the usage database.",
}
