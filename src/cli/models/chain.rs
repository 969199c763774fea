//! `models set` and `models fallbacks`: the chain `default`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{finish, named, path, warn_retired};
use crate::cli::console::{Console, refused};
use crate::cli::exit::Ending;
use crate::config::edit::Document;
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

/// Makes a model the primary. Where the file has no chain, the fallbacks that served without one are written too.
pub(super) fn set(name: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let settings = console.settings()?;
    let reference = named(&settings, name)?;
    let mut document = console.document()?;
    let changed = match document.get(&model()) {
        Some(Value::String(_)) => document.set(&model(), &json!(reference.to_string())),
        Some(_) => document.set(&model().key("primary"), &json!(reference.to_string())),
        None => {
            let others: Vec<&Reference> =
                settings.default_chain.references.iter().filter(|other| **other != reference).collect();
            document.set(&model(), &chain(&reference, &others))
        }
    };
    changed.map_err(|error| refused(&error))?;
    warn_retired(&settings, &reference, console)?;
    finish(&document, &format!("primary: {reference}"), console)
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
    let written = document.get(&list);
    let elements = written.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_it = |element: &Value| {
        element.as_str().is_some_and(|name| named(&settings, name).is_ok_and(|found| found == reference))
    };
    // From the end, so that the places of those before stay.
    for index in (0..elements.len()).rev().filter(|index| elements.get(*index).is_some_and(is_it)) {
        document.remove(&list.index(index)).map_err(|error| refused(&error))?;
    }
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
