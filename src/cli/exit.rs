//! How a command ends: the exit code, and the error on the right stream in the right shape.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use crate::config::ConfigError;

/// A bad configuration (`EX_CONFIG` of sysexits).
const EX_CONFIG: u8 = 78;

/// Why a command did not succeed.
#[derive(Debug)]
pub struct CommandError {
    code: u8,
    kind: &'static str,
    message: String,
}

impl CommandError {
    /// It tried and failed: exit 1.
    pub fn failure(kind: &'static str, message: impl Into<String>) -> Self {
        Self { code: 1, kind, message: message.into() }
    }

    /// It was called wrongly: exit 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, kind: "usage", message: message.into() }
    }

    /// The configuration is bad: exit 78.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self { code: EX_CONFIG, kind: "invalid_config", message: message.into() }
    }

    /// It failed, and has said so already, or nobody listens: exit 1.
    #[must_use]
    pub const fn silent() -> Self {
        Self { code: 1, kind: "failed", message: String::new() }
    }

    /// What is wrong, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Standard output is gone. A reader that has seen enough (`head`) needs no word about it.
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
    pub fn from_output_error(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::silent(),
            _ => Self::failure("output_error", format!("cannot write: {error}")),
        }
    }
}

impl From<ConfigError> for CommandError {
    fn from(invalid: ConfigError) -> Self {
        Self::configuration(invalid.to_string())
    }
}

/// The exit code; an error goes to standard error, or as JSON to standard output.
pub fn into_exit_code(outcome: Result<(), CommandError>, as_json: bool) -> ExitCode {
    let Err(ending) = outcome else {
        return ExitCode::SUCCESS;
    };
    // Nobody is left to tell when the stream is gone.
    if ending.message.is_empty() {
        return ExitCode::from(ending.code);
    }
    if as_json {
        let value = json!({"ok": false, "error": {"type": ending.kind, "message": ending.message}});
        let _ = writeln!(std::io::stdout(), "{value}");
    } else {
        let _ = writeln!(std::io::stderr(), "moonrelay: {}", ending.message);
    }
    ExitCode::from(ending.code)
}
