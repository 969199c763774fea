//! Converts an `openclaw.json`: models, `agents.defaults`, `env` and web search are imported; every other key is
//! reported with the reason.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::environment::Environment;
use super::file::{ConfigError, Issue, Tree};
use super::keypath::{KeyPath, PathSegment};
use super::load::from_text;
use super::redact::redact_secrets;
use super::resolve::is_loopback;
use super::schema::{self, SchemaNode};
use crate::protocol::api::Api;

/// The result of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportResult {
    /// The new configuration. It is valid.
    pub config: Value,
    /// Keys and references that are not in it.
    pub skipped: Vec<ImportNote>,
    /// Values that were changed.
    pub changed: Vec<ImportNote>,
}

/// A difference between the old file and the new configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportNote {
    /// Path in the old file.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Imports an `openclaw.json`. What would make the new configuration invalid is left out.
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
    let Value::Object(old) = tree.root.value.to_json() else {
        let message = format!("expected an object, found {}", tree.root.value.type_name());
        return Err(invalid(Issue::at_root(message, (1, 1))));
    };
    let mut import = Import::default();
    let mut config = Value::Object(import.copy_members(&old, schema::root(), &KeyPath::default()));
    let chain = take_chain(&mut config);
    import.prune_invalid(&mut config, environment);
    if let Some(chain) = chain {
        import.add_chain(chain, &mut config, environment);
    }
    Ok(ImportResult { config, skipped: import.skipped, changed: import.changed })
}

/// The notes of an import.
#[derive(Default)]
struct Import {
    skipped: Vec<ImportNote>,
    changed: Vec<ImportNote>,
}

impl Import {
    fn skip(&mut self, path: &KeyPath, reason: impl Into<String>) {
        self.skipped.push(ImportNote { path: path.to_string(), reason: reason.into() });
    }

    fn change(&mut self, path: &KeyPath, reason: impl Into<String>) {
        self.changed.push(ImportNote { path: path.to_string(), reason: reason.into() });
    }

    /// The value with the keys that the schema has. Values of a wrong type are left for [`Import::prune_invalid`].
    fn copy(&mut self, value: &Value, schema: SchemaNode, path: &KeyPath) -> Option<Value> {
        if schema.accepts_anything() {
            return Some(value.clone());
        }
        if schema.is_secret() {
            return self.copy_secret(value, path);
        }
        let names = key_names(path);
        match value {
            Value::Object(old) => {
                let Some(branch) = schema.branches().find(|branch| branch.has_type("object")) else {
                    return Some(value.clone());
                };
                let is_provider = matches!(names[..], ["models", "providers", _]);
                let object = match is_provider {
                    true => self.copy_provider(old, branch, path)?,
                    false => self.copy_members(old, branch, path),
                };
                let is_entry = is_provider
                    || matches!(names[..], ["agents", "defaults", "models", _])
                    || matches!(path.0.last(), Some(PathSegment::Index(_)));
                let is_kept = is_entry || old.is_empty() || !object.is_empty();
                is_kept.then_some(Value::Object(object))
            }
            Value::Array(old) => {
                let Some(items) = schema.branches().find_map(SchemaNode::items) else {
                    return Some(value.clone());
                };
                let elements = old.iter().enumerate();
                let copied = elements.filter_map(|(at, old)| self.copy(old, items, &path.join_index(at)));
                Some(copied.collect())
            }
            other => Some(other.clone()),
        }
    }

    /// Providers and references get the catalog's ids. Of two names for one of them the first is kept.
    fn copy_members(
        &mut self,
        old: &Map<String, Value>,
        schema: SchemaNode,
        path: &KeyPath,
    ) -> Map<String, Value> {
        let renamed = match key_names(path)[..] {
            ["models", "providers"] => Some("provider"),
            ["agents", "defaults", "models"] => Some("model"),
            _ => None,
        };
        let mut object = Map::new();
        let mut names: Vec<(String, &str)> = Vec::new();
        for (key, value) in old {
            let path = path.join_key(key);
            let Some(schema) = schema.member(key).filter(|_| is_imported(&path)) else {
                // Both have `$schema`, for editors.
                if key != "$schema" {
                    self.skip(&path, skip_reason(&path));
                }
                continue;
            };
            let canonical = canonical_name(key);
            let first = names.iter().find(|(known, _)| *known == canonical);
            if let (Some(what), Some((_, first))) = (renamed, first) {
                self.skip(&path, format!("it is the same {what} as {first}, which comes first"));
                continue;
            }
            let Some(copied) = self.copy(value, schema, &path) else { continue };
            let name = if renamed.is_some() { self.rename(key, &path) } else { key.clone() };
            object.insert(name, copied);
            names.push((canonical, key));
        }
        object
    }

    /// A string, a reference to the environment, or a list of them. Other references lead to stores of OpenClaw.
    fn copy_secret(&mut self, value: &Value, path: &KeyPath) -> Option<Value> {
        match value {
            Value::Array(list) => {
                let elements = list.iter().enumerate();
                let kept = elements.filter_map(|(at, value)| self.copy_secret(value, &path.join_index(at)));
                Some(kept.collect::<Value>()).filter(|kept| *kept != json!([]))
            }
            Value::Object(object) if !matches!(key_names(path).as_slice(), ["env", ..]) => {
                let text = |key| object.get(key).and_then(Value::as_str);
                if let (Some("env"), Some(id)) = (text("source"), text("id")) {
                    return Some(json!({ "source": "env", "id": id }));
                }
                let source = text("source").unwrap_or("unknown");
                let why = "is OpenClaw's own: put it into a file or variable";
                self.skip(path, format!("a secret of source \"{source}\" {why}"));
                None
            }
            other => Some(other.clone()),
        }
    }

    /// `None`, with a note, if Moonrelay cannot call the provider.
    fn copy_provider(
        &mut self,
        old: &Map<String, Value>,
        schema: SchemaNode,
        path: &KeyPath,
    ) -> Option<Map<String, Value>> {
        if let Some(reason) = unsupported_reason(old) {
            self.skip(path, reason);
            return None;
        }
        let mut provider = self.copy_members(old, schema, path);
        if has_lost_key(old, &provider) {
            self.require_key(&mut provider, path);
        }
        let base = old.get("baseUrl").and_then(Value::as_str).and_then(|base| url::Url::parse(base).ok());
        if base.is_some_and(|base| base.scheme() == "http" && !is_loopback(&base)) {
            provider.insert("allowInsecure".to_owned(), json!(true));
            self.change(
                &path.join_key("baseUrl"),
                "allowInsecure: true was added, because the URL is plain http",
            );
        }
        Some(provider)
    }

    /// Without a key and without `auth` a provider counts as one that needs no key, and is called.
    fn require_key(&mut self, provider: &mut Map<String, Value>, path: &KeyPath) {
        if !provider.contains_key("auth") {
            provider.insert("auth".to_owned(), json!("api-key"));
            let reason =
                "auth: \"api-key\" was added, because its key was left out: it is disabled until it has one";
            self.change(path, reason);
        }
    }

    /// A provider or a reference with the catalog's id of the provider.
    fn rename(&mut self, text: &str, path: &KeyPath) -> String {
        let provider = text.split('/').next().unwrap_or(text).to_lowercase();
        if catalog_id(&provider).is_none() {
            return text.to_owned();
        }
        let renamed = canonical_name(text);
        self.change(path, format!("{text} is {renamed} now"));
        renamed
    }

    /// Removes one invalid value at a time, because the others may depend on it.
    fn prune_invalid(&mut self, config: &mut Value, environment: &Environment) {
        // Each round removes a value, so it ends; the limit is for a bug.
        for _ in 0..10_000 {
            let Err(invalid) = from_text(&config.to_string(), None, environment) else { return };
            let Some(issue) = invalid.issues.first() else { return };
            let path = KeyPath::parse(&issue.path).unwrap_or_default();
            let reason = redacted_message(issue, &path, config);
            let Some(depth) = remove_nearest(config, &path.0) else {
                self.skip(&KeyPath::default(), format!("{path}: {reason}"));
                *config = json!({});
                return;
            };
            let removed = KeyPath(path.0.iter().take(depth).cloned().collect());
            let reason = if removed == path { reason } else { format!("{path}: {reason}") };
            self.skip(&removed, reason);
            self.disable_provider(config, &path);
        }
    }

    /// Disables a provider whose key was removed.
    fn disable_provider(&mut self, config: &mut Value, removed: &KeyPath) {
        let ["models", "providers", id, "apiKey", ..] = key_names(removed)[..] else { return };
        let provider = config.pointer_mut("/models/providers").and_then(|providers| providers.get_mut(id));
        if let Some(provider) =
            provider.and_then(Value::as_object_mut).filter(|at| !at.contains_key("apiKey"))
        {
            self.require_key(provider, &KeyPath::from_keys(&["models", "providers", id]));
        }
    }

    /// Adds the valid references of a chain. If the primary is invalid, the first valid fallback replaces it.
    fn add_chain(&mut self, chain: Value, config: &mut Value, environment: &Environment) {
        let Ok(settings) = from_text(&config.to_string(), None, environment) else { return };
        let path = KeyPath::from_keys(&["agents", "defaults", "model"]);
        let primary_path = path.join_key("primary");
        let mut names: Vec<(KeyPath, &Value)> = match chain.is_string() {
            true => vec![(path.clone(), &chain)],
            false => chain.get("primary").map(|name| (primary_path.clone(), name)).into_iter().collect(),
        };
        let path = path.join_key("fallbacks");
        let fallbacks = match chain.get("fallbacks") {
            Some(Value::Array(list)) => list.as_slice(),
            Some(other) => {
                let found = if other.is_string() { "a string" } else { "another value" };
                self.skip(&path, format!("expected a list, found {found}"));
                &[]
            }
            None => &[],
        };
        names.extend(fallbacks.iter().enumerate().map(|(index, name)| (path.join_index(index), name)));
        let mut valid: Vec<(KeyPath, String)> = Vec::new();
        for (path, name) in names {
            let Some(name) = name.as_str() else {
                self.skip(&path, "expected a string");
                continue;
            };
            let is_alias = settings.aliases.contains_key(&name.to_lowercase());
            let renamed = if is_alias { name.to_owned() } else { self.rename(name, &path) };
            match settings.parse_reference(&renamed) {
                Err(reason) if !is_alias => {
                    let is_named = reason.contains(name);
                    self.skip(&path, if is_named { reason } else { format!("{name}: {reason}") });
                }
                _ => valid.push((path, renamed)),
            }
        }
        let Some(((first_path, primary), others)) = valid.split_first() else { return };
        if chain.is_object() && *first_path != primary_path {
            self.change(&primary_path, format!("{primary}, the first valid fallback, is the primary now"));
        }
        let others: Vec<&String> = others.iter().map(|(_, name)| name).collect();
        let model = match (chain.is_string(), fallbacks.is_empty()) {
            (true, _) => json!(primary),
            (false, true) => json!({ "primary": primary }),
            (false, false) => json!({ "primary": primary, "fallbacks": others }),
        };
        config["agents"]["defaults"]["model"] = model;
    }
}

/// Removes the chain from the configuration: its references are checked at the end.
fn take_chain(config: &mut Value) -> Option<Value> {
    let defaults = config.pointer_mut("/agents/defaults")?.as_object_mut()?;
    defaults.get("model").filter(|model| model.is_object() || model.is_string())?;
    defaults.shift_remove("model")
}

fn key_names(path: &KeyPath) -> Vec<&str> {
    path.keys().collect()
}

/// Whether a setting means the same in OpenClaw.
fn is_imported(path: &KeyPath) -> bool {
    match key_names(path).as_slice() {
        [section] => ["env", "agents", "models", "plugins", "tools"].contains(section),
        ["env", "shellEnv"] => false,
        ["agents", "defaults", "models", name] => !name.ends_with("/*"),
        _ => true,
    }
}

fn skip_reason(path: &KeyPath) -> &'static str {
    match key_names(path).as_slice() {
        ["$include"] => "included files are not read: import the merged file",
        ["gateway"] => "Moonrelay's gateway has its own port, bind and tokens",
        ["channels" | "messages" | "commands" | "bindings" | "broadcast"] => "Moonrelay has no chat channels",
        ["auth" | "secrets"] => {
            "keys of auth profiles are not in this file: set them in `env` or the secrets file"
        }
        ["cron" | "hooks" | "skills" | "browser" | "talk" | "media" | "memory"] => {
            "it belongs to OpenClaw's agent"
        }
        ["logging" | "diagnostics"] => "Moonrelay logs to the journal; see `logging`",
        ["meta" | "wizard" | "update" | "ui"] => "it is OpenClaw's own state",
        ["env", "shellEnv"] => "no login shell is started: put the variables into the secrets file",
        ["agents", _] => "Moonrelay has one agent: `agents.defaults`",
        ["agents", "defaults", "timeoutSeconds"] => "set failover.timeouts.totalSeconds instead",
        ["agents", "defaults", "models", _] => "Moonrelay has no list of allowed models",
        ["agents", "defaults", _] | ["tools", ..] => "it belongs to OpenClaw's agent",
        ["models", "providers", _, "request"] => "set headers or baseUrl instead",
        ["models", "providers", _, "params"] => "set the parameters of a model instead: models[].params",
        ["models", "providers", _, "models", "api" | "baseUrl"] => {
            "a provider has one address: add a second provider for this model"
        }
        ["models", "providers", _, "contextTokens"]
        | ["models", "providers", _, "models", "contextTokens"] => "set contextWindow instead",
        ["plugins", ..] => "Moonrelay has no plugins but Kimi's web search",
        _ => "Moonrelay has no such setting",
    }
}

/// The catalog's id of a provider that has another id in OpenClaw.
fn catalog_id(id: &str) -> Option<&'static str> {
    matches!(id, "moonshotai" | "moonshot-ai").then_some("moonshot")
}

/// A provider or a reference, with the provider in lower case and under the catalog's id. The case of model ids counts,
/// because a provider may accept any.
fn canonical_name(text: &str) -> String {
    let (provider, model) = text.split_at(text.find('/').unwrap_or(text.len()));
    let provider = provider.to_lowercase();
    format!("{}{model}", catalog_id(&provider).unwrap_or(&provider))
}

/// Why Moonrelay cannot call a provider.
fn unsupported_reason(old: &Map<String, Value>) -> Option<String> {
    let text = |key| old.get(key).and_then(Value::as_str);
    if let Some(api) = text("api").filter(|api| Api::from_name(api).is_none()) {
        return Some(format!("Moonrelay does not support the API {api}"));
    }
    if let Some(auth) = text("auth").filter(|auth| !matches!(*auth, "api-key" | "token")) {
        let login = if auth == "oauth" { "; for Kimi Code there is a login: moonrelay login" } else { "" };
        return Some(format!("Moonrelay accepts keys and tokens, not auth \"{auth}\"{login}"));
    }
    old.get("localService").map(|_| "Moonrelay does not start model servers".to_owned())
}

/// Whether the old provider sends a key that was not imported.
fn has_lost_key(old: &Map<String, Value>, provider: &Map<String, Value>) -> bool {
    let kept = provider.get("headers");
    let mut headers = old.get("headers").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    let has_lost_header = headers.any(|name| {
        let holds_key = ["authorization", "x-api-key", "api-key"].contains(&&*name.to_lowercase());
        holds_key && kept.and_then(|kept| kept.get(name)).is_none()
    });
    let has_auth = old.get("request").is_some_and(|request| request.get("auth").is_some());
    !provider.contains_key("apiKey") && (old.contains_key("apiKey") || has_auth || has_lost_header)
}

/// The message of an error, without what may be a key.
fn redacted_message(issue: &Issue, path: &KeyPath, config: &Value) -> String {
    let Some(value @ Value::String(text)) = path.find_in(config) else { return issue.message.clone() };
    match redact_secrets(value.clone(), schema::root().at(path)) {
        Value::String(shown) if !text.is_empty() => {
            issue.message.replace(&format!("\"{text}\""), &format!("\"{shown}\""))
        }
        _ => issue.message.clone(),
    }
}

/// Removes the value at a path, or the nearest one above it. Returns the depth of what was removed.
fn remove_nearest(value: &mut Value, steps: &[PathSegment]) -> Option<usize> {
    let (first, rest) = steps.split_first()?;
    let inner = match (first, &mut *value) {
        (PathSegment::Key(key), Value::Object(object)) => object.get_mut(key),
        (PathSegment::Index(index), Value::Array(list)) => list.get_mut(*index),
        _ => None,
    }?;
    if let Some(removed) = remove_nearest(inner, rest) {
        return Some(removed + 1);
    }
    match (first, value) {
        (PathSegment::Key(key), Value::Object(object)) => object.shift_remove(key).map(drop)?,
        (PathSegment::Index(index), Value::Array(list)) => drop(list.remove(*index)),
        _ => return None,
    }
    Some(1)
}

#[cfg(test)]
mod tests;
