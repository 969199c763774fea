//! `models`: providers that Moonrelay can speak to.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Notes, insert};
use crate::catalog::{Face, builtin};
use crate::config::file::{At, Value as Raw};
use crate::config::resolve::is_loopback;

/// Settings of a provider that mean the same here.
const SAME: [&str; 7] =
    ["baseUrl", "authHeader", "timeoutSeconds", "contextWindow", "maxTokens", "sanitizeToolCallIds", "api"];

/// Settings of a model that mean the same here.
const SAME_OF_MODEL: [&str; 7] = ["id", "name", "reasoning", "input", "contextWindow", "maxTokens", "params"];

/// Flags of `compat` that mean the same here.
const SAME_OF_COMPAT: [&str; 10] = [
    "supportsDeveloperRole",
    "supportsUsageInStreaming",
    "supportsReasoningEffort",
    "supportsPrefill",
    "supportsStore",
    "supportsStrictMode",
    "supportsTools",
    "requiresStringContent",
    "requiresReasoningContentOnAssistantMessages",
    "maxTokensField",
];

/// `models`, with the providers that can be called.
pub(super) fn models(at: Option<&At<'_>>, notes: &mut Notes) -> Option<Value> {
    let at = at?;
    let mut models = Map::new();
    notes.others(at, &["mode", "providers"], |_| "Moonrelay has no such setting".to_owned());
    insert(&mut models, "mode", at.get("mode").map(|at| at.node.value.to_json()));
    let mut providers = Map::new();
    for (id, at) in at.get("providers").map(|at| at.members()).unwrap_or_default() {
        match refusal(&at) {
            Some(why) => notes.left_out(&at.path, why),
            None => {
                let id = renamed(id).unwrap_or(id);
                let provider = provider(&at, notes);
                providers.insert(id.to_owned(), provider);
            }
        }
    }
    insert(&mut models, "providers", Some(Value::Object(providers)));
    Some(Value::Object(models))
}

/// Ids by which a provider can be named: those of the file, and those of the catalog where it is merged.
pub(super) fn known(models: Option<&Value>) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let replaces = models.and_then(|models| models.get("mode")).and_then(Value::as_str) == Some("replace");
    for provider in builtin().providers.iter().filter(|_| !replaces) {
        known.insert(provider.id.clone());
        known.extend(provider.aliases.iter().cloned());
    }
    let providers = models.and_then(|models| models.get("providers")).and_then(Value::as_object);
    known.extend(providers.into_iter().flat_map(|providers| providers.keys().map(|id| id.to_lowercase())));
    known
}

/// Ids of OpenClaw that the catalog has under another one.
pub(super) fn renamed(id: &str) -> Option<&'static str> {
    matches!(id, "moonshotai" | "moonshot-ai").then_some("moonshot")
}

/// Why a provider cannot be called from here.
fn refusal(at: &At<'_>) -> Option<String> {
    let text = |key| at.get(key).and_then(|at| at.text());
    if let Some(api) = text("api").filter(|api| Face::from_api(api).is_none()) {
        return Some(format!("Moonrelay does not speak {api}"));
    }
    if let Some(auth) = text("auth").filter(|auth| !matches!(*auth, "api-key" | "token")) {
        return Some(format!("Moonrelay takes keys and tokens, not auth \"{auth}\""));
    }
    at.get("localService").map(|_| "Moonrelay does not start model servers".to_owned())
}

fn provider(at: &At<'_>, notes: &mut Notes) -> Value {
    let mut provider = Map::new();
    for key in SAME {
        insert(&mut provider, key, at.get(key).map(|at| at.node.value.to_json()));
    }
    insert(&mut provider, "auth", at.get("auth").map(|at| at.node.value.to_json()));
    insert(&mut provider, "apiKey", at.get("apiKey").and_then(|at| secret(&at, notes)));
    insert(&mut provider, "headers", at.get("headers").map(|at| headers(&at, notes)));
    if let Some(base) = at.get("baseUrl").filter(|base| base.text().is_some_and(is_clear_text)) {
        provider.insert("allowInsecure".to_owned(), json!(true));
        notes.changed(&base.path, "allowInsecure: true was added, as the address is plain http");
    }
    let rows: Vec<Value> = at
        .get("models")
        .map(|at| at.elements())
        .unwrap_or_default()
        .iter()
        .map(|row| model(row, notes))
        .collect();
    if !rows.is_empty() {
        provider.insert("models".to_owned(), Value::Array(rows));
    }
    let taken: Vec<&str> = SAME.into_iter().chain(["auth", "apiKey", "headers", "models"]).collect();
    notes.others(at, &taken, |key| match key {
        "contextTokens" => "set contextWindow instead".to_owned(),
        "params" => "parameters stand at a model: models[].params".to_owned(),
        "request" => "set headers or baseUrl instead".to_owned(),
        _ => "Moonrelay has no such setting".to_owned(),
    });
    Value::Object(provider)
}

/// Whether a key would cross the network unencrypted.
fn is_clear_text(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
}

fn model(at: &At<'_>, notes: &mut Notes) -> Value {
    let mut model = Map::new();
    for key in SAME_OF_MODEL {
        insert(&mut model, key, at.get(key).map(|at| at.node.value.to_json()));
    }
    insert(&mut model, "headers", at.get("headers").map(|at| headers(&at, notes)));
    if let Some(cost) = at.get("cost") {
        insert(
            &mut model,
            "cost",
            Some(some_of(&cost, &["input", "output", "cacheRead", "cacheWrite"], notes)),
        );
    }
    if let Some(compat) = at.get("compat") {
        insert(&mut model, "compat", Some(some_of(&compat, &SAME_OF_COMPAT, notes)));
    }
    let taken: Vec<&str> = SAME_OF_MODEL.into_iter().chain(["headers", "cost", "compat"]).collect();
    notes.others(at, &taken, |key| match key {
        "api" | "baseUrl" => "one provider has one address: make a second provider for this model".to_owned(),
        "contextTokens" => "set contextWindow instead".to_owned(),
        _ => "Moonrelay has no such setting".to_owned(),
    });
    Value::Object(model)
}

/// These keys of an object; the others are named.
fn some_of(at: &At<'_>, keys: &[&str], notes: &mut Notes) -> Value {
    notes.others(at, keys, |_| "Moonrelay has no such setting".to_owned());
    let mut kept = Map::new();
    for key in keys {
        insert(&mut kept, key, at.get(key).map(|at| at.node.value.to_json()));
    }
    Value::Object(kept)
}

fn headers(at: &At<'_>, notes: &mut Notes) -> Value {
    let mut headers = Map::new();
    for (name, at) in at.members() {
        insert(&mut headers, name, secret(&at, notes));
    }
    Value::Object(headers)
}

/// A string, or a SecretRef to the environment; other references lead to stores that only OpenClaw reads.
pub(super) fn secret(at: &At<'_>, notes: &mut Notes) -> Option<Value> {
    if at.text().is_some() || !matches!(at.node.value, Raw::Object(_)) {
        return Some(at.node.value.to_json());
    }
    let text = |key| at.get(key).and_then(|at| at.text());
    match (text("source"), text("id")) {
        (Some("env"), Some(id)) => Some(json!({ "source": "env", "id": id })),
        (source, _) => {
            let source = source.unwrap_or("unknown");
            let why =
                format!("a secret of source \"{source}\" is OpenClaw's own: put it into a file or variable");
            notes.left_out(&at.path, why);
            None
        }
    }
}
