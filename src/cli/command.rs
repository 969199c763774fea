//! What every command works with: its context (environment, configuration file, output) and its error.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

use crate::assistant::session::SessionError;
use crate::config::edit::{Document, EditError, SaveOutcome};
use crate::config::settings::Settings;
use crate::config::{self, ConfigError, Environment, Location};

/// Exit code for a bad configuration (`EX_CONFIG` of sysexits).
const EX_CONFIG: u8 = 78;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct CommandError {
    code: u8,
    kind: &'static str,
    message: String,
}

impl CommandError {
    /// The command failed: exit 1. `kind` is `error.type` of the JSON output.
    pub(super) fn failure(kind: &'static str, message: impl Into<String>) -> Self {
        Self { code: 1, kind, message: message.into() }
    }

    /// The command line is wrong: exit 2.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, kind: "usage", message: message.into() }
    }

    /// The configuration is invalid: exit 78.
    pub(super) fn configuration(message: impl Into<String>) -> Self {
        Self { code: EX_CONFIG, kind: "invalid_config", message: message.into() }
    }

    /// The failure is already reported, or its reader is gone: exit 1 without a message.
    pub(super) const fn silent() -> Self {
        Self { code: 1, kind: "failed", message: String::new() }
    }

    /// The configuration is invalid, which is already reported: exit 78.
    pub(super) const fn silent_configuration() -> Self {
        Self { code: EX_CONFIG, kind: "invalid_config", message: String::new() }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Standard output failed. A reader that closes a pipe early (`head`) needs no message.
    #[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
    pub(super) fn from_output_error(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::silent(),
            _ => Self::failure("output_error", format!("cannot write: {error}")),
        }
    }
}

impl From<ConfigError> for CommandError {
    fn from(invalid: ConfigError) -> Self {
        Self::configuration(invalid.to_string())
    }
}

impl From<SessionError> for CommandError {
    fn from(error: SessionError) -> Self {
        Self::failure("session_error", error.to_string())
    }
}

/// A change that was not saved: exit 1, or 78 if the file was invalid before.
impl From<&EditError> for CommandError {
    fn from(error: &EditError) -> Self {
        match error {
            EditError::Invalid(invalid) => Self::failure(
                "invalid_config",
                format!("nothing was changed: the result would be invalid: {invalid}"),
            ),
            EditError::AlreadyInvalid { .. } => Self::configuration(format!(
                "nothing was changed: the configuration is already invalid (only a change that fixes an error is \
                 saved): {error}"
            )),
            EditError::Managed(_) => Self::failure("managed_config", error.to_string()),
            EditError::Path(_) => Self::failure("invalid_path", error.to_string()),
            EditError::File { .. } => Self::failure("file_error", error.to_string()),
        }
    }
}

impl From<EditError> for CommandError {
    fn from(error: EditError) -> Self {
        Self::from(&error)
    }
}

/// Prints an error (as JSON on standard output, else on standard error) and returns the exit code.
pub(super) fn into_exit_code(outcome: Result<(), CommandError>, as_json: bool) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    if error.message.is_empty() {
        return ExitCode::from(error.code);
    }
    // A closed stream leaves no place to report the error.
    if as_json {
        let value = json!({"ok": false, "error": {"type": error.kind, "message": error.message}});
        let _ = writeln!(io::stdout(), "{value}");
    } else {
        let _ = writeln!(io::stderr(), "moonrelay: {}", error.message);
    }
    ExitCode::from(error.code)
}

/// Runs a command with the context of this process.
pub(super) async fn run(
    config: Option<PathBuf>,
    json: bool,
    command: impl AsyncFnOnce(&mut CommandContext<'_>) -> Result<(), CommandError>,
) -> ExitCode {
    let mut out = io::stdout();
    let mut context =
        CommandContext { environment: Environment::from_process(), config, json, out: &mut out };
    let outcome = Box::pin(command(&mut context)).await;
    into_exit_code(outcome, json)
}

/// What a command works with. Tests inject their own.
pub(super) struct CommandContext<'w> {
    pub(super) environment: Environment,
    /// The value of `--config`.
    pub(super) config: Option<PathBuf>,
    /// Whether `--json` was given.
    pub(super) json: bool,
    /// Standard output.
    pub(super) out: &'w mut dyn Write,
}

impl CommandContext<'_> {
    pub(super) fn print_line(&mut self, text: impl Display) -> Result<(), CommandError> {
        writeln!(self.out, "{text}").map_err(CommandError::from_output_error)
    }

    /// Prints indented JSON.
    pub(super) fn print_json(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| CommandError::failure("output_error", error.to_string()))?;
        self.print_line(text)
    }

    /// Prints the result of a command: JSON if requested, else text.
    pub(super) fn report(
        &mut self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), CommandError> {
        if self.json { self.print_json(value) } else { self.print_line(text().trim_end()) }
    }

    /// Loads the settings. An invalid configuration is exit 78.
    pub(super) fn load_settings(&self) -> Result<Settings, CommandError> {
        Ok(config::load(self.config.as_deref(), &self.environment)?)
    }

    /// The state directory, needed for `purpose`.
    pub(super) fn state_directory(&self, purpose: &str) -> Result<PathBuf, CommandError> {
        self.environment.state_directory().ok_or_else(|| {
            let why = format!("no directory for {purpose}: set HOME, XDG_STATE_HOME or STATE_DIRECTORY");
            CommandError::failure("no_state", why)
        })
    }

    /// The configuration file, whether or not it exists.
    pub(super) fn locate_config(&self) -> Result<Location, CommandError> {
        config::locate(self.config.as_deref(), &self.environment).ok_or_else(|| {
            CommandError::failure(
                "no_home",
                "no directory for a configuration: set HOME, or use --config FILE",
            )
        })
    }

    /// Opens the configuration to change it, and locks it against other writers.
    pub(super) fn open_document(&self) -> Result<Document, CommandError> {
        Document::open(&self.locate_config()?).map_err(open_error)
    }

    /// Reads the configuration without a lock.
    pub(super) fn read_document(&self) -> Result<Document, CommandError> {
        Document::read(&self.locate_config()?).map_err(open_error)
    }

    /// Validates and writes a changed configuration.
    pub(super) fn save(&self, document: &Document) -> Result<SaveOutcome, CommandError> {
        Ok(document.save(&self.environment)?)
    }

    /// Saves a changed configuration and reports it.
    pub(super) fn save_and_report(&mut self, document: &Document, done: &str) -> Result<(), CommandError> {
        let saved = self.save(document)?;
        let file = self.locate_config()?.path;
        self.report(&save_result_json(&saved, &file), || save_result_text(&saved, done, &file))
    }
}

fn open_error(error: EditError) -> CommandError {
    match error {
        EditError::Invalid(invalid) => invalid.into(),
        other => other.into(),
    }
}

/// The result of a saved change, for `--json`.
pub(super) fn save_result_json(saved: &SaveOutcome, file: &Path) -> Value {
    let mut report = json!({ "ok": true, "changed": saved.is_written(), "path": file });
    if let SaveOutcome::Written { backup: Some(backup) } = saved {
        report["backup"] = json!(backup);
    }
    report
}

/// The result of a saved change, for people.
pub(super) fn save_result_text(saved: &SaveOutcome, done: &str, file: &Path) -> String {
    let file = file.display();
    match saved {
        SaveOutcome::Unchanged => format!("No change: already set in {file}"),
        SaveOutcome::Written { backup: None } => format!("{done} ({file})"),
        SaveOutcome::Written { backup: Some(backup) } => {
            format!("{done} ({file}; backup: {})", backup.display())
        }
    }
}

/// Prints a line to standard error. A closed stream leaves no place to report that.
pub(super) fn print_note(line: impl Display) {
    let _ = writeln!(io::stderr(), "moonrelay: {line}");
}

/// Whether two paths name the same file.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::PathBuf;

    use serde_json::Value;

    use super::{CommandContext, CommandError};
    use crate::config::Environment;

    /// A home directory with a configuration, and what the last command printed.
    pub(crate) struct TestHome {
        pub(crate) home: tempfile::TempDir,
        pub(crate) variables: Vec<(String, String)>,
        pub(crate) output: Vec<u8>,
    }

    impl TestHome {
        pub(crate) fn empty() -> Self {
            let home = tempfile::tempdir().unwrap();
            let variables = vec![("HOME".to_owned(), home.path().to_str().unwrap().to_owned())];
            Self { home, variables, output: Vec::new() }
        }

        pub(crate) fn with(text: &str) -> Self {
            let home = Self::empty();
            fs::create_dir_all(home.file().parent().unwrap()).unwrap();
            fs::write(home.file(), text).unwrap();
            home
        }

        pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
            self.variables.push((name.to_owned(), value.to_owned()));
            self
        }

        pub(crate) fn file(&self) -> PathBuf {
            self.home.path().join(".config/moonrelay/config.json5")
        }

        pub(crate) fn text(&self) -> String {
            fs::read_to_string(self.file()).unwrap()
        }

        pub(crate) fn context(&mut self, json: bool) -> CommandContext<'_> {
            self.output.clear();
            let environment: Environment = self.variables.iter().cloned().collect();
            CommandContext { environment, config: None, json, out: &mut self.output }
        }

        pub(crate) fn printed(&self) -> String {
            String::from_utf8(self.output.clone()).unwrap()
        }

        pub(crate) fn printed_json(&self) -> Value {
            serde_json::from_slice(&self.output).unwrap()
        }
    }

    /// Exit code, kind and message of an error.
    pub(crate) fn error_text<T>(outcome: Result<T, CommandError>) -> String {
        match outcome {
            Ok(_) => panic!("the command succeeded"),
            Err(error) => format!("{error:?}"),
        }
    }
}
