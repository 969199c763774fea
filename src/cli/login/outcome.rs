//! What came of a login.

use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::CommandError;
use crate::credentials::Login;

/// Somebody is logged in.
pub(in crate::cli) struct LoginOutcome {
    /// The provider's id.
    pub(in crate::cli) provider: String,
    /// The file with the tokens.
    pub(in crate::cli) token_file: PathBuf,
    /// They themselves.
    pub(in crate::cli) login: Login,
    /// Whether the provider uses them.
    pub(in crate::cli) config_change: ConfigChange,
}

/// What became of the configuration.
pub(in crate::cli) enum ConfigChange {
    /// It said so before.
    Unchanged(PathBuf),
    /// It says so now.
    Written(PathBuf),
    /// Nix manages it; these lines are to be added.
    Managed(Vec<String>),
}

impl LoginOutcome {
    /// Prints it, without a token.
    ///
    /// # Errors
    /// When the output is gone.
    pub(in crate::cli) fn print(&self, console: &mut Console<'_>) -> Result<(), CommandError> {
        if console.json {
            let (file, changed, nix) = match &self.config_change {
                ConfigChange::Unchanged(file) => (Some(file), false, &[][..]),
                ConfigChange::Written(file) => (Some(file), true, &[][..]),
                ConfigChange::Managed(lines) => (None, false, lines.as_slice()),
            };
            let since = self.login.expires_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            return console.print_line(json!({
                "ok": true,
                "provider": self.provider,
                "host": self.login.host,
                "store": self.token_file,
                "expiresAt": u64::try_from(since.as_millis()).ok(),
                "config": { "path": file, "changed": changed, "managed": file.is_none(), "nix": nix },
            }));
        }
        console.print_line(format_args!("logged in at {} as provider {}", self.login.host, self.provider))?;
        console
            .print_line(format_args!("tokens    {} (refreshed by themselves)", self.token_file.display()))?;
        match &self.config_change {
            ConfigChange::Unchanged(file) => {
                console.print_line(format_args!("used      as {} says already", file.display()))?;
            }
            ConfigChange::Written(file) => console.print_line(format_args!(
                "used      as models.providers.{}.auth: \"oauth\" says now in {}",
                self.provider,
                file.display()
            ))?,
            ConfigChange::Managed(lines) => {
                console.print_line(
                    "The configuration is managed by Nix. Add to it, so that the login is used:",
                )?;
                for line in lines {
                    console.print_line(format_args!("  {line}"))?;
                }
            }
        }
        console.print_line("Try it    moonrelay models status --probe")
    }
}
