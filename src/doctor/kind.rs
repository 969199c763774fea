//! Stable names of finding kinds, for programs.

use serde::{Serialize, Serializer};

/// Declares each kind once: its name in `--json`, and its meaning for the reference.
macro_rules! kinds {
    ($($kind:ident $name:literal: $meaning:literal,)+) => {
        /// The kind of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FindingKind {
            $(#[doc = $meaning] $kind,)+
        }

        impl FindingKind {
            /// Every kind, in the order of the checks.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The name in `--json`. It does not change between versions.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// One sentence, for the reference.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$kind => $meaning,)+ }
            }
        }
    };
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

kinds! {
    InvalidConfiguration "invalid_configuration": "The configuration is invalid.",
    ConfigurationWarning "configuration_warning": "`moonrelay config validate` warns of the configuration, and no other check reports it.",
    ConfigurationWritableByOthers "configuration_writable_by_others": "Other users can change the configuration.",
    ConfigurationReadableByOthers "configuration_readable_by_others": "Other users can read a configuration that holds keys.",
    PlainTextKey "plain_text_key": "The configuration holds a key in plain text.",
    DanglingSecretFile "dangling_secret_file": "A file with secrets is a link to a file that does not exist.",
    UnreadableSecretFile "unreadable_secret_file": "A file with secrets cannot be read.",
    SecretFileWritableByOthers "secret_file_writable_by_others": "Other users can change a file with secrets.",
    SecretFileReadableByAll "secret_file_readable_by_all": "Every user of this machine can read a file with secrets.",
    SecretFileReadableByGroup "secret_file_readable_by_group": "The group of a file with secrets can read it.",
    SecretFileOfOtherUser "secret_file_of_other_user": "A file with secrets belongs to another user.",
    KeyInNixStore "key_in_nix_store": "A key is in the Nix store.",
    KeyInUnit "key_in_unit": "The unit's file holds a key.",
    NoUsableProvider "no_usable_provider": "No provider has a key: the gateway does not start.",
    MissingKey "missing_key": "A key is not available.",
    MissingLogin "missing_login": "A login cannot be used.",
    MissingHeader "missing_header": "The value of a provider's header is not available.",
    MissingBaseUrl "missing_base_url": "A variable in a provider's `baseUrl` is not available.",
    MissingWebSearch "missing_web_search": "The key or the URL of the web search is not available.",
    LinkedStateDirectory "linked_state_directory": "The state directory is a symbolic link to the configuration directory.",
    KeyOnlyInShell "key_only_in_shell": "This shell has a key that the unit does not have.",
    KeyOfOtherProduct "key_of_other_product": "A provider has the key of another product.",
    LoginFailed "login_failed": "The login of a provider gives no key.",
    NameNotResolved "name_not_resolved": "The name of a provider's host has no address.",
    ConnectionFailed "connection_failed": "No connection to a provider can be made.",
    TlsFailed "tls_failed": "No TLS connection to a provider can be made.",
    ProxyFailed "proxy_failed": "A provider cannot be reached through the proxy.",
    NoResponse "no_response": "A provider accepts the connection and does not respond.",
    KeyRejected "key_rejected": "A provider rejects its key (401).",
    KeyNotServed "key_not_served": "A provider accepts the key and does not serve it (402, 403).",
    NoModelList "no_model_list": "A provider has no list of models (404): its `baseUrl` may be wrong.",
    ProviderRedirects "provider_redirects": "A provider redirects.",
    ProviderError "provider_error": "A provider responds with a server error.",
    KeyOfOtherRegion "key_of_other_region": "A key belongs to the other region of its provider.",
    ClockSkew "clock_skew": "This machine's clock is wrong.",
    RetiredModel "retired_model": "A model is retired.",
    RetiringModel "retiring_model": "A model will be retired.",
    NoCallableModel "no_callable_model": "No model of the default chain can be called.",
    NoFallback "no_fallback": "The default chain has no fallback that can be called.",
    SingleProviderChain "single_provider_chain": "All models of the default chain are of one provider.",
    TargetInCooldown "target_in_cooldown": "A target is in cooldown.",
    ClientGate "client_gate": "Kimi Code rejects clients that it does not know.",
    PortTaken "port_taken": "Another process listens on the port.",
    AddressNotAvailable "address_not_available": "This machine does not have the address of `gateway.bind`.",
    PortNotPermitted "port_not_permitted": "This user must not listen on the port.",
    MissingSocketDirectory "missing_socket_directory": "The directory of the socket does not exist.",
    NotASocket "not_a_socket": "The path of the socket is not a socket.",
    StaleSocket "stale_socket": "The socket was left by a process that has ended.",
    UnreachableSocket "unreachable_socket": "The socket cannot be opened.",
    SocketTaken "socket_taken": "Another process listens on the socket.",
    GatewayDown "gateway_down": "No gateway responds at the configured address.",
    OtherVersion "other_version": "The running gateway has another version.",
    OtherConfiguration "other_configuration": "The running gateway reads another configuration.",
    ReloadRejected "reload_rejected": "The running gateway rejected the changed configuration.",
    ReloadIncomplete "reload_incomplete": "The running gateway applied only a part of the changed configuration.",
    ReloadPending "reload_pending": "The running gateway has not read the changed configuration.",
    NoUnit "no_unit": "No unit is installed.",
    UnitFailed "unit_failed": "The unit has failed.",
    UnitRestarting "unit_restarting": "The unit fails at each start.",
    UnitInactive "unit_inactive": "The unit is not running.",
    UnitDisabled "unit_disabled": "The unit is not enabled.",
    DaemonReloadNeeded "daemon_reload_needed": "systemd has not read the changed unit.",
    ProgramReplaced "program_replaced": "The program of the unit was replaced while it runs.",
    OtherCopy "other_copy": "The unit runs another copy of this version.",
    OtherProgram "other_program": "The unit runs another version.",
    UnitReadsOtherConfiguration "unit_reads_other_configuration": "The unit reads another configuration.",
    NoLinger "no_linger": "The unit ends with the user's last session.",
    UnwritableState "unwritable_state": "The state directory cannot be written.",
    StateOpenToOthers "state_open_to_others": "Other users can read the state directory.",
    StateOfOtherUser "state_of_other_user": "The state directory belongs to another user.",
    DiskFull "disk_full": "The disk of the state directory is full, or nearly so.",
    UnreadableUsageDatabase "unreadable_usage_database": "The usage database cannot be read.",
    UsageDatabaseNotWritten "usage_database_not_written": "The running gateway cannot write the usage database.",
    UsageEntriesLost "usage_entries_lost": "The running gateway lost entries of the usage database.",
}
