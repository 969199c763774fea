//! `config import`: converts an `openclaw.json` to a configuration.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use crate::cli::command::{CommandContext, CommandError, save_result_json, save_result_text};
use crate::config::edit::{self, EditError};
use crate::config::import::{ImportNote, import as convert};
use crate::config::keypath::KeyPath;
use crate::config::redact::redact_secrets;
use crate::config::schema;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The openclaw.json file
    pub(super) file: PathBuf,
    /// Replace an existing configuration
    #[arg(long)]
    pub(super) force: bool,
    /// Print the configuration instead of writing it; secrets are shown as ***
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Imports the file and lists what is left out.
pub(super) fn import(args: &Args, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| CommandError::failure("file_error", format!("{}: {error}", args.file.display())))?;
    let imported = convert(&text, Some(&args.file), &context.environment)
        .map_err(|invalid| CommandError::failure("invalid_import", invalid.to_string()))?;
    let target = context.locate_config()?.path;
    let (mut report, mut text);
    if args.dry_run {
        // Printed text ends up in scrollbacks and issues.
        let config = redact_secrets(imported.config.clone(), Some(schema::root()));
        text = format!("{config:#}");
        report = json!({ "ok": true, "path": target, "config": config, "written": false });
    } else {
        if target.exists() && !args.force {
            let target = target.display();
            let message =
                format!("{target} exists. Replace it with --force, or print the result with --dry-run.");
            return Err(CommandError::failure("exists", message));
        }
        let content = format!("// Imported from {}\n{:#}\n", args.file.display(), imported.config);
        let saved = edit::replace_config(&target, &content, &context.environment);
        let saved = saved.map_err(|error| match error {
            EditError::Managed(mut managed) => {
                managed.nix_lines = edit::nix_lines(&imported.config, &[KeyPath::default()]);
                EditError::Managed(managed)
            }
            other => other,
        })?;
        text = save_result_text(&saved, "imported", &target);
        report = save_result_json(&saved, &target);
        report["written"] = json!(saved.is_written());
    }
    let notes = |notes: &[ImportNote]| -> Value {
        notes.iter().map(|note| json!({ "path": note.path, "why": note.reason })).collect()
    };
    report["leftOut"] = notes(&imported.skipped);
    report["changed"] = notes(&imported.changed);
    // Notes are comments, so that the output of a dry run is a valid configuration.
    let comment = |heading: &str, notes: &[ImportNote]| -> String {
        notes.iter().map(|note| format!("// {heading}: {}: {}\n", note.path, note.reason)).collect()
    };
    text = comment("changed", &imported.changed) + &comment("left out", &imported.skipped) + &text;
    context.report(&report, || text)
}
