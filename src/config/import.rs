//! An `openclaw.json` becomes a configuration of ours: models, agents.defaults, env and web search are carried over,
//! everything else is named with the reason why it is left out.

mod agents;
mod notes;
mod providers;
mod prune;
mod search;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::environment::Environment;
use super::file::{Cursor, Tree};
use super::issue::{ConfigError, Issue};

pub use notes::ImportNote;
use notes::ImportNotes;

/// What an import gives.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportResult {
    /// The new configuration.
    pub config: Value,
    /// Keys and references that are left out.
    pub skipped: Vec<ImportNote>,
    /// What was carried over in another form.
    pub changed: Vec<ImportNote>,
}

/// Reads a whole `openclaw.json`. The result is a valid configuration: what would make it wrong is left out.
///
/// # Errors
/// When the text does not parse or is not an object.
pub fn import(
    text: &str,
    path: Option<&Path>,
    environment: &Environment,
) -> Result<ImportResult, ConfigError> {
    let invalid = |issue| ConfigError { path: path.map(Path::to_owned), issues: vec![issue] };
    let tree = Tree::parse(text).map_err(invalid)?;
    let root = Cursor::root(&tree);
    if !root.node.value.to_json().is_object() {
        let message = format!("expected an object, found {}", root.node.value.type_name());
        return Err(invalid(Issue { path: "<root>".to_owned(), message, line: 1, column: 1 }));
    }
    let mut notes = ImportNotes::default();
    let mut config = Map::new();
    notes.skip_others(&root, &["env", "agents", "models", "plugins", "tools", "$schema"], skip_reason);
    insert_non_empty(&mut config, "env", import_env(root.get("env"), &mut notes));
    let models = providers::import_models(root.get("models"), &mut notes);
    let known = providers::known_provider_ids(models.as_ref());
    let (agents, chain) = agents::import_agents(root.get("agents"), &known, &mut notes);
    insert_non_empty(&mut config, "agents", agents);
    insert_non_empty(&mut config, "models", models);
    insert_non_empty(&mut config, "plugins", search::import_plugins(root.get("plugins"), &mut notes));
    insert_non_empty(&mut config, "tools", search::import_tools(root.get("tools"), &mut notes));
    let config = prune::prune_invalid(Value::Object(config), chain, environment, &mut notes);
    Ok(ImportResult { config, skipped: notes.skipped, changed: notes.changed })
}

/// Adds what is there and not empty.
fn insert_non_empty(object: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|value| value.as_object().is_none_or(|inner| !inner.is_empty())) {
        object.insert(key.to_owned(), value);
    }
}

fn skip_reason(key: &str) -> String {
    match key {
        "$include" => "included files are not followed: import the merged file",
        "gateway" => "Moonrelay's gateway has a port, a bind and tokens of its own",
        "channels" | "messages" | "commands" | "bindings" | "broadcast" => "Moonrelay has no chat channels",
        "auth" | "secrets" => {
            "keys of auth profiles are not in this file: set them in `env` or the secrets file"
        }
        "cron" | "hooks" | "skills" | "browser" | "talk" | "media" | "memory" => {
            "it belongs to OpenClaw's agent"
        }
        "logging" | "diagnostics" => "Moonrelay logs to the journal; see `logging`",
        "meta" | "wizard" | "update" | "ui" => "it is OpenClaw's own state",
        _ => "Moonrelay has no such setting",
    }
    .to_owned()
}

/// `env`: strings, and in `vars` more of them.
fn import_env(at: Option<Cursor<'_>>, notes: &mut ImportNotes) -> Option<Value> {
    let mut env = Map::new();
    for (key, member) in notes.expect_object(at)?.members() {
        match (key, member.as_str()) {
            (_, Some(text)) => {
                env.insert(key.to_owned(), json!(text));
            }
            ("vars", None) => insert_non_empty(&mut env, "vars", import_variables(member, notes)),
            ("shellEnv", None) => {
                notes.record_skipped(
                    &member.path,
                    "no login shell is asked: put the variables into the secrets file",
                );
            }
            _ => notes.record_skipped(&member.path, "a variable is a string"),
        }
    }
    Some(Value::Object(env))
}

fn import_variables(at: Cursor<'_>, notes: &mut ImportNotes) -> Option<Value> {
    let mut vars = Map::new();
    for (key, member) in notes.expect_object(Some(at))?.members() {
        match member.as_str() {
            Some(text) => {
                vars.insert(key.to_owned(), json!(text));
            }
            None => notes.record_skipped(&member.path, "a variable is a string"),
        }
    }
    Some(Value::Object(vars))
}

#[cfg(test)]
mod tests;
