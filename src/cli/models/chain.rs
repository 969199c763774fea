//! `models set`, `models fallbacks` and `models aliases`: the default chain and the aliases in the file.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::resolve_model;
use crate::cli::command::{CommandContext, CommandError, save_result_json, save_result_text};
use crate::cli::output::render_table;
use crate::config::edit::Document;
use crate::config::from_text;
use crate::config::keypath::KeyPath;
use crate::config::lookup;
use crate::config::nearest::format_suggestion;
use crate::config::settings::{Reference, Settings};

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

impl AliasesCommand {
    pub(super) fn execute(&self, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
        match self {
            Self::List => list_aliases(context),
            Self::Add { alias, model } => add_alias(alias, model, context),
            Self::Remove { alias } => remove_alias(alias, context),
        }
    }
}

impl FallbacksCommand {
    pub(super) fn execute(&self, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
        match self {
            Self::List => list_fallbacks(context),
            Self::Add { model } => add_fallback(model, context),
            Self::Remove { model } => remove_fallback(model, context),
            Self::Clear => clear_fallbacks(context),
        }
    }
}

/// `agents.defaults.model` (the chain) or `agents.defaults.models` (aliases and parameters by reference).
pub(in crate::cli) fn defaults_path(key: &str) -> KeyPath {
    ["agents", "defaults", key].iter().fold(KeyPath::default(), |path, key| path.join_key(key))
}

/// Each alias of the file with the key that it is stored under.
fn read_aliases(document: &Document) -> Vec<(String, String)> {
    let Some(Value::Object(models)) = document.get(&defaults_path("models")) else { return Vec::new() };
    let alias = |(key, value): (String, Value)| Some((value.get("alias")?.as_str()?.to_owned(), key));
    models.into_iter().filter_map(alias).collect()
}

fn list_aliases(context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let aliases = read_aliases(&context.open_document()?).into_iter().map(|(alias, _)| {
        let model = settings.aliases.get(&alias.to_lowercase()).map(ToString::to_string);
        (alias, json!(model))
    });
    let aliases: Map<String, Value> = aliases.collect();
    context.report(&json!({ "aliases": aliases }), || {
        if aliases.is_empty() {
            return "no aliases; add one with: moonrelay models aliases add NAME REF".to_owned();
        }
        let rows = aliases
            .iter()
            .map(|(alias, model)| vec![alias.clone(), model.as_str().unwrap_or_default().to_owned()]);
        render_table(&["Alias", "Model"], &rows.collect::<Vec<_>>())
    })
}

fn add_alias(alias: &str, model: &str, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let reference = resolve_model(&settings, model)?;
    if let Some(other) = settings.aliases.get(&alias.to_lowercase()).filter(|other| **other != reference) {
        let why = format!("alias \"{alias}\" already means {other}: remove it first");
        return Err(CommandError::failure("alias_taken", why));
    }
    let hidden = lookup::find_hidden(&settings.providers, &settings.provider_aliases, alias, &reference);
    if let Some(hidden) = hidden {
        let why =
            format!("alias \"{alias}\" would hide {hidden}, because aliases take precedence: choose another");
        return Err(CommandError::failure("alias_hides", why));
    }
    let mut document = context.open_document()?;
    let key = find_written_key(&document, &settings, &reference).unwrap_or_else(|| reference.to_string());
    document.set(&defaults_path("models").join_key(&key).join_key("alias"), &json!(alias))?;
    warn_retired(&settings, &reference, context)?;
    context.save_and_report(&document, &format!("alias {alias}: {reference}"))
}

/// The key under which the file already has this model, in any spelling.
pub(in crate::cli) fn find_written_key(
    document: &Document,
    settings: &Settings,
    reference: &Reference,
) -> Option<String> {
    let Some(Value::Object(models)) = document.get(&defaults_path("models")) else { return None };
    models.keys().find(|key| settings.parse_reference(key).as_ref() == Ok(reference)).cloned()
}

fn remove_alias(alias: &str, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let mut document = context.open_document()?;
    let aliases = read_aliases(&document);
    let Some((alias, key)) = aliases.iter().find(|(known, _)| known.to_lowercase() == alias.to_lowercase())
    else {
        let hint = format_suggestion(alias, aliases.iter().map(|(known, _)| known.as_str()));
        return Err(CommandError::failure("unknown_alias", format!("there is no alias \"{alias}\"{hint}")));
    };
    let entry = defaults_path("models").join_key(key);
    let is_only_key = document.get(&entry).and_then(|value| value.as_object().map(Map::len)) == Some(1);
    document.remove(&if is_only_key { entry } else { entry.join_key("alias") })?;
    context.save_and_report(&document, &format!("removed alias {alias}"))
}

/// Makes a model the primary and keeps the former primary as the first fallback. Without a chain in the file, the models
/// that were used without one become the fallbacks.
pub(super) fn set_primary(name: &str, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let reference = resolve_model(&settings, name)?;
    let mut document = context.open_document()?;
    let path = defaults_path("model");
    match document.get(&path) {
        Some(Value::String(former)) => {
            let is_same = resolve_model(&settings, &former).is_ok_and(|former| former == reference);
            let new = match is_same || former.trim().is_empty() {
                true => json!(reference.to_string()),
                false => json!({ "primary": reference.to_string(), "fallbacks": [former] }),
            };
            document.set(&path, &new)?;
        }
        Some(_) => replace_primary(&mut document, &settings, &reference)?,
        None => {
            let others = settings.default_chain.references.iter().filter(|other| **other != reference);
            document.set(&path, &chain_json(&reference, others))?;
        }
    }
    warn_retired(&settings, &reference, context)?;
    let saved = context.save(&document)?;
    let file = context.locate_config()?.path;
    let settings = from_text(&document.text(), Some(&file), &context.environment)?;
    let chain: Vec<String> = settings.default_chain.references.iter().map(ToString::to_string).collect();
    let mut report = save_result_json(&saved, &file);
    if let Some((primary, fallbacks)) = chain.split_first() {
        (report["primary"], report["fallbacks"]) = (json!(primary), json!(fallbacks));
    }
    context.report(&report, || {
        let done = save_result_text(&saved, &format!("primary: {reference}"), &file);
        format!("{done}\nfallback chain:\n{}", numbered(&chain))
    })
}

/// Changes the primary of a chain in the file. The former primary moves to the front of the fallbacks. A fallback that is
/// the new or the former primary is removed, so that each model is in the chain once.
fn replace_primary(
    document: &mut Document,
    settings: &Settings,
    reference: &Reference,
) -> Result<(), CommandError> {
    let path = defaults_path("model");
    let (primary, list) = (path.join_key("primary"), path.join_key("fallbacks"));
    let former = document.get(&primary).and_then(|value| value.as_str().map(str::to_owned));
    let former = former.and_then(|text| Some((resolve_model(settings, &text).ok()?, text)));
    document.set(&primary, &json!(reference.to_string()))?;
    if former.as_ref().is_some_and(|(former, _)| former == reference) {
        return Ok(());
    }
    if let Some((_, text)) = &former {
        document.push_front(&list, &json!(text))?;
    }
    let mut seen = vec![reference.clone()];
    remove_fallbacks_if(document, settings, |found| {
        let is_repeated = seen.contains(found);
        seen.push(found.clone());
        is_repeated
    })
}

/// Removes each fallback in the file that the closure selects; names that mean no model stay.
fn remove_fallbacks_if(
    document: &mut Document,
    settings: &Settings,
    mut is_removed: impl FnMut(&Reference) -> bool,
) -> Result<(), CommandError> {
    let list = defaults_path("model").join_key("fallbacks");
    let names = document.get(&list).and_then(|value| value.as_array().cloned()).unwrap_or_default();
    let mut removed = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let model = name.as_str().and_then(|name| resolve_model(settings, name).ok());
        if model.is_some_and(|model| is_removed(&model)) {
            removed.push(index);
        }
    }
    // From the end, so that the indices of the earlier ones stay valid.
    for index in removed.into_iter().rev() {
        document.remove(&list.join_index(index))?;
    }
    Ok(())
}

pub(in crate::cli) fn chain_json<'r>(
    primary: &Reference,
    fallbacks: impl Iterator<Item = &'r Reference>,
) -> Value {
    let fallbacks: Vec<String> = fallbacks.map(ToString::to_string).collect();
    let mut chain = json!({ "primary": primary.to_string() });
    if !fallbacks.is_empty() {
        chain["fallbacks"] = json!(fallbacks);
    }
    chain
}

/// Writes the chain as an object with `primary`, so that fallbacks can be changed.
pub(in crate::cli) fn write_full_chain(
    document: &mut Document,
    settings: &Settings,
) -> Result<(), CommandError> {
    let path = defaults_path("model");
    let chain = match document.get(&path) {
        Some(Value::Object(_)) => return Ok(()),
        Some(Value::String(name)) => json!({ "primary": name }),
        _ => {
            let Some((primary, fallbacks)) = settings.default_chain.references.split_first() else {
                let why =
                    "there is no primary and no provider has a key; first run: moonrelay models set REF";
                return Err(CommandError::failure("no_primary", why));
            };
            chain_json(primary, fallbacks.iter())
        }
    };
    Ok(document.set(&path, &chain)?)
}

fn numbered(models: &[String]) -> String {
    let lines = models.iter().enumerate().map(|(index, model)| format!("{}. {model}", index + 1));
    lines.collect::<Vec<_>>().join("\n")
}

fn list_fallbacks(context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let fallbacks = settings.default_chain.references.iter().skip(1);
    let fallbacks: Vec<String> = fallbacks.map(ToString::to_string).collect();
    context.report(&json!({ "fallbacks": fallbacks }), || {
        if fallbacks.is_empty() { "no fallbacks".to_owned() } else { numbered(&fallbacks) }
    })
}

fn add_fallback(name: &str, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let reference = resolve_model(&settings, name)?;
    let mut document = context.open_document()?;
    let path = defaults_path("model");
    let is_in_chain = settings.default_chain.references.contains(&reference);
    if !is_in_chain || document.get(&path).is_none() {
        write_full_chain(&mut document, &settings)?;
    }
    if !is_in_chain {
        document.push(&path.join_key("fallbacks"), &json!(reference.to_string()))?;
    }
    warn_retired(&settings, &reference, context)?;
    context.save_and_report(&document, &format!("added as last fallback: {reference}"))
}

fn remove_fallback(name: &str, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let reference = resolve_model(&settings, name)?;
    if !settings.default_chain.references.iter().skip(1).any(|fallback| *fallback == reference) {
        let why = format!("{reference} is not among the fallbacks");
        return Err(CommandError::failure("unknown_fallback", why));
    }
    let mut document = context.open_document()?;
    write_full_chain(&mut document, &settings)?;
    remove_fallbacks_if(&mut document, &settings, |found| *found == reference)?;
    context.save_and_report(&document, &format!("removed fallback {reference}"))
}

fn clear_fallbacks(context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let mut document = context.open_document()?;
    let path = defaults_path("model");
    if !matches!(document.get(&path), Some(Value::String(_))) {
        write_full_chain(&mut document, &settings)?;
        let list = path.join_key("fallbacks");
        if document.get(&list).is_some_and(|list| list != json!([])) {
            document.set(&list, &json!([]))?;
        }
    }
    context.save_and_report(&document, "removed all fallbacks")
}

fn warn_retired(
    settings: &Settings,
    reference: &Reference,
    context: &mut CommandContext<'_>,
) -> Result<(), CommandError> {
    let provider = settings.providers.get(&reference.provider);
    let model = provider.and_then(|provider| provider.find_model(&reference.model));
    match model.and_then(|model| model.model.retirement.clone()) {
        Some(end) if !context.json => {
            context.print_line(format_args!("warning: {}", end.render_notice(&reference.to_string())))
        }
        _ => Ok(()),
    }
}
