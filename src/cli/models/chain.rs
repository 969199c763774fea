//! `models set` and `models fallbacks`: the chain `default`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{finish, named, path, warn_retired};
use crate::cli::console::{Console, refused, saved_json, saved_words};
use crate::cli::exit::Ending;
use crate::config::edit::Document;
use crate::config::from_text;
use crate::config::keypath::KeyPath;
use crate::config::settings::{Reference, Settings};

/// The chain `default`.
const MODEL: [&str; 3] = ["agents", "defaults", "model"];

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every fallback, in the order in which they are asked
    List,
    /// Ask this model too, after the others
    Add {
        /// provider/model, or an alias
        #[arg(value_name = "REF|ALIAS")]
        model: String,
    },
    /// Do not ask this model any more
    Remove {
        /// provider/model, or an alias
        #[arg(value_name = "REF|ALIAS")]
        model: String,
    },
    /// Ask only the primary
    Clear,
}

pub(super) fn execute(verb: Verb, console: &mut Console<'_>) -> Result<(), Ending> {
    match verb {
        Verb::List => list(console),
        Verb::Add { model } => add(&model, console),
        Verb::Remove { model } => remove(&model, console),
        Verb::Clear => clear(console),
    }
}

fn model() -> KeyPath {
    path(&MODEL)
}

/// Makes a model the primary and keeps the former primary as the first fallback. Without a chain in the file, the models
/// that were used without one become the fallbacks.
pub(super) fn set(name: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let settings = console.settings()?;
    let reference = named(&settings, name)?;
    let mut document = console.document()?;
    match document.get(&model()) {
        Some(Value::String(former)) => {
            let is_same = named(&settings, &former).is_ok_and(|former| former == reference);
            let new = match is_same || former.trim().is_empty() {
                true => json!(reference.to_string()),
                false => json!({ "primary": reference.to_string(), "fallbacks": [former] }),
            };
            document.set(&model(), &new).map_err(|error| refused(&error))?;
        }
        Some(_) => replace_primary(&mut document, &settings, &reference)?,
        None => {
            let others: Vec<&Reference> =
                settings.default_chain.references.iter().filter(|other| **other != reference).collect();
            document.set(&model(), &chain(&reference, &others)).map_err(|error| refused(&error))?;
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
) -> Result<(), Ending> {
    let (primary, list) = (model().key("primary"), model().key("fallbacks"));
    let former = document.get(&primary).and_then(|value| value.as_str().map(str::to_owned));
    let former = former.and_then(|text| Some((named(settings, &text).ok()?, text)));
    document.set(&primary, &json!(reference.to_string())).map_err(|error| refused(&error))?;
    if former.as_ref().is_some_and(|(former, _)| former == reference) {
        return Ok(());
    }
    if let Some((_, text)) = &former {
        document.push_front(&list, &json!(text)).map_err(|error| refused(&error))?;
    }
    let mut seen = vec![reference.clone()];
    let mut repeated = Vec::new();
    for (index, element) in elements(document, &list).iter().enumerate() {
        match element.as_str().and_then(|name| named(settings, name).ok()) {
            Some(found) if seen.contains(&found) => repeated.push(index),
            Some(found) => seen.push(found),
            None => {}
        }
    }
    remove_elements(document, &list, &repeated)
}

/// The elements of a list; without a list there are none.
fn elements(document: &Document, list: &KeyPath) -> Vec<Value> {
    document.get(list).and_then(|value| value.as_array().cloned()).unwrap_or_default()
}

/// Removes the elements at these indices, which are in ascending order.
fn remove_elements(document: &mut Document, list: &KeyPath, indices: &[usize]) -> Result<(), Ending> {
    // From the end, so that the indices of the earlier ones stay valid.
    for index in indices.iter().rev() {
        document.remove(&list.index(*index)).map_err(|error| refused(&error))?;
    }
    Ok(())
}

/// Saves, and prints the new chain.
fn finish_with_chain(
    document: &Document,
    reference: &Reference,
    console: &mut Console<'_>,
) -> Result<(), Ending> {
    let saved = console.save(document)?;
    let file = console.location()?.path;
    let settings = from_text(&document.text(), Some(&file), &console.environment)?;
    let chain: Vec<String> = settings.default_chain.references.iter().map(ToString::to_string).collect();
    if console.json {
        let mut report = saved_json(&saved, &file);
        if let (Some(report), Some((primary, fallbacks))) = (report.as_object_mut(), chain.split_first()) {
            report.insert("primary".to_owned(), json!(primary));
            report.insert("fallbacks".to_owned(), json!(fallbacks));
        }
        return console.print_json(&report);
    }
    console.line(saved_words(&saved, &format!("primary: {reference}"), &file))?;
    console.line("fallback chain:")?;
    for (number, model) in chain.iter().enumerate() {
        console.line(format_args!("{}. {model}", number + 1))?;
    }
    Ok(())
}

fn chain(primary: &Reference, fallbacks: &[&Reference]) -> Value {
    let fallbacks: Vec<String> = fallbacks.iter().map(ToString::to_string).collect();
    if fallbacks.is_empty() {
        return json!({ "primary": primary.to_string() });
    }
    json!({ "primary": primary.to_string(), "fallbacks": fallbacks })
}

/// A chain in the file that has a primary and fallbacks: where there is none, or only a name, it is written out.
fn spell_out(document: &mut Document, settings: &Settings) -> Result<(), Ending> {
    let written = match document.get(&model()) {
        Some(Value::Object(_)) => return Ok(()),
        Some(Value::String(name)) => json!({ "primary": name }),
        _ => {
            let Some((primary, fallbacks)) = settings.default_chain.references.split_first() else {
                let why = "there is no primary and no provider has a key: `moonrelay models set REF` first";
                return Err(Ending::failure("no_primary", why));
            };
            chain(primary, &fallbacks.iter().collect::<Vec<_>>())
        }
    };
    document.set(&model(), &written).map_err(|error| refused(&error))
}

fn list(console: &mut Console<'_>) -> Result<(), Ending> {
    let settings = console.settings()?;
    let fallbacks: Vec<String> =
        settings.default_chain.references.iter().skip(1).map(ToString::to_string).collect();
    if console.json {
        return console.print_json(&json!({ "fallbacks": fallbacks }));
    }
    if fallbacks.is_empty() {
        return console.line("no fallbacks: only the primary is asked");
    }
    for (number, fallback) in fallbacks.iter().enumerate() {
        console.line(format_args!("{}. {fallback}", number + 1))?;
    }
    Ok(())
}

fn add(name: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let settings = console.settings()?;
    let reference = named(&settings, name)?;
    let mut document = console.document()?;
    let has = settings.default_chain.references.contains(&reference);
    if !(has && document.get(&model()).is_some()) {
        spell_out(&mut document, &settings)?;
        if !has {
            let place = model().key("fallbacks");
            document.push(&place, &json!(reference.to_string())).map_err(|error| refused(&error))?;
        }
    }
    warn_retired(&settings, &reference, console)?;
    finish(&document, &format!("{reference} is asked last"), console)
}

fn remove(name: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let settings = console.settings()?;
    let reference = named(&settings, name)?;
    if !settings.default_chain.references.iter().skip(1).any(|fallback| *fallback == reference) {
        return Err(Ending::failure("unknown_fallback", format!("{reference} is not among the fallbacks")));
    }
    let mut document = console.document()?;
    spell_out(&mut document, &settings)?;
    let list = model().key("fallbacks");
    let is_it = |element: &Value| {
        element.as_str().is_some_and(|name| named(&settings, name).is_ok_and(|found| found == reference))
    };
    let elements = elements(&document, &list);
    let found = elements.iter().enumerate().filter(|(_, element)| is_it(element));
    let found: Vec<usize> = found.map(|(index, _)| index).collect();
    remove_elements(&mut document, &list, &found)?;
    finish(&document, &format!("{reference} is not asked any more"), console)
}

fn clear(console: &mut Console<'_>) -> Result<(), Ending> {
    let settings = console.settings()?;
    let mut document = console.document()?;
    if !matches!(document.get(&model()), Some(Value::String(_))) {
        spell_out(&mut document, &settings)?;
        let list = model().key("fallbacks");
        if document.get(&list).is_some_and(|list| list != json!([])) {
            document.set(&list, &json!([])).map_err(|error| refused(&error))?;
        }
    }
    finish(&document, "only the primary is asked", console)
}
