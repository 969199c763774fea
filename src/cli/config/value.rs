//! `config get`, `config set` and `config unset`.

use serde_json::{Value, json};

use crate::cli::console::{Console, edit_error, save_result_json, save_result_text};
use crate::cli::exit::CommandError;
use crate::config::edit::{Document, SaveOutcome};
use crate::config::file::{Cursor, Tree};
use crate::config::issue::Issue;
use crate::config::keypath::{KeyPath, PathSegment};
use crate::config::nearest::format_suggestion;
use crate::config::schema::{ROOT, ValueShape, redact_secrets};

fn parse_path(path: &str) -> Result<KeyPath, CommandError> {
    KeyPath::parse(path).map_err(CommandError::usage)
}

/// Prints what the file says at a path.
pub(super) fn get(path: &str, console: &mut Console<'_>) -> Result<(), CommandError> {
    let path = parse_path(path)?;
    let document = console.read_document()?;
    let Some(value) = document.get(&path) else {
        return Err(CommandError::failure(
            "not_found",
            format!("{path} is not set{}", nearest_key_hint(&document, &path)),
        ));
    };
    let shown = redact_secrets(value, ROOT.shape_at(&path));
    match shown {
        Value::String(text) if !console.json => console.print_line(text),
        other => console.print_json(&other),
    }
}

/// The key beside it that was probably meant: of the file, else of the table.
fn nearest_key_hint(document: &Document, path: &KeyPath) -> String {
    let Some((PathSegment::Key(last), above)) = path.0.split_last() else { return String::new() };
    let above = KeyPath(above.to_vec());
    let mut known: Vec<String> = Vec::new();
    if let Some(Value::Object(object)) = document.get(&above) {
        known.extend(object.keys().cloned());
    }
    if let Some(ValueShape::Object(keys)) = ROOT.shape_at(&above) {
        known.extend(keys.iter().map(|key| key.name.to_owned()).filter(|name| name != last));
    }
    format_suggestion(last, known.iter().map(String::as_str))
}

/// Sets a value, where the result is a valid configuration.
pub(super) fn set(
    path: &str,
    value: &str,
    dry_run: bool,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let path = parse_path(path)?;
    let value = parse_value(value, ROOT.shape_at(&path));
    let mut document = open_document(dry_run, console)?;
    document.set(&path, &value).map_err(|error| edit_error(&error))?;
    save_change(&document, &format!("{path} set"), dry_run, console)
}

/// Removes a value, where the result is a valid configuration.
pub(super) fn unset(path: &str, dry_run: bool, console: &mut Console<'_>) -> Result<(), CommandError> {
    let path = parse_path(path)?;
    let mut document = open_document(dry_run, console)?;
    if !document.remove(&path).map_err(|error| edit_error(&error))? {
        return Err(CommandError::failure(
            "not_found",
            format!("{path} is not set{}", nearest_key_hint(&document, &path)),
        ));
    }
    save_change(&document, &format!("{path} removed"), dry_run, console)
}

/// Who only looks waits for nobody.
fn open_document(dry_run: bool, console: &Console<'_>) -> Result<Document, CommandError> {
    if dry_run { console.read_document() } else { console.open_document() }
}

fn save_change(
    document: &Document,
    done: &str,
    dry_run: bool,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    if dry_run {
        return report_dry_run(document, done, console);
    }
    let saved = console.save(document)?;
    let file = console.locate_config()?.path;
    let wrong = if saved.is_written() { document.issues(&console.environment) } else { Vec::new() };
    if console.json {
        return console.print_json(&with_issues(save_result_json(&saved, &file), &wrong));
    }
    console.print_line(save_result_text(&saved, done, &file))?;
    print_remaining_issues(&wrong, console)
}

/// `--dry-run`: all that a change is checked for, and nothing is written.
fn report_dry_run(document: &Document, done: &str, console: &mut Console<'_>) -> Result<(), CommandError> {
    document.check(&console.environment).map_err(|error| edit_error(&error))?;
    let file = console.locate_config()?.path;
    let changes = !document.is_unchanged();
    let wrong = if changes { document.issues(&console.environment) } else { Vec::new() };
    if console.json {
        let report = json!({ "ok": true, "changed": false, "wouldChange": changes, "path": file });
        return console.print_json(&with_issues(report, &wrong));
    }
    match changes {
        true => console.print_line(format_args!("dry run: {done} would be written to {}", file.display()))?,
        false => console.print_line(save_result_text(&SaveOutcome::Unchanged, done, &file))?,
    }
    print_remaining_issues(&wrong, console)
}

fn with_issues(mut report: Value, wrong: &[Issue]) -> Value {
    if let (false, Some(report)) = (wrong.is_empty(), report.as_object_mut()) {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        report.insert("stillWrong".to_owned(), json!(wrong));
    }
    report
}

fn print_remaining_issues(wrong: &[Issue], console: &mut Console<'_>) -> Result<(), CommandError> {
    wrong.iter().try_for_each(|issue| console.print_line(format_args!("still wrong: {issue}")))
}

/// Text where the setting is text and does not look like JSON5, else JSON5; what is none is text.
fn parse_value(value: &str, shape: Option<&'static ValueShape>) -> Value {
    let is_text = matches!(
        shape,
        Some(
            ValueShape::Text
                | ValueShape::Choice(_)
                | ValueShape::Secret
                | ValueShape::Secrets
                | ValueShape::TextOr(_)
                | ValueShape::Variables
        )
    );
    if is_text && !value.trim_start().starts_with(['{', '[', '"', '\'']) {
        return Value::String(value.to_owned());
    }
    match Tree::parse(value) {
        Ok(tree) => Cursor::root(&tree).node.value.to_json(),
        Err(_) => Value::String(value.to_owned()),
    }
}
