//! The systemd user unit for people without Nix, and its socket, as text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The service.
pub const SERVICE_NAME: &str = "moonrelay.service";
/// The socket that it may be started by.
pub const SOCKET_NAME: &str = "moonrelay.socket";
/// The first systemd that knows `Type=notify-reload`.
pub const MIN_SYSTEMD_VERSION: u32 = 253;

/// How a file that we wrote begins.
const GENERATED_HEADER: &str = "# Written by `moonrelay service install`";

/// Whether a file was written by `service install`.
#[must_use]
pub fn is_generated(text: &str) -> bool {
    text.starts_with(GENERATED_HEADER)
}

/// What a unit file says of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitConfig {
    /// The binary, absolute.
    pub program: PathBuf,
    /// `rm`, absolute: systemd's own search path need not have it (NixOS).
    pub rm_program: PathBuf,
    /// `--config`, absolute; the default place otherwise.
    pub config: Option<PathBuf>,
    /// Names, and the absolute files that hold their secrets.
    pub credentials: Vec<(String, PathBuf)>,
    /// What `ListenStream=` says, where systemd holds the socket.
    pub listen_stream: Option<String>,
}

/// A path that a unit file cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot stand in a unit file: {reason}", .path.display())]
pub struct UnitPathError {
    path: PathBuf,
    reason: &'static str,
}

impl UnitConfig {
    /// The text of [`SERVICE_NAME`].
    ///
    /// # Errors
    /// When a path cannot be written there.
    pub fn render_service(&self) -> Result<String, UnitPathError> {
        let program = quote_path(&self.program)?;
        let config = match &self.config {
            // Only arguments know variables: a dollar in the program is itself.
            Some(path) => format!(" --config {}", quote_path(path)?.replace('$', "$$")),
            None => String::new(),
        };
        let mut text = format!(
            "{GENERATED_HEADER}; what you change belongs into `systemctl --user edit moonrelay`.\n{UNIT_SECTION}"
        );
        if self.listen_stream.is_some() {
            let _ = write!(
                text,
                "# Never without the sockets: it would bind its own.\nRequires={SOCKET_NAME}\nAfter={SOCKET_NAME}\n"
            );
        }
        let _ = write!(
            text,
            "\n[Service]\nType=notify-reload\nExecStart={program} gateway run{config}\n\
             # A wrong file fails `systemctl --user reload` with its errors; SIGHUP is systemd's own part.\n\
             ExecReload={program} config validate{config}\n{SERVICE_SETTINGS}"
        );
        for (name, file) in &self.credentials {
            let file = check_path(file)?.replace('%', "%%");
            let _ = write!(
                text,
                "LoadCredential={name}:{file}\n\
                 # Where the file is missing the key is, not the service (243/CREDENTIALS).\n\
                 SetCredential={name}:\\n\n"
            );
        }
        if !self.credentials.is_empty() {
            let remove = quote_path(&self.rm_program)?;
            let _ = writeln!(
                text,
                "{CREDENTIAL_SETTINGS}ExecStopPost=-{remove} -rf %t/systemd/temporary-credentials/%n"
            );
        }
        text.push_str(SANDBOX_SETTINGS);
        text.push_str("\n[Install]\nWantedBy=default.target\n");
        Ok(text)
    }

    /// The text of [`SOCKET_NAME`]; `None` where the gateway binds its own.
    #[must_use]
    pub fn render_socket(&self) -> Option<String> {
        let listen = self.listen_stream.as_ref()?.replace('%', "%%");
        Some(format!(
            "{GENERATED_HEADER}; what you change belongs into `systemctl --user edit {SOCKET_NAME}`.\n\
             [Unit]\nDescription=Where Moonrelay listens: who connects while it restarts waits\n\n\
             [Socket]\n# As gateway.bind and gateway.port say; when they change, install again.\n\
             ListenStream={listen}\n# Of a UNIX socket: a token protects it only where one is set.\nSocketMode=0600\n\n\
             [Install]\nWantedBy=sockets.target\n"
        ))
    }
}

const UNIT_SECTION: &str = "\
[Unit]
Description=Moonrelay, a personal LLM gateway
# After ten starts in ten minutes, delays included, systemd gives up and leaves the unit `failed`.
StartLimitIntervalSec=600
StartLimitBurst=10
";

const SERVICE_SETTINGS: &str = "\
Restart=on-failure
# A wrong configuration is wrong the next time, too.
RestartPreventExitStatus=78
RestartSec=1
# The delay grows from 1 s to 60 s (systemd 254; older versions stay at 1 s).
RestartSteps=6
RestartMaxDelaySec=60
# It is fed only after the gateway has answered a request of its own.
WatchdogSec=30
# Answers under way run to their end, for at most 90 s.
TimeoutStopSec=100
StateDirectory=moonrelay
StateDirectoryMode=0700
UMask=0077
# Keys are in its memory, and a core dump would hold them.
LimitCORE=0
# A descriptor for each client and for each call to a provider; a session's usual limit is 1024.
LimitNOFILE=16384
";

const CREDENTIAL_SETTINGS: &str = "\
# A reload reads rotated keys (systemd 260; an older one warns, and a restart reads them).
RefreshOnReload=credentials
# A stop while systemd reads them leaves its draft, and later starts fail with 243/CREDENTIALS over that (systemd 262).
";

/// All of it works in a user's own systemd on every kernel. What needs a user namespace (ProtectSystem, ProtectHome,
/// PrivateTmp) fails with 217/USER where those are forbidden, and would hide binaries and configurations in the home.
const SANDBOX_SETTINGS: &str = "
# What needs no user namespace; ProtectSystem=, ProtectHome= and their like need one, and many hosts forbid it.
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
# UNIX: the journal, systemd's notifications, name services.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# A forbidden call fails instead of killing.
SystemCallErrorNumber=EPERM
";

/// A path as text of one line.
fn check_path(path: &Path) -> Result<&str, UnitPathError> {
    let refuse = |why| UnitPathError { path: path.to_owned(), reason: why };
    let text = path.to_str().ok_or_else(|| refuse("it is not UTF-8"))?;
    if !path.is_absolute() {
        return Err(refuse("it is not absolute"));
    }
    if text.chars().any(char::is_control) || text.ends_with('\\') {
        return Err(refuse("it has control characters, or ends with a backslash"));
    }
    Ok(text)
}

/// A path as one word of a command line (systemd.service(5), "Command lines").
fn quote_path(path: &Path) -> Result<String, UnitPathError> {
    let text = check_path(path)?.replace('%', "%%");
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@%:,=$".contains(c);
    if text.chars().all(is_plain) {
        return Ok(text);
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{UnitConfig, is_generated};

    fn unit(program: &str) -> UnitConfig {
        let remove = PathBuf::from("/run/current-system/sw/bin/rm");
        UnitConfig {
            program: PathBuf::from(program),
            rm_program: remove,
            config: None,
            credentials: Vec::new(),
            listen_stream: None,
        }
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{line:?} is missing:\n{text}");
    }

    #[test]
    fn it_says_what_the_lifecycle_needs_and_no_more() {
        let text = unit("/usr/bin/moonrelay").render_service().unwrap();
        assert!(is_generated(&text));
        has(&text, "Type=notify-reload");
        has(&text, "ExecStart=/usr/bin/moonrelay gateway run");
        has(&text, "ExecReload=/usr/bin/moonrelay config validate");
        has(&text, "RestartPreventExitStatus=78");
        assert!(!text.contains("Credential") && !text.contains("moonrelay.socket"), "{text}");
        assert_eq!(unit("/usr/bin/moonrelay").render_socket(), None);
    }

    #[test]
    fn paths_are_one_word_whatever_they_hold() {
        let config = Some(PathBuf::from("/home/u/my $conf\"s/50%"));
        let text = UnitConfig { config, ..unit("/opt/a b/moon$relay") }.render_service().unwrap();
        let command = "\"/opt/a b/moon$relay\" gateway run --config \"/home/u/my $$conf\\\"s/50%%\"";
        has(&text, &format!("ExecStart={command}"));
        for path in ["relative", "/two\nlines", "/ends\\"] {
            assert!(unit(path).render_service().is_err(), "{path}");
        }
    }

    #[test]
    fn a_credential_may_be_missing_and_is_read_again() {
        let credentials = vec![("KIMI_API_KEY".to_owned(), PathBuf::from("/home/u/50%/kimi key"))];
        let text = UnitConfig { credentials, ..unit("/usr/bin/moonrelay") }.render_service().unwrap();
        has(&text, "LoadCredential=KIMI_API_KEY:/home/u/50%%/kimi key");
        has(&text, "SetCredential=KIMI_API_KEY:\\n");
        has(&text, "RefreshOnReload=credentials");
        has(&text, "ExecStopPost=-/run/current-system/sw/bin/rm -rf %t/systemd/temporary-credentials/%n");
    }

    #[test]
    fn with_a_socket_the_service_never_starts_without_it() {
        let unit =
            UnitConfig { listen_stream: Some("127.0.0.1:1969".to_owned()), ..unit("/usr/bin/moonrelay") };
        has(&unit.render_service().unwrap(), "Requires=moonrelay.socket");
        let socket = unit.render_socket().unwrap();
        assert!(is_generated(&socket));
        has(&socket, "ListenStream=127.0.0.1:1969");
    }
}
