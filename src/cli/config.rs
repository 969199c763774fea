//! `moonrelay config`: validates, reads, changes and imports the configuration.

mod import;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::command::{self, CommandContext, CommandError, save_result_json, save_result_text};
use crate::config;
use crate::config::edit::{Document, SaveOutcome};
use crate::config::file::Tree;
use crate::config::keypath::{KeyPath, PathSegment};
use crate::config::nearest::format_suggestion;
use crate::config::redact::redact_secrets;
use crate::config::schema::{self, SchemaNode, json_schema};
use crate::config::settings::Settings;

/// Arguments of `moonrelay config`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: ConfigCommand,
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Validate a file and print all errors with their paths; exit 0 when it is valid, 78 when it is not
    Validate {
        /// The file to check
        file: Option<PathBuf>,
    },
    /// Print a value, or the whole file without a path; secrets are shown as ***
    Get {
        /// For example gateway.port, or agents.defaults.models["kimi/k3"].alias
        path: Option<String>,
    },
    /// Set a value; comments are kept, and the previous file is saved as config.json5.bak
    Set {
        /// For example gateway.port
        path: String,
        /// JSON5, or plain text for a text setting
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Dry run: show the change without writing it
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove a value
    Unset {
        /// For example agents.defaults.thinkingDefault
        path: String,
        /// Dry run: show the change without writing it
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print the path of the configuration file
    Path,
    /// Import models, agents.defaults, env and web search from an openclaw.json; list what is left out
    Import(import::Args),
}

/// Runs a command of `config`.
pub async fn run(args: Args) -> ExitCode {
    let Args { command, config, json } = args;
    command::run(config, json, async |context| execute(command, context)).await
}

fn execute(command: ConfigCommand, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    match command {
        ConfigCommand::Validate { file } => validate(file, context),
        ConfigCommand::Get { path } => get(path.as_deref().unwrap_or_default(), context),
        ConfigCommand::Set { path, value, dry_run } => set(&path, &value, dry_run, context),
        ConfigCommand::Unset { path, dry_run } => unset(&path, dry_run, context),
        ConfigCommand::Schema => context.print_json(&json_schema()),
        ConfigCommand::Path => {
            let path = context.locate_config()?.path;
            let value = json!({ "path": path, "exists": path.exists() });
            context.report(&value, || path.display().to_string())
        }
        ConfigCommand::Import(args) => import::import(&args, context),
    }
}

/// Checks the given file, or the one that the gateway would read. Missing variables and files are only warnings.
fn validate(file: Option<PathBuf>, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let file = file.or_else(|| context.config.clone());
    match config::load(file.as_deref(), &context.environment) {
        Ok(settings) => {
            let value = json!({ "valid": true, "path": settings.path, "warnings": warnings_json(&settings) });
            context.report(&value, || {
                let mut text = match &settings.path {
                    Some(path) => format!("{}: valid", path.display()),
                    None => "there is no configuration file; the built-in catalog is used".to_owned(),
                };
                for warning in &settings.warnings {
                    text.push_str(&format!("\nwarning: {}: {}", warning.path, warning.message));
                }
                text
            })
        }
        Err(invalid) => {
            let issues: Vec<Value> = invalid
                .issues
                .iter()
                .map(|issue| json!({ "path": issue.path, "message": issue.message, "line": issue.line, "column": issue.column }))
                .collect();
            let value = json!({ "valid": false, "path": invalid.path, "issues": issues });
            context.report(&value, || invalid.to_string())?;
            Err(CommandError::silent_configuration())
        }
    }
}

/// The warnings of a valid configuration.
pub(in crate::cli) fn warnings_json(settings: &Settings) -> Vec<Value> {
    let warnings = settings.warnings.iter().map(
        |warning| json!({ "path": warning.path, "kind": warning.kind.as_str(), "message": warning.message }),
    );
    warnings.collect()
}

fn parse_path(path: &str) -> Result<KeyPath, CommandError> {
    KeyPath::parse(path).map_err(CommandError::usage)
}

/// Prints the value at a path of the file.
fn get(path: &str, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let path = parse_path(path)?;
    let document = context.read_document()?;
    let value = document.get(&path).ok_or_else(|| not_set_error(&document, &path))?;
    match redact_secrets(value, schema::root().at(&path)) {
        Value::String(text) if !context.json => context.print_line(text),
        other => context.print_json(&other),
    }
}

/// Suggests a similar key of the file or of the schema.
fn not_set_error(document: &Document, path: &KeyPath) -> CommandError {
    let mut hint = String::new();
    if let Some((PathSegment::Key(last), parent)) = path.0.split_last() {
        let parent = KeyPath(parent.to_vec());
        let mut known: Vec<String> = Vec::new();
        if let Some(Value::Object(object)) = document.get(&parent) {
            known.extend(object.keys().cloned());
        }
        let keys = schema::root().at(&parent).into_iter().flat_map(SchemaNode::keys);
        known.extend(keys.filter(|name| name != last).map(str::to_owned));
        hint = format_suggestion(last, known.iter().map(String::as_str));
    }
    CommandError::failure("not_found", format!("{path} is not set{hint}"))
}

/// Sets a value, if the result is a valid configuration.
fn set(path: &str, value: &str, dry_run: bool, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let path = parse_path(path)?;
    let value = parse_value(value, schema::root().at(&path));
    let mut document = open_document(dry_run, context)?;
    document.set(&path, &value)?;
    save_change(&document, &format!("{path} set"), dry_run, context)
}

/// Removes a value, if the result is a valid configuration.
fn unset(path: &str, dry_run: bool, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let path = parse_path(path)?;
    let mut document = open_document(dry_run, context)?;
    if !document.remove(&path)? {
        return Err(not_set_error(&document, &path));
    }
    save_change(&document, &format!("{path} removed"), dry_run, context)
}

/// A dry run needs no lock.
fn open_document(dry_run: bool, context: &CommandContext<'_>) -> Result<Document, CommandError> {
    if dry_run { context.read_document() } else { context.open_document() }
}

/// Saves a change, or only checks it in a dry run, and reports it with the errors that the file still has.
fn save_change(
    document: &Document,
    done: &str,
    dry_run: bool,
    context: &mut CommandContext<'_>,
) -> Result<(), CommandError> {
    let file = context.locate_config()?.path;
    let saved = if dry_run {
        document.check(&context.environment)?;
        SaveOutcome::Unchanged
    } else {
        context.save(document)?
    };
    let (mut report, mut text) = (save_result_json(&saved, &file), save_result_text(&saved, done, &file));
    let is_changed = if dry_run { !document.is_unchanged() } else { saved.is_written() };
    if dry_run {
        report["wouldChange"] = json!(is_changed);
        if is_changed {
            text = format!("dry run: {done} would be written to {}", file.display());
        }
    }
    let issues = if is_changed { document.issues(&context.environment) } else { Vec::new() };
    let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
    if !issues.is_empty() {
        report["stillWrong"] = json!(issues);
    }
    context.report(&report, || {
        text + &issues.iter().map(|issue| format!("\nstill invalid: {issue}")).collect::<String>()
    })
}

/// Text if the setting is text and the value does not look like JSON5, otherwise JSON5; invalid JSON5 is text.
fn parse_value(value: &str, schema: Option<SchemaNode>) -> Value {
    let is_text = schema.is_some_and(SchemaNode::accepts_text);
    if is_text && !value.trim_start().starts_with(['{', '[', '"', '\'']) {
        return Value::String(value.to_owned());
    }
    match Tree::parse(value) {
        Ok(tree) => tree.root.value.to_json(),
        Err(_) => Value::String(value.to_owned()),
    }
}
