//! `models`: providers that Moonrelay can speak to.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::insert_non_empty;
use super::notes::ImportNotes;
use crate::catalog::builtin_catalog;
use crate::config::file::{Cursor, NodeValue as Raw};
use crate::config::keypath::{KeyPath, PathSegment};
use crate::config::resolve::is_loopback;
use crate::protocol::api::Api;

/// Settings of a provider that mean the same here.
const SHARED_PROVIDER_KEYS: [&str; 7] =
    ["baseUrl", "authHeader", "timeoutSeconds", "contextWindow", "maxTokens", "sanitizeToolCallIds", "api"];

/// Settings of a model that mean the same here.
const SHARED_MODEL_KEYS: [&str; 7] =
    ["id", "name", "reasoning", "input", "contextWindow", "maxTokens", "params"];

/// Flags of `compat` that mean the same here.
const SHARED_COMPAT_KEYS: [&str; 10] = [
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
pub(super) fn import_models(at: Option<Cursor<'_>>, notes: &mut ImportNotes) -> Option<Value> {
    let at = notes.expect_object(at)?;
    let mut models = Map::new();
    notes.skip_others(&at, &["mode", "providers"], |_| "Moonrelay has no such setting".to_owned());
    insert_non_empty(&mut models, "mode", at.get("mode").map(|at| at.node.value.to_json()));
    let mut providers = Map::new();
    let listed = notes.expect_object(at.get("providers")).map(|at| at.members()).unwrap_or_default();
    // The id in lower case, as references name it, and as it is written.
    let mut ids: Vec<(String, &str)> = Vec::new();
    for (written, at) in listed {
        let Some(at) = notes.expect_object(Some(at)) else { continue };
        if let Some(why) = unsupported_reason(&at) {
            notes.record_skipped(&at.path, why);
            continue;
        }
        let lower = written.to_lowercase();
        let new = catalog_id(&lower);
        let id = new.map_or(lower, str::to_owned);
        if let Some((_, first)) = ids.iter().find(|(known, _)| *known == id) {
            notes.record_skipped(&at.path, format!("it is the same provider as {first}, which stands first"));
            continue;
        }
        if let Some(new) = new {
            notes.record_changed(&at.path, format!("{written} is {new} now"));
        }
        providers.insert(new.unwrap_or(written).to_owned(), import_provider(&at, notes));
        ids.push((id, written));
    }
    insert_non_empty(&mut models, "providers", Some(Value::Object(providers)));
    Some(Value::Object(models))
}

/// Ids by which a provider can be named: those of the file, and those of the catalog where it is merged.
pub(super) fn known_provider_ids(models: Option<&Value>) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let replaces = models.and_then(|models| models.get("mode")).and_then(Value::as_str) == Some("replace");
    for provider in builtin_catalog().providers.iter().filter(|_| !replaces) {
        known.insert(provider.id.clone());
        known.extend(provider.aliases.iter().cloned());
    }
    let providers = models.and_then(|models| models.get("providers")).and_then(Value::as_object);
    known.extend(providers.into_iter().flat_map(|providers| providers.keys().map(|id| id.to_lowercase())));
    known
}

/// Provider ids of OpenClaw that the catalog has under another id.
pub(super) fn catalog_id(id: &str) -> Option<&'static str> {
    matches!(id, "moonshotai" | "moonshot-ai").then_some("moonshot")
}

/// Why a provider cannot be called from here.
fn unsupported_reason(at: &Cursor<'_>) -> Option<String> {
    let text = |key| at.get(key).and_then(|at| at.as_str());
    if let Some(api) = text("api").filter(|api| Api::from_name(api).is_none()) {
        return Some(format!("Moonrelay does not speak {api}"));
    }
    if let Some(auth) = text("auth").filter(|auth| !matches!(*auth, "api-key" | "token")) {
        let login = if auth == "oauth" { "; for Kimi Code there is a login: moonrelay login" } else { "" };
        return Some(format!("Moonrelay takes keys and tokens, not auth \"{auth}\"{login}"));
    }
    at.get("localService").map(|_| "Moonrelay does not start model servers".to_owned())
}

fn import_provider(at: &Cursor<'_>, notes: &mut ImportNotes) -> Value {
    let mut provider = Map::new();
    for key in SHARED_PROVIDER_KEYS {
        insert_non_empty(&mut provider, key, at.get(key).map(|at| at.node.value.to_json()));
    }
    insert_non_empty(&mut provider, "auth", at.get("auth").map(|at| at.node.value.to_json()));
    insert_non_empty(&mut provider, "apiKey", at.get("apiKey").and_then(|at| import_secret(&at, notes)));
    insert_non_empty(
        &mut provider,
        "headers",
        notes.expect_object(at.get("headers")).map(|at| import_headers(&at, notes)),
    );
    if has_lost_key(at, &provider) {
        require_key(&mut provider, &at.path, notes);
    }
    if let Some(base) = at.get("baseUrl").filter(|base| base.as_str().is_some_and(is_cleartext_url)) {
        provider.insert("allowInsecure".to_owned(), json!(true));
        notes.record_changed(&base.path, "allowInsecure: true was added, as the address is plain http");
    }
    let mut rows = Vec::new();
    for row in notes.expect_list(at.get("models")) {
        rows.extend(notes.expect_object(Some(row)).map(|row| import_model(&row, notes)));
    }
    if !rows.is_empty() {
        provider.insert("models".to_owned(), Value::Array(rows));
    }
    let taken: Vec<&str> =
        SHARED_PROVIDER_KEYS.into_iter().chain(["auth", "apiKey", "headers", "models"]).collect();
    notes.skip_others(at, &taken, |key| match key {
        "contextTokens" => "set contextWindow instead".to_owned(),
        "params" => "parameters stand at a model: models[].params".to_owned(),
        "request" => "set headers or baseUrl instead".to_owned(),
        _ => "Moonrelay has no such setting".to_owned(),
    });
    Value::Object(provider)
}

/// Whether the old provider sends a key that did not come along.
fn has_lost_key(at: &Cursor<'_>, provider: &Map<String, Value>) -> bool {
    let lost = |key: &str, member: &str| {
        at.get_path(&[key, member]).is_some()
            && provider.get(key).is_none_or(|inner| inner.get(member).is_none())
    };
    let holds_key =
        |name: &str| ["authorization", "x-api-key", "api-key"].contains(&name.to_lowercase().as_str());
    let lost_header = || {
        let names = at.get("headers").map(|at| at.members()).unwrap_or_default();
        names.iter().any(|(name, _)| holds_key(name) && lost("headers", name))
    };
    let is_left = !provider.contains_key("apiKey");
    is_left && (at.get("apiKey").is_some() || at.get_path(&["request", "auth"]).is_some() || lost_header())
}

/// Without a key and without this a provider counts as one that needs none, and is called.
fn require_key(provider: &mut Map<String, Value>, path: &KeyPath, notes: &mut ImportNotes) {
    if !provider.contains_key("auth") {
        provider.insert("auth".to_owned(), json!("api-key"));
        notes.record_changed(
            path,
            "auth: \"api-key\" was added, as its key is left out: it is off until it has one",
        );
    }
}

/// As [`need_key`], for a provider whose key was taken out of the new configuration.
pub(super) fn disable_provider(config: &mut Value, removed: &KeyPath, notes: &mut ImportNotes) {
    let [
        PathSegment::Key(models),
        PathSegment::Key(providers),
        PathSegment::Key(id),
        PathSegment::Key(key),
        ..,
    ] = removed.0.as_slice()
    else {
        return;
    };
    if models != "models" || providers != "providers" || key != "apiKey" {
        return;
    }
    let provider = config.get_mut(models).and_then(|models| models.get_mut(providers)?.get_mut(id));
    if let Some(provider) = provider.and_then(Value::as_object_mut).filter(|at| !at.contains_key("apiKey")) {
        let path = KeyPath::default().join_key(models).join_key(providers).join_key(id);
        require_key(provider, &path, notes);
    }
}

/// Whether a key would cross the network unencrypted.
fn is_cleartext_url(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
}

fn import_model(at: &Cursor<'_>, notes: &mut ImportNotes) -> Value {
    let mut model = Map::new();
    for key in SHARED_MODEL_KEYS {
        insert_non_empty(&mut model, key, at.get(key).map(|at| at.node.value.to_json()));
    }
    insert_non_empty(
        &mut model,
        "headers",
        notes.expect_object(at.get("headers")).map(|at| import_headers(&at, notes)),
    );
    if let Some(cost) = notes.expect_object(at.get("cost")) {
        insert_non_empty(
            &mut model,
            "cost",
            Some(copy_keys(&cost, &["input", "output", "cacheRead", "cacheWrite"], notes)),
        );
    }
    if let Some(compat) = notes.expect_object(at.get("compat")) {
        insert_non_empty(&mut model, "compat", Some(copy_keys(&compat, &SHARED_COMPAT_KEYS, notes)));
    }
    let taken: Vec<&str> = SHARED_MODEL_KEYS.into_iter().chain(["headers", "cost", "compat"]).collect();
    notes.skip_others(at, &taken, |key| match key {
        "api" | "baseUrl" => "one provider has one address: make a second provider for this model".to_owned(),
        "contextTokens" => "set contextWindow instead".to_owned(),
        _ => "Moonrelay has no such setting".to_owned(),
    });
    Value::Object(model)
}

/// These keys of an object; the others are named.
fn copy_keys(at: &Cursor<'_>, keys: &[&str], notes: &mut ImportNotes) -> Value {
    notes.skip_others(at, keys, |_| "Moonrelay has no such setting".to_owned());
    let mut kept = Map::new();
    for key in keys {
        insert_non_empty(&mut kept, key, at.get(key).map(|at| at.node.value.to_json()));
    }
    Value::Object(kept)
}

fn import_headers(at: &Cursor<'_>, notes: &mut ImportNotes) -> Value {
    let mut headers = Map::new();
    for (name, at) in at.members() {
        insert_non_empty(&mut headers, name, import_secret(&at, notes));
    }
    Value::Object(headers)
}

/// A string, a SecretRef to the environment, or a list of them; other references lead to stores that only OpenClaw
/// reads.
pub(super) fn import_secret(at: &Cursor<'_>, notes: &mut ImportNotes) -> Option<Value> {
    let text = |key| at.get(key).and_then(|at| at.as_str());
    match &at.node.value {
        Raw::Text(text) => Some(json!(text)),
        Raw::List(_) => {
            let kept: Vec<Value> = at.elements().iter().filter_map(|at| import_secret(at, notes)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Raw::Object(_) => match (text("source"), text("id")) {
            (Some("env"), Some(id)) => Some(json!({ "source": "env", "id": id })),
            (source, _) => {
                let source = source.unwrap_or("unknown");
                let why = format!(
                    "a secret of source \"{source}\" is OpenClaw's own: put it into a file or variable"
                );
                notes.record_skipped(&at.path, why);
                None
            }
        },
        _ => {
            notes.record_wrong_type(at, "a string or { source, id }");
            None
        }
    }
}
