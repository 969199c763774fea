//! `config get`, `config set` and `config unset`.

use serde_json::{Value, json};

use crate::cli::console::{Console, refused, saved_json, saved_words};
use crate::cli::exit::Ending;
use crate::config::edit::{Document, Saved};
use crate::config::file::{At, Tree};
use crate::config::issue::Issue;
use crate::config::keypath::{KeyPath, Step};
use crate::config::nearest::did_you_mean;
use crate::config::schema::{ROOT, Shape, hide_secrets};

fn parse(path: &str) -> Result<KeyPath, Ending> {
    KeyPath::parse(path).map_err(Ending::usage)
}

/// Prints what the file says at a path.
pub(super) fn get(path: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let path = parse(path)?;
    let document = console.reading()?;
    let Some(value) = document.get(&path) else {
        return Err(Ending::failure("not_found", format!("{path} is not set{}", hint(&document, &path))));
    };
    let shown = hide_secrets(value, ROOT.at(&path));
    match shown {
        Value::String(text) if !console.json => console.line(text),
        other => console.print_json(&other),
    }
}

/// The key beside it that was probably meant: of the file, else of the table.
fn hint(document: &Document, path: &KeyPath) -> String {
    let Some((Step::Key(last), above)) = path.0.split_last() else { return String::new() };
    let above = KeyPath(above.to_vec());
    let mut known: Vec<String> = Vec::new();
    if let Some(Value::Object(object)) = document.get(&above) {
        known.extend(object.keys().cloned());
    }
    if let Some(Shape::Object(keys)) = ROOT.at(&above) {
        known.extend(keys.iter().map(|key| key.name.to_owned()).filter(|name| name != last));
    }
    did_you_mean(last, known.iter().map(String::as_str))
}

/// Sets a value, where the result is a valid configuration.
pub(super) fn set(path: &str, value: &str, dry_run: bool, console: &mut Console<'_>) -> Result<(), Ending> {
    let path = parse(path)?;
    let value = read(value, ROOT.at(&path));
    let mut document = open(dry_run, console)?;
    document.set(&path, &value).map_err(|error| refused(&error))?;
    finish(&document, &format!("{path} set"), dry_run, console)
}

/// Removes a value, where the result is a valid configuration.
pub(super) fn unset(path: &str, dry_run: bool, console: &mut Console<'_>) -> Result<(), Ending> {
    let path = parse(path)?;
    let mut document = open(dry_run, console)?;
    if !document.remove(&path).map_err(|error| refused(&error))? {
        return Err(Ending::failure("not_found", format!("{path} is not set{}", hint(&document, &path))));
    }
    finish(&document, &format!("{path} removed"), dry_run, console)
}

/// Who only looks waits for nobody.
fn open(dry_run: bool, console: &Console<'_>) -> Result<Document, Ending> {
    if dry_run { console.reading() } else { console.document() }
}

fn finish(document: &Document, done: &str, dry_run: bool, console: &mut Console<'_>) -> Result<(), Ending> {
    if dry_run {
        return rehearse(document, done, console);
    }
    let saved = console.save(document)?;
    let file = console.location()?.path;
    let wrong = if saved.is_written() { document.issues(&console.environment) } else { Vec::new() };
    if console.json {
        return console.print_json(&with_wrong(saved_json(&saved, &file), &wrong));
    }
    console.line(saved_words(&saved, done, &file))?;
    still_wrong(&wrong, console)
}

/// `--dry-run`: all that a change is checked for, and nothing is written.
fn rehearse(document: &Document, done: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    document.verify(&console.environment).map_err(|error| refused(&error))?;
    let file = console.location()?.path;
    let changes = !document.is_unchanged();
    let wrong = if changes { document.issues(&console.environment) } else { Vec::new() };
    if console.json {
        let report = json!({ "ok": true, "changed": false, "wouldChange": changes, "path": file });
        return console.print_json(&with_wrong(report, &wrong));
    }
    match changes {
        true => console.line(format_args!("dry run: {done} would be written to {}", file.display()))?,
        false => console.line(saved_words(&Saved::Unchanged, done, &file))?,
    }
    still_wrong(&wrong, console)
}

fn with_wrong(mut report: Value, wrong: &[Issue]) -> Value {
    if let (false, Some(report)) = (wrong.is_empty(), report.as_object_mut()) {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        report.insert("stillWrong".to_owned(), json!(wrong));
    }
    report
}

fn still_wrong(wrong: &[Issue], console: &mut Console<'_>) -> Result<(), Ending> {
    wrong.iter().try_for_each(|issue| console.line(format_args!("still wrong: {issue}")))
}

/// Text where the setting is text and does not look like JSON5, else JSON5; what is none is text.
fn read(value: &str, shape: Option<&'static Shape>) -> Value {
    let is_text = matches!(
        shape,
        Some(
            Shape::Text
                | Shape::Choice(_)
                | Shape::Secret
                | Shape::Secrets
                | Shape::TextOr(_)
                | Shape::Variables
        )
    );
    if is_text && !value.trim_start().starts_with(['{', '[', '"', '\'']) {
        return Value::String(value.to_owned());
    }
    match Tree::parse(value) {
        Ok(tree) => At::root(&tree).node.value.to_json(),
        Err(_) => Value::String(value.to_owned()),
    }
}
