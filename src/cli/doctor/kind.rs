//! Stable names of finding kinds, for programs.

/// Declares every kind once: its name in `--json`, and its meaning for the reference.
macro_rules! kinds {
    ($($(#[doc = $meaning:literal])+ $kind:ident = $name:literal,)+) => {
        /// The kind of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FindingKind {
            $($(#[doc = $meaning])+ $kind,)+
        }

        impl FindingKind {
            /// Every kind, in the order of the checks.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The name in `--json`. It does not change between versions.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// One sentence, for the reference.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!($($meaning),+).trim_ascii_start(),)+
                }
            }
        }
    };
}

kinds! {
    /// The configuration is invalid.
    InvalidConfiguration = "invalid_configuration",
    /// `moonrelay config validate` warns of the configuration, and no other check reports it.
    ConfigurationWarning = "configuration_warning",
    /// Other users can change the configuration.
    ConfigurationWritableByOthers = "configuration_writable_by_others",
    /// Other users can read a configuration that holds keys.
    ConfigurationReadableByOthers = "configuration_readable_by_others",
    /// The configuration holds a key in plain text.
    PlainTextKey = "plain_text_key",
    /// A file with secrets is a link to a file that does not exist.
    DanglingSecretFile = "dangling_secret_file",
    /// A file with secrets cannot be read.
    UnreadableSecretFile = "unreadable_secret_file",
    /// Other users can change a file with secrets.
    SecretFileWritableByOthers = "secret_file_writable_by_others",
    /// Every user of this machine can read a file with secrets.
    SecretFileReadableByAll = "secret_file_readable_by_all",
    /// The group of a file with secrets can read it.
    SecretFileReadableByGroup = "secret_file_readable_by_group",
    /// A file with secrets belongs to another user.
    SecretFileOfOtherUser = "secret_file_of_other_user",
    /// A key is in the Nix store.
    KeyInNixStore = "key_in_nix_store",
    /// The unit's file holds a key.
    KeyInUnit = "key_in_unit",
    /// No provider has a key: the gateway does not start.
    NoUsableProvider = "no_usable_provider",
    /// A key is not available.
    MissingKey = "missing_key",
    /// A login cannot be used.
    MissingLogin = "missing_login",
    /// The value of a provider's header is not available.
    MissingHeader = "missing_header",
    /// A variable in a provider's `baseUrl` is not available.
    MissingBaseUrl = "missing_base_url",
    /// The key or the URL of the web search is not available.
    MissingWebSearch = "missing_web_search",
    /// The state directory is a symbolic link to the configuration directory.
    LinkedStateDirectory = "linked_state_directory",
    /// This shell has a key that the unit does not have.
    KeyOnlyInShell = "key_only_in_shell",
    /// A provider has the key of another product.
    KeyOfOtherProduct = "key_of_other_product",
    /// The login of a provider gives no key.
    LoginFailed = "login_failed",
    /// The name of a provider's host has no address.
    NameNotResolved = "name_not_resolved",
    /// No connection to a provider can be made.
    ConnectionFailed = "connection_failed",
    /// No TLS connection to a provider can be made.
    TlsFailed = "tls_failed",
    /// A provider cannot be reached through the proxy.
    ProxyFailed = "proxy_failed",
    /// A provider accepts the connection and does not respond.
    NoResponse = "no_response",
    /// A provider rejects its key (401).
    KeyRejected = "key_rejected",
    /// A provider accepts the key and does not serve it (402, 403).
    KeyNotServed = "key_not_served",
    /// A provider has no list of models (404): its `baseUrl` may be wrong.
    NoModelList = "no_model_list",
    /// A provider redirects.
    ProviderRedirects = "provider_redirects",
    /// A provider responds with a server error.
    ProviderError = "provider_error",
    /// A key belongs to the other region of its provider.
    KeyOfOtherRegion = "key_of_other_region",
    /// This machine's clock is wrong.
    ClockSkew = "clock_skew",
    /// A model is retired.
    RetiredModel = "retired_model",
    /// A model will be retired.
    RetiringModel = "retiring_model",
    /// No model of the default chain can be called.
    NoCallableModel = "no_callable_model",
    /// The default chain has no fallback that can be called.
    NoFallback = "no_fallback",
    /// All models of the default chain are of one provider.
    SingleProviderChain = "single_provider_chain",
    /// A target is in cooldown.
    TargetInCooldown = "target_in_cooldown",
    /// Kimi Code rejects clients that it does not know.
    ClientGate = "client_gate",
    /// Another moonrelay holds the port.
    PortHeldByMoonrelay = "port_held_by_moonrelay",
    /// Another program holds the port.
    PortTaken = "port_taken",
    /// The directory of the socket does not exist.
    MissingSocketDirectory = "missing_socket_directory",
    /// The path of the socket is not a socket.
    NotASocket = "not_a_socket",
    /// The socket was left by a process that has ended.
    StaleSocket = "stale_socket",
    /// The socket cannot be opened.
    UnreachableSocket = "unreachable_socket",
    /// Another program listens on the socket.
    SocketTaken = "socket_taken",
    /// No gateway responds at the configured address.
    GatewayDown = "gateway_down",
    /// The running gateway has another version.
    OtherVersion = "other_version",
    /// The running gateway reads another configuration.
    OtherConfiguration = "other_configuration",
    /// The running gateway rejected the changed configuration.
    ReloadRejected = "reload_rejected",
    /// The running gateway applied only a part of the changed configuration.
    ReloadIncomplete = "reload_incomplete",
    /// The running gateway has not read the changed configuration.
    ReloadPending = "reload_pending",
    /// No unit is installed.
    NoUnit = "no_unit",
    /// The unit has failed.
    UnitFailed = "unit_failed",
    /// The unit fails at each start.
    UnitRestarting = "unit_restarting",
    /// The unit is not running.
    UnitInactive = "unit_inactive",
    /// The unit is not enabled.
    UnitDisabled = "unit_disabled",
    /// systemd has not read the changed unit.
    DaemonReloadNeeded = "daemon_reload_needed",
    /// The program of the unit was replaced while it runs.
    ProgramReplaced = "program_replaced",
    /// The unit runs another copy of this version.
    OtherCopy = "other_copy",
    /// The unit runs another version.
    OtherProgram = "other_program",
    /// The unit reads another configuration.
    UnitReadsOtherConfiguration = "unit_reads_other_configuration",
    /// The unit ends with the user's last session.
    NoLinger = "no_linger",
    /// The state directory cannot be written.
    UnwritableState = "unwritable_state",
    /// Other users can read the state directory.
    StateOpenToOthers = "state_open_to_others",
    /// The state directory belongs to another user.
    StateOfOtherUser = "state_of_other_user",
    /// The disk of the state directory is full, or nearly so.
    DiskFull = "disk_full",
    /// The usage database cannot be read.
    UnreadableUsageDatabase = "unreadable_usage_database",
    /// The running gateway cannot write the usage database.
    UsageDatabaseNotWritten = "usage_database_not_written",
    /// The running gateway lost entries of the usage database.
    UsageEntriesLost = "usage_entries_lost",
}
