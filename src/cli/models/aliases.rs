//! `models aliases`: other names for models.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{finish, named, path, warn_retired};
use crate::cli::console::{Console, refused, table};
use crate::cli::exit::Ending;
use crate::config::edit::Document;
use crate::config::nearest::did_you_mean;
use crate::config::reference;
use crate::config::settings::{Reference, Settings};

/// Where aliases stand, by reference.
const MODELS: [&str; 3] = ["agents", "defaults", "models"];

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every alias
    List,
    /// Give a model another name; a model has one alias, so a new one replaces the old
    Add {
        /// The new name
        alias: String,
        /// provider/model, or another alias
        #[arg(value_name = "REF|ALIAS")]
        model: String,
    },
    /// Take a name away
    Remove {
        /// The name
        alias: String,
    },
}

pub(super) fn execute(verb: Verb, console: &mut Console<'_>) -> Result<(), Ending> {
    match verb {
        Verb::List => list(console),
        Verb::Add { alias, model } => add(&alias, &model, console),
        Verb::Remove { alias } => remove(&alias, console),
    }
}

/// One alias as the file has it.
struct Row {
    alias: String,
    /// The key under which it stands.
    written: String,
}

fn rows(document: &Document) -> Vec<Row> {
    let Some(Value::Object(models)) = document.get(&path(&MODELS)) else { return Vec::new() };
    let row = |(written, value): (String, Value)| {
        let alias = value.get("alias")?.as_str()?.to_owned();
        Some(Row { alias, written })
    };
    models.into_iter().filter_map(row).collect()
}

fn list(console: &mut Console<'_>) -> Result<(), Ending> {
    let settings = console.settings()?;
    let rows = rows(&console.document()?);
    let meant = |row: &Row| settings.aliases.get(&row.alias.to_lowercase()).map(ToString::to_string);
    if console.json {
        let aliases: Map<String, Value> =
            rows.iter().map(|row| (row.alias.clone(), json!(meant(row)))).collect();
        return console.print_json(&json!({ "aliases": aliases }));
    }
    if rows.is_empty() {
        return console.line("no aliases: `moonrelay models aliases add NAME REF` makes one");
    }
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| vec![row.alias.clone(), meant(row).unwrap_or_default()]).collect();
    console.line(table(&["Alias", "Model"], &cells).trim_end())
}

fn add(alias: &str, model: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let settings = console.settings()?;
    let reference = named(&settings, model)?;
    if let Some(other) = settings.aliases.get(&alias.to_lowercase()).filter(|other| **other != reference) {
        let why = format!("alias \"{alias}\" means {other}: remove it there first");
        return Err(Ending::failure("alias_taken", why));
    }
    let hidden = reference::hidden_by(&settings.providers, &settings.provider_aliases, alias, &reference);
    if let Some(hidden) = hidden {
        let why = format!("alias \"{alias}\" would hide {hidden}, as aliases come first: choose another");
        return Err(Ending::failure("alias_hides", why));
    }
    let mut document = console.document()?;
    let key = written_key(&document, &settings, &reference).unwrap_or_else(|| reference.to_string());
    let place = path(&MODELS).key(&key).key("alias");
    document.set(&place, &json!(alias)).map_err(|error| refused(&error))?;
    warn_retired(&settings, &reference, console)?;
    finish(&document, &format!("{alias} means {reference}"), console)
}

/// The key under which the file already has this model, however it is written there.
pub(in crate::cli) fn written_key(
    document: &Document,
    settings: &Settings,
    reference: &Reference,
) -> Option<String> {
    let Some(Value::Object(models)) = document.get(&path(&MODELS)) else { return None };
    models.keys().find(|key| settings.reference(key).as_ref() == Ok(reference)).cloned()
}

fn remove(alias: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let mut document = console.document()?;
    let rows = rows(&document);
    let Some(row) = rows.iter().find(|row| row.alias.to_lowercase() == alias.to_lowercase()) else {
        let hint = did_you_mean(alias, rows.iter().map(|row| row.alias.as_str()));
        return Err(Ending::failure("unknown_alias", format!("there is no alias \"{alias}\"{hint}")));
    };
    let entry = path(&MODELS).key(&row.written);
    let only_alias = document.get(&entry).and_then(|value| value.as_object().map(Map::len)) == Some(1);
    let place = if only_alias { entry } else { entry.key("alias") };
    document.remove(&place).map_err(|error| refused(&error))?;
    finish(&document, &format!("alias {} is gone", row.alias), console)
}
