//! `models aliases`: other names for models.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{key_path, resolve_model, save_and_report, warn_retired};
use crate::cli::console::{Console, edit_error, render_table};
use crate::cli::exit::CommandError;
use crate::config::edit::Document;
use crate::config::nearest::format_suggestion;
use crate::config::reference;
use crate::config::settings::{Reference, Settings};

/// Path of the aliases, by reference.
const MODELS_PATH: [&str; 3] = ["agents", "defaults", "models"];

#[derive(Debug, Subcommand)]
pub(super) enum AliasesCommand {
    /// List aliases
    List,
    /// Set the alias of a model; it replaces the model's previous alias
    Add {
        /// New alias
        alias: String,
        /// provider/model, or another alias
        #[arg(value_name = "REF|ALIAS")]
        model: String,
    },
    /// Remove an alias
    Remove {
        /// Alias to remove
        alias: String,
    },
}

pub(super) fn execute(verb: AliasesCommand, console: &mut Console<'_>) -> Result<(), CommandError> {
    match verb {
        AliasesCommand::List => list(console),
        AliasesCommand::Add { alias, model } => add(&alias, &model, console),
        AliasesCommand::Remove { alias } => remove(&alias, console),
    }
}

/// One alias in the file.
struct AliasRow {
    alias: String,
    /// The key that the alias is stored under.
    written_reference: String,
}

fn read_rows(document: &Document) -> Vec<AliasRow> {
    let Some(Value::Object(models)) = document.get(&key_path(&MODELS_PATH)) else { return Vec::new() };
    let row = |(written, value): (String, Value)| {
        let alias = value.get("alias")?.as_str()?.to_owned();
        Some(AliasRow { alias, written_reference: written })
    };
    models.into_iter().filter_map(row).collect()
}

fn list(console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let rows = read_rows(&console.open_document()?);
    let meant = |row: &AliasRow| settings.aliases.get(&row.alias.to_lowercase()).map(ToString::to_string);
    if console.json {
        let aliases: Map<String, Value> =
            rows.iter().map(|row| (row.alias.clone(), json!(meant(row)))).collect();
        return console.print_json(&json!({ "aliases": aliases }));
    }
    if rows.is_empty() {
        return console.print_line("no aliases: `moonrelay models aliases add NAME REF` makes one");
    }
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| vec![row.alias.clone(), meant(row).unwrap_or_default()]).collect();
    console.print_line(render_table(&["Alias", "Model"], &cells).trim_end())
}

fn add(alias: &str, model: &str, console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let reference = resolve_model(&settings, model)?;
    if let Some(other) = settings.aliases.get(&alias.to_lowercase()).filter(|other| **other != reference) {
        let why = format!("alias \"{alias}\" means {other}: remove it there first");
        return Err(CommandError::failure("alias_taken", why));
    }
    let hidden = reference::find_hidden(&settings.providers, &settings.provider_aliases, alias, &reference);
    if let Some(hidden) = hidden {
        let why = format!("alias \"{alias}\" would hide {hidden}, as aliases come first: choose another");
        return Err(CommandError::failure("alias_hides", why));
    }
    let mut document = console.open_document()?;
    let key = find_written_key(&document, &settings, &reference).unwrap_or_else(|| reference.to_string());
    let place = key_path(&MODELS_PATH).join_key(&key).join_key("alias");
    document.set(&place, &json!(alias)).map_err(|error| edit_error(&error))?;
    warn_retired(&settings, &reference, console)?;
    save_and_report(&document, &format!("{alias} means {reference}"), console)
}

/// The key under which the file already has this model, in any spelling.
pub(in crate::cli) fn find_written_key(
    document: &Document,
    settings: &Settings,
    reference: &Reference,
) -> Option<String> {
    let Some(Value::Object(models)) = document.get(&key_path(&MODELS_PATH)) else { return None };
    models.keys().find(|key| settings.parse_reference(key).as_ref() == Ok(reference)).cloned()
}

fn remove(alias: &str, console: &mut Console<'_>) -> Result<(), CommandError> {
    let mut document = console.open_document()?;
    let rows = read_rows(&document);
    let Some(row) = rows.iter().find(|row| row.alias.to_lowercase() == alias.to_lowercase()) else {
        let hint = format_suggestion(alias, rows.iter().map(|row| row.alias.as_str()));
        return Err(CommandError::failure("unknown_alias", format!("there is no alias \"{alias}\"{hint}")));
    };
    let entry = key_path(&MODELS_PATH).join_key(&row.written_reference);
    let only_alias = document.get(&entry).and_then(|value| value.as_object().map(Map::len)) == Some(1);
    let place = if only_alias { entry } else { entry.join_key("alias") };
    document.remove(&place).map_err(|error| edit_error(&error))?;
    save_and_report(&document, &format!("alias {} is gone", row.alias), console)
}
