//! `config validate`: every error at once.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::CommandError;
use crate::config::settings::Settings;
use crate::config::{self, ConfigError};

/// A bad configuration (`EX_CONFIG` of sysexits).
const EX_CONFIG: u8 = 78;

/// Checks the named file, or the one that the gateway would read. Missing variables and files are only warnings.
pub(super) fn validate(file: Option<PathBuf>, console: &mut Console<'_>) -> Result<ExitCode, CommandError> {
    let file = file.or_else(|| console.config.clone());
    match config::load(file.as_deref(), &console.environment) {
        Ok(settings) => print_valid(&settings, console).map(|()| ExitCode::SUCCESS),
        Err(wrong) => print_issues(&wrong, console).map(|()| ExitCode::from(EX_CONFIG)),
    }
}

fn print_valid(settings: &Settings, console: &mut Console<'_>) -> Result<(), CommandError> {
    if console.json {
        let warnings: Vec<_> = settings
            .warnings
            .iter()
            .map(|warning| json!({ "path": warning.path, "kind": warning.kind.as_str(), "message": warning.message }))
            .collect();
        return console.print_json(&json!({ "valid": true, "path": settings.path, "warnings": warnings }));
    }
    match &settings.path {
        Some(path) => console.print_line(format_args!("{}: valid", path.display()))?,
        None => console.print_line("there is no configuration file: the built-in catalog serves")?,
    }
    for warning in &settings.warnings {
        console.print_line(format_args!("warning: {}: {}", warning.path, warning.message))?;
    }
    Ok(())
}

fn print_issues(wrong: &ConfigError, console: &mut Console<'_>) -> Result<(), CommandError> {
    if !console.json {
        return console.print_line(wrong);
    }
    let issues: Vec<_> = wrong
        .issues
        .iter()
        .map(|issue| {
            json!({ "path": issue.path, "message": issue.message, "line": issue.line, "column": issue.column })
        })
        .collect();
    console.print_json(&json!({ "valid": false, "path": wrong.path, "issues": issues }))
}
