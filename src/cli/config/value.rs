//! `config get`, `config set` and `config unset`.

use serde_json::{Value, json};

use crate::cli::console::{Console, refused};
use crate::cli::exit::Ending;
use crate::config::edit::{Document, Saved};
use crate::config::file::{At, Tree};
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
pub(super) fn set(path: &str, value: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let path = parse(path)?;
    let value = read(value, ROOT.at(&path));
    let mut document = console.document()?;
    document.set(&path, &value).map_err(|error| refused(&error))?;
    finish(&document, &path, "set", console)
}

/// Removes a value, where the result is a valid configuration.
pub(super) fn unset(path: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let path = parse(path)?;
    let mut document = console.document()?;
    if !document.remove(&path).map_err(|error| refused(&error))? {
        return Err(Ending::failure("not_found", format!("{path} is not set{}", hint(&document, &path))));
    }
    finish(&document, &path, "removed", console)
}

fn finish(document: &Document, path: &KeyPath, verb: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let saved = console.save(document)?;
    let file = console.location()?.path;
    let wrong = match saved {
        Saved::Written => document.issues(&console.environment),
        Saved::Unchanged => Vec::new(),
    };
    if console.json {
        let mut report = json!({ "ok": true, "changed": saved == Saved::Written, "path": file });
        if let (false, Some(report)) = (wrong.is_empty(), report.as_object_mut()) {
            let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            report.insert("stillWrong".to_owned(), json!(wrong));
        }
        return console.print_json(&report);
    }
    match saved {
        Saved::Written => console.line(format_args!("{path} {verb} in {}", file.display()))?,
        Saved::Unchanged => console.line(format_args!("no change: {} says so already", file.display()))?,
    }
    for issue in wrong {
        console.line(format_args!("still wrong: {issue}"))?;
    }
    Ok(())
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
