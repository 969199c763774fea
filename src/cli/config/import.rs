//! `config import`: an `openclaw.json` becomes a configuration of ours.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use crate::cli::console::{Console, edit_error, save_result_json, save_result_text};
use crate::cli::exit::CommandError;
use crate::config::edit::{self, SaveOutcome};
use crate::config::import::{ImportNote, ImportResult, import as read};
use crate::config::keypath::KeyPath;
use crate::config::schema::{ROOT, redact_secrets};

/// `config import`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The openclaw.json file
    file: PathBuf,
    /// Replace an existing configuration
    #[arg(long)]
    force: bool,
    /// Print the configuration instead of writing it; secrets are shown as ***
    #[arg(long)]
    dry_run: bool,
}

#[cfg(test)]
impl Args {
    pub(super) const fn new(file: PathBuf, force: bool, dry_run: bool) -> Self {
        Self { file, force, dry_run }
    }
}

/// Imports the file and lists what is left out.
pub(super) fn import(args: &Args, console: &mut Console<'_>) -> Result<(), CommandError> {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| CommandError::failure("file_error", format!("{}: {error}", args.file.display())))?;
    let imported = read(&text, Some(&args.file), &console.environment)
        .map_err(|invalid| CommandError::failure("invalid_import", invalid.to_string()))?;
    let target = console.locate_config()?.path;
    if args.dry_run {
        return if console.json {
            console.print_json(&report_json(&imported, &target, None))
        } else {
            print_notes(&imported, console)?;
            console.print_json(&redacted_config(&imported))
        };
    }
    if target.exists() && !args.force {
        let message = format!("{} exists: --force replaces it, --dry-run only prints", target.display());
        return Err(CommandError::failure("exists", message));
    }
    let text = format!("// Imported from {}\n{:#}\n", args.file.display(), imported.config);
    let replaced = edit::replace_config(&target, &text, &console.environment);
    let saved = replaced.map_err(|error| match error {
        edit::EditError::Managed(mut managed) => {
            managed.nix_lines = edit::nix_lines(&imported.config, &[KeyPath::default()]);
            edit_error(&edit::EditError::Managed(managed))
        }
        other => edit_error(&other),
    })?;
    if console.json {
        return console.print_json(&report_json(&imported, &target, Some(&saved)));
    }
    print_notes(&imported, console)?;
    console.print_line(save_result_text(&saved, "imported", &target))
}

/// The configuration without its secrets: printed text ends up in scrollbacks and issues.
fn redacted_config(imported: &ImportResult) -> Value {
    redact_secrets(imported.config.clone(), Some(&ROOT))
}

fn report_json(imported: &ImportResult, target: &Path, saved: Option<&SaveOutcome>) -> Value {
    let notes = |notes: &[ImportNote]| -> Vec<Value> {
        notes.iter().map(|note| json!({ "path": note.path, "why": note.reason })).collect()
    };
    let mut report = match saved {
        Some(saved) => save_result_json(saved, target),
        None => json!({ "ok": true, "path": target, "config": redacted_config(imported) }),
    };
    if let Some(object) = report.as_object_mut() {
        object.insert("written".to_owned(), json!(saved.is_some_and(SaveOutcome::is_written)));
        object.insert("leftOut".to_owned(), json!(notes(&imported.skipped)));
        object.insert("changed".to_owned(), json!(notes(&imported.changed)));
    }
    report
}

/// Prints notes as comments, so that the output of a dry run is a valid configuration.
fn print_notes(imported: &ImportResult, console: &mut Console<'_>) -> Result<(), CommandError> {
    for (heading, notes) in [("changed", &imported.changed), ("left out", &imported.skipped)] {
        for note in notes {
            console.print_line(format_args!("// {heading}: {}: {}", note.path, note.reason))?;
        }
    }
    Ok(())
}
