//! `config validate`: every error at once.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::console::Console;
use crate::cli::exit::Ending;
use crate::config::settings::Settings;
use crate::config::{self, Invalid};

/// A bad configuration (`EX_CONFIG` of sysexits).
const CONFIGURATION: u8 = 78;

/// Checks the named file, or the one that the gateway would read. Missing variables and files are only warnings.
pub(super) fn validate(file: Option<PathBuf>, console: &mut Console<'_>) -> Result<ExitCode, Ending> {
    let file = file.or_else(|| console.config.clone());
    match config::load(file.as_deref(), &console.environment) {
        Ok(settings) => valid(&settings, console).map(|()| ExitCode::SUCCESS),
        Err(wrong) => invalid(&wrong, console).map(|()| ExitCode::from(CONFIGURATION)),
    }
}

fn valid(settings: &Settings, console: &mut Console<'_>) -> Result<(), Ending> {
    if console.json {
        let warnings: Vec<_> = settings
            .warnings
            .iter()
            .map(|warning| json!({ "path": warning.path, "kind": warning.kind.as_str(), "message": warning.message }))
            .collect();
        return console.print_json(&json!({ "valid": true, "path": settings.path, "warnings": warnings }));
    }
    match &settings.path {
        Some(path) => console.line(format_args!("{}: valid", path.display()))?,
        None => console.line("there is no configuration file: the built-in catalog serves")?,
    }
    for warning in &settings.warnings {
        console.line(format_args!("warning: {}: {}", warning.path, warning.message))?;
    }
    Ok(())
}

fn invalid(wrong: &Invalid, console: &mut Console<'_>) -> Result<(), Ending> {
    if !console.json {
        return console.line(wrong);
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
