//! `models set` and `models fallbacks`: the chain `default`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{key_path, resolve_model, save_and_report, warn_retired};
use crate::cli::console::{Console, edit_error, save_result_json, save_result_text};
use crate::cli::exit::CommandError;
use crate::config::edit::Document;
use crate::config::from_text;
use crate::config::keypath::KeyPath;
use crate::config::settings::{Reference, Settings};

/// The chain `default`.
const MODEL_PATH: [&str; 3] = ["agents", "defaults", "model"];

#[derive(Debug, Subcommand)]
pub(super) enum FallbacksCommand {
    /// List fallbacks in order
    List,
    /// Add a model as the last fallback
    Add {
        /// provider/model, or an alias
        #[arg(value_name = "REF|ALIAS")]
        model: String,
    },
    /// Remove a fallback
    Remove {
        /// provider/model, or an alias
        #[arg(value_name = "REF|ALIAS")]
        model: String,
    },
    /// Remove all fallbacks
    Clear,
}

pub(super) fn execute(verb: FallbacksCommand, console: &mut Console<'_>) -> Result<(), CommandError> {
    match verb {
        FallbacksCommand::List => list(console),
        FallbacksCommand::Add { model } => add(&model, console),
        FallbacksCommand::Remove { model } => remove(&model, console),
        FallbacksCommand::Clear => clear(console),
    }
}

fn model_path() -> KeyPath {
    key_path(&MODEL_PATH)
}

/// Makes a model the primary and keeps the former primary as the first fallback. Without a chain in the file, the models
/// that were used without one become the fallbacks.
pub(super) fn set_primary(name: &str, console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let reference = resolve_model(&settings, name)?;
    let mut document = console.open_document()?;
    match document.get(&model_path()) {
        Some(Value::String(former)) => {
            let is_same = resolve_model(&settings, &former).is_ok_and(|former| former == reference);
            let new = match is_same || former.trim().is_empty() {
                true => json!(reference.to_string()),
                false => json!({ "primary": reference.to_string(), "fallbacks": [former] }),
            };
            document.set(&model_path(), &new).map_err(|error| edit_error(&error))?;
        }
        Some(_) => replace_primary(&mut document, &settings, &reference)?,
        None => {
            let others: Vec<&Reference> =
                settings.default_chain.references.iter().filter(|other| **other != reference).collect();
            document
                .set(&model_path(), &chain_json(&reference, &others))
                .map_err(|error| edit_error(&error))?;
        }
    }
    warn_retired(&settings, &reference, console)?;
    finish_with_chain(&document, &reference, console)
}

/// Changes the primary of a chain in the file. The former primary moves to the front of the fallbacks. A fallback that is
/// the new or the former primary is removed, so that each model is in the chain once.
fn replace_primary(
    document: &mut Document,
    settings: &Settings,
    reference: &Reference,
) -> Result<(), CommandError> {
    let (primary, list) = (model_path().join_key("primary"), model_path().join_key("fallbacks"));
    let former = document.get(&primary).and_then(|value| value.as_str().map(str::to_owned));
    let former = former.and_then(|text| Some((resolve_model(settings, &text).ok()?, text)));
    document.set(&primary, &json!(reference.to_string())).map_err(|error| edit_error(&error))?;
    if former.as_ref().is_some_and(|(former, _)| former == reference) {
        return Ok(());
    }
    if let Some((_, text)) = &former {
        document.push_front(&list, &json!(text)).map_err(|error| edit_error(&error))?;
    }
    let mut seen = vec![reference.clone()];
    let mut repeated = Vec::new();
    for (index, element) in elements(document, &list).iter().enumerate() {
        match element.as_str().and_then(|name| resolve_model(settings, name).ok()) {
            Some(found) if seen.contains(&found) => repeated.push(index),
            Some(found) => seen.push(found),
            None => {}
        }
    }
    remove_elements(document, &list, &repeated)
}

/// The elements of a list; empty without a list.
fn elements(document: &Document, list: &KeyPath) -> Vec<Value> {
    document.get(list).and_then(|value| value.as_array().cloned()).unwrap_or_default()
}

/// Removes the elements at these indices, which are in ascending order.
fn remove_elements(document: &mut Document, list: &KeyPath, indices: &[usize]) -> Result<(), CommandError> {
    // From the end, so that the indices of the earlier ones stay valid.
    for index in indices.iter().rev() {
        document.remove(&list.join_index(*index)).map_err(|error| edit_error(&error))?;
    }
    Ok(())
}

/// Saves the change and prints the new chain.
fn finish_with_chain(
    document: &Document,
    reference: &Reference,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let saved = console.save(document)?;
    let file = console.locate_config()?.path;
    let settings = from_text(&document.text(), Some(&file), &console.environment)?;
    let chain: Vec<String> = settings.default_chain.references.iter().map(ToString::to_string).collect();
    if console.json {
        let mut report = save_result_json(&saved, &file);
        if let (Some(report), Some((primary, fallbacks))) = (report.as_object_mut(), chain.split_first()) {
            report.insert("primary".to_owned(), json!(primary));
            report.insert("fallbacks".to_owned(), json!(fallbacks));
        }
        return console.print_json(&report);
    }
    console.print_line(save_result_text(&saved, &format!("primary: {reference}"), &file))?;
    console.print_line("fallback chain:")?;
    for (number, model) in chain.iter().enumerate() {
        console.print_line(format_args!("{}. {model}", number + 1))?;
    }
    Ok(())
}

fn chain_json(primary: &Reference, fallbacks: &[&Reference]) -> Value {
    let fallbacks: Vec<String> = fallbacks.iter().map(ToString::to_string).collect();
    if fallbacks.is_empty() {
        return json!({ "primary": primary.to_string() });
    }
    json!({ "primary": primary.to_string(), "fallbacks": fallbacks })
}

/// A chain in the file that has a primary and fallbacks: where there is none, or only a name, it is written out.
fn write_full_chain(document: &mut Document, settings: &Settings) -> Result<(), CommandError> {
    let written = match document.get(&model_path()) {
        Some(Value::Object(_)) => return Ok(()),
        Some(Value::String(name)) => json!({ "primary": name }),
        _ => {
            let Some((primary, fallbacks)) = settings.default_chain.references.split_first() else {
                let why = "there is no primary and no provider has a key: `moonrelay models set REF` first";
                return Err(CommandError::failure("no_primary", why));
            };
            chain_json(primary, &fallbacks.iter().collect::<Vec<_>>())
        }
    };
    document.set(&model_path(), &written).map_err(|error| edit_error(&error))
}

fn list(console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let fallbacks: Vec<String> =
        settings.default_chain.references.iter().skip(1).map(ToString::to_string).collect();
    if console.json {
        return console.print_json(&json!({ "fallbacks": fallbacks }));
    }
    if fallbacks.is_empty() {
        return console.print_line("no fallbacks: only the primary is asked");
    }
    for (number, fallback) in fallbacks.iter().enumerate() {
        console.print_line(format_args!("{}. {fallback}", number + 1))?;
    }
    Ok(())
}

fn add(name: &str, console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let reference = resolve_model(&settings, name)?;
    let mut document = console.open_document()?;
    let has = settings.default_chain.references.contains(&reference);
    if !(has && document.get(&model_path()).is_some()) {
        write_full_chain(&mut document, &settings)?;
        if !has {
            let place = model_path().join_key("fallbacks");
            document.push(&place, &json!(reference.to_string())).map_err(|error| edit_error(&error))?;
        }
    }
    warn_retired(&settings, &reference, console)?;
    save_and_report(&document, &format!("{reference} is asked last"), console)
}

fn remove(name: &str, console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let reference = resolve_model(&settings, name)?;
    if !settings.default_chain.references.iter().skip(1).any(|fallback| *fallback == reference) {
        return Err(CommandError::failure(
            "unknown_fallback",
            format!("{reference} is not among the fallbacks"),
        ));
    }
    let mut document = console.open_document()?;
    write_full_chain(&mut document, &settings)?;
    let list = model_path().join_key("fallbacks");
    let is_it = |element: &Value| {
        element
            .as_str()
            .is_some_and(|name| resolve_model(&settings, name).is_ok_and(|found| found == reference))
    };
    let elements = elements(&document, &list);
    let found = elements.iter().enumerate().filter(|(_, element)| is_it(element));
    let found: Vec<usize> = found.map(|(index, _)| index).collect();
    remove_elements(&mut document, &list, &found)?;
    save_and_report(&document, &format!("{reference} is not asked any more"), console)
}

fn clear(console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let mut document = console.open_document()?;
    if !matches!(document.get(&model_path()), Some(Value::String(_))) {
        write_full_chain(&mut document, &settings)?;
        let list = model_path().join_key("fallbacks");
        if document.get(&list).is_some_and(|list| list != json!([])) {
            document.set(&list, &json!([])).map_err(|error| edit_error(&error))?;
        }
    }
    save_and_report(&document, "only the primary is asked", console)
}
