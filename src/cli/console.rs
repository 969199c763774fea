//! What a command works with: an environment, the file, and where its output goes. Tests bring their own.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::exit::CommandError;
use crate::config::edit::{Document, EditError, SaveOutcome};
use crate::config::settings::Settings;
use crate::config::{self, Environment, Location};

/// The surroundings of one command.
pub struct Console<'w> {
    /// Variables and directories.
    pub environment: Environment,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--json`.
    pub json: bool,
    /// Standard output.
    pub out: &'w mut dyn Write,
}

impl Console<'_> {
    /// Prints a line.
    ///
    /// # Errors
    /// When the output is gone.
    pub fn print_line(&mut self, text: impl Display) -> Result<(), CommandError> {
        writeln!(self.out, "{text}").map_err(CommandError::from_output_error)
    }

    /// Prints JSON, on several lines.
    ///
    /// # Errors
    /// When the output is gone.
    pub fn print_json(&mut self, value: &Value) -> Result<(), CommandError> {
        self.print_line(format_args!("{value:#}"))
    }

    /// The settings.
    ///
    /// # Errors
    /// When the configuration is bad: exit 78.
    pub fn load_settings(&self) -> Result<Settings, CommandError> {
        Ok(config::load(self.config.as_deref(), &self.environment)?)
    }

    /// Where the file is, or would be.
    ///
    /// # Errors
    /// When there is neither a flag nor a home.
    pub fn locate_config(&self) -> Result<Location, CommandError> {
        config::locate(self.config.as_deref(), &self.environment).ok_or_else(|| {
            CommandError::failure("no_home", "no place for a configuration: set HOME, or give --config FILE")
        })
    }

    /// The file, to be changed; while it is held nobody else changes it.
    ///
    /// # Errors
    /// When it cannot be read, or does not parse (exit 78).
    pub fn open_document(&self) -> Result<Document, CommandError> {
        Document::open(&self.locate_config()?).map_err(open_error)
    }

    /// The file, only to look.
    ///
    /// # Errors
    /// When it cannot be read, or does not parse (exit 78).
    pub fn read_document(&self) -> Result<Document, CommandError> {
        Document::read(&self.locate_config()?).map_err(open_error)
    }

    /// Checks and writes a changed file; a change that would make it wrong ends with exit 1, one to a file that was
    /// wrong before and is not mended by it with exit 78.
    ///
    /// # Errors
    /// When it was not written.
    pub fn save(&self, document: &Document) -> Result<SaveOutcome, CommandError> {
        document.save(&self.environment).map_err(|error| edit_error(&error))
    }
}

/// What became of a change of the file: for `--json`.
#[must_use]
pub fn save_result_json(saved: &SaveOutcome, file: &Path) -> Value {
    let mut report = json!({ "ok": true, "changed": saved.is_written(), "path": file });
    if let (SaveOutcome::Written { backup: Some(backup) }, Some(report)) = (saved, report.as_object_mut()) {
        report.insert("backup".to_owned(), json!(backup));
    }
    report
}

/// What became of a change of the file: for people.
#[must_use]
pub fn save_result_text(saved: &SaveOutcome, done: &str, file: &Path) -> String {
    let file = file.display();
    match saved {
        SaveOutcome::Unchanged => format!("No change: {file} says so already"),
        SaveOutcome::Written { backup: None } => format!("{done} ({file})"),
        SaveOutcome::Written { backup: Some(backup) } => {
            format!("{done} ({file}; before: {})", backup.display())
        }
    }
}

fn open_error(error: EditError) -> CommandError {
    match error {
        EditError::Invalid(invalid) => invalid.into(),
        other => edit_error(&other),
    }
}

/// A change that was not made: exit 1, or 78 where the file was wrong before.
pub fn edit_error(error: &EditError) -> CommandError {
    match error {
        EditError::Invalid(invalid) => CommandError::failure(
            "invalid_config",
            format!("nothing was changed, as the result would be wrong: {invalid}"),
        ),
        EditError::AlreadyInvalid { .. } => CommandError::configuration(format!(
            "nothing was changed, as the configuration is wrong already (a change that mends one of its errors is made): {error}"
        )),
        EditError::Managed(_) => CommandError::failure("managed_config", error.to_string()),
        EditError::Path(_) => CommandError::failure("invalid_path", error.to_string()),
        EditError::File { .. } => CommandError::failure("file_error", error.to_string()),
    }
}

/// Columns under headings, two spaces apart; the last column is not filled up.
#[must_use]
pub fn render_table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize, heading: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> =
        headings.iter().enumerate().map(|(column, heading)| width(column, heading)).collect();
    let mut text = String::new();
    let headings: Vec<String> = headings.iter().map(ToString::to_string).collect();
    for row in std::iter::once(&headings).chain(rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::PathBuf;

    use serde_json::Value;

    use super::{Console, render_table};
    use crate::cli::exit::CommandError;
    use crate::config::Environment;

    /// A home with a configuration, and what a command printed.
    pub(crate) struct Desk {
        pub(crate) home: tempfile::TempDir,
        pub(crate) variables: Vec<(String, String)>,
        pub(crate) output: Vec<u8>,
    }

    impl Desk {
        /// Without a file.
        pub(crate) fn empty() -> Self {
            let home = tempfile::tempdir().unwrap();
            let variables = vec![("HOME".to_owned(), home.path().to_str().unwrap().to_owned())];
            Self { home, variables, output: Vec::new() }
        }

        pub(crate) fn with(text: &str) -> Self {
            let desk = Self::empty();
            fs::create_dir_all(desk.file().parent().unwrap()).unwrap();
            fs::write(desk.file(), text).unwrap();
            desk
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

        pub(crate) fn console(&mut self, json: bool) -> Console<'_> {
            self.output.clear();
            let environment: Environment = self.variables.iter().cloned().collect();
            Console { environment, config: None, json, out: &mut self.output }
        }

        pub(crate) fn printed(&self) -> String {
            String::from_utf8(self.output.clone()).unwrap()
        }

        pub(crate) fn printed_json(&self) -> Value {
            serde_json::from_slice(&self.output).unwrap()
        }
    }

    /// Exit code, kind and message of an ending.
    pub(crate) fn told<T>(outcome: Result<T, CommandError>) -> String {
        match outcome {
            Ok(_) => panic!("it succeeded"),
            Err(ending) => format!("{ending:?}"),
        }
    }

    #[test]
    fn columns_stand_under_their_headings() {
        let rows = [vec!["a".to_owned(), "long cell".to_owned()], vec!["bbb".to_owned(), String::new()]];
        assert_eq!(render_table(&["X", "Y"], &rows), "X    Y\na    long cell\nbbb\n");
    }
}
