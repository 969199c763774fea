//! An `openclaw.json` becomes a configuration of ours: models, agents.defaults, env and web search are carried over,
//! everything else is named with the reason why it is left out.

mod agents;
mod notes;
mod providers;
mod search;
mod settle;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::environment::Environment;
use super::file::{At, Tree};
use super::issue::{Invalid, Issue};

pub use notes::Note;
use notes::Notes;

/// What an import gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The new configuration.
    pub config: Value,
    /// Keys and references that are left out.
    pub left_out: Vec<Note>,
    /// What was carried over in another form.
    pub changed: Vec<Note>,
}

/// Reads a whole `openclaw.json`. The result is a valid configuration: what would make it wrong is left out.
///
/// # Errors
/// When the text does not parse or is no object.
pub fn import(text: &str, path: Option<&Path>, environment: &Environment) -> Result<Imported, Invalid> {
    let invalid = |issue| Invalid { path: path.map(Path::to_owned), issues: vec![issue] };
    let tree = Tree::parse(text).map_err(invalid)?;
    let root = At::root(&tree);
    if !root.node.value.to_json().is_object() {
        let message = format!("expected an object, found {}", root.node.value.kind());
        return Err(invalid(Issue { path: "<root>".to_owned(), message, line: 1, column: 1 }));
    }
    let mut notes = Notes::default();
    let mut config = Map::new();
    notes.others(&root, &["env", "agents", "models", "plugins", "tools", "$schema"], why_top);
    insert(&mut config, "env", env(root.get("env"), &mut notes));
    let models = providers::models(root.get("models"), &mut notes);
    let known = providers::known(models.as_ref());
    let (agents, chain) = agents::agents(root.get("agents"), &known, &mut notes);
    insert(&mut config, "agents", agents);
    insert(&mut config, "models", models);
    insert(&mut config, "plugins", search::plugins(root.get("plugins"), &mut notes));
    insert(&mut config, "tools", search::tools(root.get("tools"), &mut notes));
    let config = settle::settle(Value::Object(config), chain, environment, &mut notes);
    Ok(Imported { config, left_out: notes.left_out, changed: notes.changed })
}

/// Adds what is there and not empty.
fn insert(object: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|value| value.as_object().is_none_or(|inner| !inner.is_empty())) {
        object.insert(key.to_owned(), value);
    }
}

fn why_top(key: &str) -> String {
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
fn env(at: Option<At<'_>>, notes: &mut Notes) -> Option<Value> {
    let mut env = Map::new();
    for (key, member) in notes.object(at)?.members() {
        match (key, member.text()) {
            (_, Some(text)) => {
                env.insert(key.to_owned(), json!(text));
            }
            ("vars", None) => insert(&mut env, "vars", variables(member, notes)),
            ("shellEnv", None) => {
                notes.left_out(
                    &member.path,
                    "no login shell is asked: put the variables into the secrets file",
                );
            }
            _ => notes.left_out(&member.path, "a variable is a string"),
        }
    }
    Some(Value::Object(env))
}

fn variables(at: At<'_>, notes: &mut Notes) -> Option<Value> {
    let mut vars = Map::new();
    for (key, member) in notes.object(Some(at))?.members() {
        match member.text() {
            Some(text) => {
                vars.insert(key.to_owned(), json!(text));
            }
            None => notes.left_out(&member.path, "a variable is a string"),
        }
    }
    Some(Value::Object(vars))
}

#[cfg(test)]
mod tests;
