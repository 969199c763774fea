//! What came of a login.

use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::Ending;
use crate::credentials::Login;

/// Somebody is logged in.
pub(in crate::cli) struct LoggedIn {
    /// The provider's id.
    pub(in crate::cli) provider: String,
    /// The file with the tokens.
    pub(in crate::cli) store: PathBuf,
    /// They themselves.
    pub(in crate::cli) login: Login,
    /// Whether the provider uses them.
    pub(in crate::cli) configured: Configured,
}

/// What became of the configuration.
pub(in crate::cli) enum Configured {
    /// It said so before.
    Already(PathBuf),
    /// It says so now.
    Written(PathBuf),
    /// Nix manages it; these lines are to be added.
    Managed(Vec<String>),
}

impl LoggedIn {
    /// Prints it, without a token.
    ///
    /// # Errors
    /// When the output is gone.
    pub(in crate::cli) fn print(&self, console: &mut Console<'_>) -> Result<(), Ending> {
        if console.json {
            let (file, changed, nix) = match &self.configured {
                Configured::Already(file) => (Some(file), false, &[][..]),
                Configured::Written(file) => (Some(file), true, &[][..]),
                Configured::Managed(lines) => (None, false, lines.as_slice()),
            };
            let since = self.login.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            return console.line(json!({
                "ok": true,
                "provider": self.provider,
                "host": self.login.host,
                "store": self.store,
                "expiresAt": u64::try_from(since.as_millis()).ok(),
                "config": { "path": file, "changed": changed, "managed": file.is_none(), "nix": nix },
            }));
        }
        console.line(format_args!("logged in at {} as provider {}", self.login.host, self.provider))?;
        console.line(format_args!("tokens    {} (refreshed by themselves)", self.store.display()))?;
        match &self.configured {
            Configured::Already(file) => {
                console.line(format_args!("used      as {} says already", file.display()))?;
            }
            Configured::Written(file) => console.line(format_args!(
                "used      as models.providers.{}.auth: \"oauth\" says now in {}",
                self.provider,
                file.display()
            ))?,
            Configured::Managed(lines) => {
                console.line("The configuration is managed by Nix. Add to it, so that the login is used:")?;
                for line in lines {
                    console.line(format_args!("  {line}"))?;
                }
            }
        }
        console.line("Try it    moonrelay models status --probe")
    }
}
