//! `config import`: an `openclaw.json` becomes a configuration of ours.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use crate::cli::console::{Console, refused, saved_json, saved_words};
use crate::cli::exit::Ending;
use crate::config::edit::{self, Saved};
use crate::config::import::{Imported, Note, import as read};
use crate::config::keypath::KeyPath;
use crate::config::schema::{ROOT, hide_secrets};

/// `config import`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The openclaw.json
    file: PathBuf,
    /// Replace a configuration that exists
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

/// Imports, and names what is left out.
pub(super) fn import(args: &Args, console: &mut Console<'_>) -> Result<(), Ending> {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Ending::failure("file_error", format!("{}: {error}", args.file.display())))?;
    let imported = read(&text, Some(&args.file), &console.environment)
        .map_err(|invalid| Ending::failure("invalid_import", invalid.to_string()))?;
    let target = console.location()?.path;
    if args.dry_run {
        return if console.json {
            console.print_json(&report(&imported, &target, None))
        } else {
            print_notes(&imported, console)?;
            console.print_json(&hidden(&imported))
        };
    }
    if target.exists() && !args.force {
        let message = format!("{} exists: --force replaces it, --dry-run only prints", target.display());
        return Err(Ending::failure("exists", message));
    }
    let text = format!("// Imported from {}\n{:#}\n", args.file.display(), imported.config);
    let replaced = edit::replace_config(&target, &text, &console.environment);
    let saved = replaced.map_err(|error| match error {
        edit::EditError::Managed(mut managed) => {
            managed.lines = edit::nix_lines(&imported.config, &[KeyPath::default()]);
            refused(&edit::EditError::Managed(managed))
        }
        other => refused(&other),
    })?;
    if console.json {
        return console.print_json(&report(&imported, &target, Some(&saved)));
    }
    print_notes(&imported, console)?;
    console.line(saved_words(&saved, "imported", &target))
}

/// The configuration without its secrets: what is printed ends up in scrollbacks and issues.
fn hidden(imported: &Imported) -> Value {
    hide_secrets(imported.config.clone(), Some(&ROOT))
}

fn report(imported: &Imported, target: &Path, saved: Option<&Saved>) -> Value {
    let notes = |notes: &[Note]| -> Vec<Value> {
        notes.iter().map(|note| json!({ "path": note.path, "why": note.why })).collect()
    };
    let mut report = match saved {
        Some(saved) => saved_json(saved, target),
        None => json!({ "ok": true, "path": target, "config": hidden(imported) }),
    };
    if let Some(object) = report.as_object_mut() {
        object.insert("written".to_owned(), json!(saved.is_some_and(Saved::is_written)));
        object.insert("leftOut".to_owned(), json!(notes(&imported.left_out)));
        object.insert("changed".to_owned(), json!(notes(&imported.changed)));
    }
    report
}

/// As comments, so that what a dry run prints is a configuration.
fn print_notes(imported: &Imported, console: &mut Console<'_>) -> Result<(), Ending> {
    for (heading, notes) in [("changed", &imported.changed), ("left out", &imported.left_out)] {
        for note in notes {
            console.line(format_args!("// {heading}: {}: {}", note.path, note.why))?;
        }
    }
    Ok(())
}
