//! The systemd user unit for people without Nix, and its socket, as text.

use std::path::{Path, PathBuf};

/// The service.
pub const SERVICE_NAME: &str = "moonrelay.service";
/// The socket that may start it.
pub const SOCKET_NAME: &str = "moonrelay.socket";
/// The first systemd that knows `Type=notify-reload`.
pub const MIN_SYSTEMD_VERSION: u32 = 253;

/// The beginning of every generated file.
const GENERATED_HEADER: &str = "# Written by `moonrelay service install`";

/// Whether a file was written by `service install`.
#[must_use]
pub fn is_generated(text: &str) -> bool {
    text.starts_with(GENERATED_HEADER)
}

/// The parts of a unit file that depend on the installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitConfig {
    /// The binary, absolute.
    pub program: PathBuf,
    /// `rm`, absolute: systemd's own search path need not have it (NixOS).
    pub rm_program: PathBuf,
    /// `--config`, absolute; `None` for the default location.
    pub config: Option<PathBuf>,
    /// Names, and the absolute paths of their secrets.
    pub credentials: Vec<(String, PathBuf)>,
    /// The value of `ListenStream=`, where systemd holds the socket.
    pub listen_stream: Option<String>,
}

/// A path that a unit file cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be written in a unit file: {reason}", .path.display())]
pub struct UnitPathError {
    path: PathBuf,
    reason: &'static str,
}

impl UnitConfig {
    /// The text of [`SERVICE_NAME`]. Its sandbox works in a user's own systemd on every kernel: settings that need a user
    /// namespace (ProtectSystem, PrivateTmp) fail with 217/USER where those are forbidden, and would hide files in the home.
    ///
    /// # Errors
    /// When a path cannot be written there.
    pub fn render_service(&self) -> Result<String, UnitPathError> {
        let config = match &self.config {
            // Systemd expands variables in arguments only, not in the program.
            Some(path) => format!(" --config {}", quote_path(path)?.replace('$', "$$")),
            None => String::new(),
        };
        let socket = match self.listen_stream {
            Some(_) => format!(
                "# Never without the sockets: it would bind its own.\nRequires={SOCKET_NAME}\nAfter={SOCKET_NAME}\n"
            ),
            None => String::new(),
        };
        Ok(format!(
            include_str!("unit/moonrelay.service"),
            header = GENERATED_HEADER,
            program = quote_path(&self.program)?,
            credentials = self.render_credentials()?,
            config = config,
            socket = socket,
        ))
    }

    fn render_credentials(&self) -> Result<String, UnitPathError> {
        let mut text = String::new();
        for (name, file) in &self.credentials {
            let file = check_path(file)?.replace('%', "%%");
            text += &format!(
                "LoadCredential={name}:{file}\n\
                 # Without the file the key is missing, but the service starts (243/CREDENTIALS).\n\
                 SetCredential={name}:\\n\n"
            );
        }
        if !text.is_empty() {
            let remove = quote_path(&self.rm_program)?;
            text += &format!(
                "# A reload reads rotated keys (systemd 260; an older one warns, and a restart reads them).\n\
                 RefreshOnReload=credentials\n\
                 # A stop while systemd reads them leaves its draft, and later starts fail with 243/CREDENTIALS (systemd 262).\n\
                 ExecStopPost=-{remove} -rf %t/systemd/temporary-credentials/%n\n"
            );
        }
        Ok(text)
    }

    /// The text of [`SOCKET_NAME`]; `None` where the gateway binds its own.
    #[must_use]
    pub fn render_socket(&self) -> Option<String> {
        let listen = self.listen_stream.as_ref()?.replace('%', "%%");
        Some(format!(include_str!("unit/moonrelay.socket"), header = GENERATED_HEADER, listen = listen))
    }
}

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
