//! An `openclaw.json` becomes a configuration of ours: models, agents.defaults, env and web search are carried over,
//! everything else is named with the reason why it is left out.

mod agents;
mod providers;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::environment::Environment;
use super::file::{At, Tree};
use super::from_text;
use super::issue::{Invalid, Issue};
use super::keypath::{KeyPath, Step};

/// Something of the old file that is not in the new one as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it stands in the old file.
    pub path: String,
    /// Why.
    pub why: String,
}

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

/// The notes while the import runs.
#[derive(Debug, Default)]
struct Notes {
    left_out: Vec<Note>,
    changed: Vec<Note>,
}

impl Notes {
    fn left_out(&mut self, path: &KeyPath, why: impl Into<String>) {
        self.left_out.push(Note { path: path.to_string(), why: why.into() });
    }

    fn changed(&mut self, path: &KeyPath, why: impl Into<String>) {
        self.changed.push(Note { path: path.to_string(), why: why.into() });
    }

    /// Every key of an object that is not among these.
    fn others(&mut self, at: &At<'_>, taken: &[&str], why: impl Fn(&str) -> String) {
        for (key, member) in at.members() {
            if !taken.contains(&key) {
                self.left_out(&member.path, why(key));
            }
        }
    }
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
    insert(&mut config, "env", env(root.get("env").as_ref(), &mut notes));
    let models = providers::models(root.get("models").as_ref(), &mut notes);
    let known = providers::known(models.as_ref());
    insert(&mut config, "agents", agents::agents(root.get("agents").as_ref(), &known, &mut notes));
    insert(&mut config, "models", models);
    insert(&mut config, "plugins", plugins(root.get("plugins").as_ref(), &mut notes));
    insert(&mut config, "tools", tools(root.get("tools").as_ref(), &mut notes));
    let config = settle(Value::Object(config), environment, &mut notes);
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
fn env(at: Option<&At<'_>>, notes: &mut Notes) -> Option<Value> {
    let mut env = Map::new();
    for (key, member) in at?.members() {
        match (key, member.text()) {
            (_, Some(text)) => {
                env.insert(key.to_owned(), json!(text));
            }
            ("vars", None) => {
                let mut vars = Map::new();
                for (key, member) in member.members() {
                    match member.text() {
                        Some(text) => {
                            vars.insert(key.to_owned(), json!(text));
                        }
                        None => notes.left_out(&member.path, "a variable is a string"),
                    }
                }
                insert(&mut env, "vars", Some(Value::Object(vars)));
            }
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

/// Only web search through Kimi.
fn plugins(at: Option<&At<'_>>, notes: &mut Notes) -> Option<Value> {
    let at = at?;
    let why = |_: &str| "Moonrelay has no plugins but Kimi's web search".to_owned();
    notes.others(at, &["entries"], why);
    let entries = at.get("entries")?;
    notes.others(&entries, &["moonshot"], why);
    let moonshot = entries.get("moonshot")?;
    notes.others(&moonshot, &["config"], why);
    let config = moonshot.get("config")?;
    notes.others(&config, &["webSearch"], why);
    let search = config.get("webSearch")?;
    let taken = ["apiKey", "baseUrl", "model"];
    notes.others(&search, &taken, |_| "Kimi's web search has no such setting".to_owned());
    let mut kept = Map::new();
    for key in taken {
        let value = search.get(key).and_then(|at| match key {
            "apiKey" => providers::secret(&at, notes),
            _ => Some(at.node.value.to_json()),
        });
        insert(&mut kept, key, value);
    }
    (!kept.is_empty()).then(|| json!({ "entries": { "moonshot": { "config": { "webSearch": kept } } } }))
}

/// Only who searches.
fn tools(at: Option<&At<'_>>, notes: &mut Notes) -> Option<Value> {
    let at = at?;
    let why = |_: &str| "it belongs to OpenClaw's agent".to_owned();
    notes.others(at, &["web"], why);
    let web = at.get("web")?;
    notes.others(&web, &["search"], why);
    let search = web.get("search")?;
    notes.others(&search, &["provider"], why);
    let provider = search.get("provider")?;
    if provider.text() == Some("kimi") {
        return Some(json!({ "web": { "search": { "provider": "kimi" } } }));
    }
    notes.left_out(&provider.path, "Moonrelay searches through Kimi only");
    None
}

/// Takes out what would make the configuration wrong, one round after the other: what is left may depend on it.
fn settle(mut config: Value, environment: &Environment, notes: &mut Notes) -> Value {
    // Each round takes something out, so it ends; the bound is for a mistake of ours.
    for _ in 0..1_000 {
        let Err(invalid) = from_text(&config.to_string(), None, environment) else { break };
        let Some(issue) = invalid.issues.first() else { break };
        let path = KeyPath::parse(&issue.path).unwrap_or_default();
        notes.left_out.push(Note { path: issue.path.clone(), why: issue.message.clone() });
        if !remove(&mut config, &path.0) {
            return json!({});
        }
    }
    config
}

/// Removes the value at a path; the nearest value above it where it has no such member.
fn remove(value: &mut Value, steps: &[Step]) -> bool {
    match (steps, value) {
        ([Step::Key(key)], Value::Object(object)) => object.shift_remove(key).is_some(),
        ([Step::Index(index)], Value::Array(list)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        ([Step::Key(key), rest @ ..], Value::Object(object)) => {
            object.get_mut(key).is_some_and(|inner| remove(inner, rest)) || object.shift_remove(key).is_some()
        }
        ([Step::Index(index), rest @ ..], Value::Array(list)) => {
            list.get_mut(*index).is_some_and(|inner| remove(inner, rest))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
