//! What a command works with: an environment, the file, and where its output goes. Tests bring their own.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::exit::Ending;
use crate::config::edit::{Document, EditError, Saved};
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
    pub fn line(&mut self, text: impl Display) -> Result<(), Ending> {
        writeln!(self.out, "{text}").map_err(Ending::output)
    }

    /// Prints JSON, on several lines.
    ///
    /// # Errors
    /// When the output is gone.
    pub fn print_json(&mut self, value: &Value) -> Result<(), Ending> {
        self.line(format_args!("{value:#}"))
    }

    /// The settings.
    ///
    /// # Errors
    /// When the configuration is bad: exit 78.
    pub fn settings(&self) -> Result<Settings, Ending> {
        Ok(config::load(self.config.as_deref(), &self.environment)?)
    }

    /// Where the file is, or would be.
    ///
    /// # Errors
    /// When there is neither a flag nor a home.
    pub fn location(&self) -> Result<Location, Ending> {
        config::locate(self.config.as_deref(), &self.environment).ok_or_else(|| {
            Ending::failure("no_home", "no place for a configuration: set HOME, or give --config FILE")
        })
    }

    /// The file, to be changed; while it is held nobody else changes it.
    ///
    /// # Errors
    /// When it cannot be read, or does not parse (exit 78).
    pub fn document(&self) -> Result<Document, Ending> {
        Document::open(&self.location()?).map_err(unreadable)
    }

    /// The file, only to look.
    ///
    /// # Errors
    /// When it cannot be read, or does not parse (exit 78).
    pub fn reading(&self) -> Result<Document, Ending> {
        Document::read(&self.location()?).map_err(unreadable)
    }

    /// Checks and writes a changed file; a change that would make it wrong ends with exit 1, one to a file that was
    /// wrong before and is not mended by it with exit 78.
    ///
    /// # Errors
    /// When it was not written.
    pub fn save(&self, document: &Document) -> Result<Saved, Ending> {
        document.save(&self.environment).map_err(|error| refused(&error))
    }
}

/// What became of a change of the file: for `--json`.
#[must_use]
pub fn saved_json(saved: &Saved, file: &Path) -> Value {
    let mut report = json!({ "ok": true, "changed": saved.is_written(), "path": file });
    if let (Saved::Written { backup: Some(backup) }, Some(report)) = (saved, report.as_object_mut()) {
        report.insert("backup".to_owned(), json!(backup));
    }
    report
}

/// What became of a change of the file: for people.
#[must_use]
pub fn saved_words(saved: &Saved, done: &str, file: &Path) -> String {
    let file = file.display();
    match saved {
        Saved::Unchanged => format!("No change: {file} says so already"),
        Saved::Written { backup: None } => format!("{done} ({file})"),
        Saved::Written { backup: Some(backup) } => format!("{done} ({file}; before: {})", backup.display()),
    }
}

fn unreadable(error: EditError) -> Ending {
    match error {
        EditError::Invalid(invalid) => invalid.into(),
        other => refused(&other),
    }
}

/// A change that was not made: exit 1, or 78 where the file was wrong before.
pub fn refused(error: &EditError) -> Ending {
    match error {
        EditError::Invalid(invalid) => Ending::failure(
            "invalid_config",
            format!("nothing was changed, as the result would be wrong: {invalid}"),
        ),
        EditError::Broken { .. } => Ending::configuration(format!(
            "nothing was changed, as the configuration is wrong already (a change that mends one of its errors is made): {error}"
        )),
        EditError::Managed(_) => Ending::failure("managed_config", error.to_string()),
        EditError::Path(_) => Ending::failure("invalid_path", error.to_string()),
        EditError::File { .. } => Ending::failure("file_error", error.to_string()),
    }
}

/// Columns under headings, two spaces apart; the last column is not filled up.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
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

    use super::{Console, table};
    use crate::cli::exit::Ending;
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
    pub(crate) fn told<T>(outcome: Result<T, Ending>) -> String {
        match outcome {
            Ok(_) => panic!("it succeeded"),
            Err(ending) => format!("{ending:?}"),
        }
    }

    #[test]
    fn columns_stand_under_their_headings() {
        let rows = [vec!["a".to_owned(), "long cell".to_owned()], vec!["bbb".to_owned(), String::new()]];
        assert_eq!(table(&["X", "Y"], &rows), "X    Y\na    long cell\nbbb\n");
    }
}
