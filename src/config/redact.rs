//! The parts of a configuration that may be shown.

use serde_json::{Map, Value};

use super::keypath::{KeyPath, PathSegment};
use super::schema::SchemaNode;

/// Replaces a secret.
const HIDDEN: &str = "***";

/// A value with `***` for its secrets. `schema` is the schema at its path. A string that is only a `${VAR}` is shown.
/// A string where the schema has none may be a misplaced key, so it is hidden. So is the query of a URL.
pub(crate) fn redact_secrets(value: Value, schema: Option<SchemaNode>) -> Value {
    replace_secrets(value, &KeyPath::default(), schema, &mut |_| Value::String(HIDDEN.to_owned()))
}

/// Like [`redact_secrets`], with another replacement for each secret; `with` gets its path.
pub(super) fn replace_secrets(
    value: Value,
    path: &KeyPath,
    schema: Option<SchemaNode>,
    with: &mut dyn FnMut(&KeyPath) -> Value,
) -> Value {
    let is_secret = schema.is_some_and(SchemaNode::is_secret);
    match value {
        Value::String(text) if is_reference(&text) => Value::String(text),
        Value::String(text) if schema.is_some_and(shows_text) => {
            Value::String(if text.contains("://") { redact_url(&text) } else { text })
        }
        Value::String(_) => with(path),
        Value::Number(_) if is_secret => with(path),
        Value::Object(object) if is_secret && is_secret_reference(&object) => Value::Object(object),
        Value::Object(object) => {
            let inner = |key: &str| schema.and_then(|schema| schema.step(&PathSegment::Key(key.to_owned())));
            let member = |(key, value): (String, Value)| {
                let shown = replace_secrets(value, &path.join_key(&key), inner(&key), with);
                (key, shown)
            };
            Value::Object(object.into_iter().map(member).collect())
        }
        Value::Array(list) => {
            let inner = schema.and_then(|schema| schema.step(&PathSegment::Index(0)));
            let element = |(index, value)| replace_secrets(value, &path.join_index(index), inner, with);
            Value::Array(list.into_iter().enumerate().map(element).collect())
        }
        other => other,
    }
}

/// Paths of values that contain a literal key: no `${VAR}` and no secret reference. Headers and variables are included
/// only if their name says that they hold a key.
pub(crate) fn find_literal_secrets(document: &Value, schema: SchemaNode) -> Vec<KeyPath> {
    let mut paths = Vec::new();
    replace_secrets(document.clone(), &KeyPath::default(), Some(schema), &mut |path| {
        paths.push(path.clone());
        Value::Null
    });
    let is_literal = |path: &KeyPath| {
        let text = path.find_in(document).and_then(Value::as_str).unwrap_or_default();
        !text.trim().is_empty() && !text.contains("${")
    };
    paths.retain(|path| {
        schema.at(path).is_some_and(SchemaNode::is_secret) && is_literal(path) && names_a_key(path)
    });
    paths
}

fn names_a_key(path: &KeyPath) -> bool {
    let keys: Vec<String> = path.keys().map(str::to_ascii_lowercase).collect();
    if !keys.iter().any(|key| key == "headers" || key == "env") {
        return true;
    }
    let words = ["key", "token", "secret", "password", "authorization", "cookie"];
    keys.last().is_some_and(|name| words.iter().any(|word| name.contains(word)))
}

/// Whether a string here is not a secret. A string instead of a number or a boolean is shown, as errors show it.
fn shows_text(schema: SchemaNode) -> bool {
    let is_scalar = |branch: SchemaNode| !branch.has_type("object") && !branch.has_type("array");
    !schema.is_secret() && (schema.accepts_anything() || schema.branches().any(is_scalar))
}

/// `${NAME}` and nothing else.
fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| name.bytes().all(|b| b == b'_' || b.is_ascii_uppercase() || b.is_ascii_digit()))
}

/// `{ source, id }` as the configuration defines it; any other object may contain a key.
fn is_secret_reference(object: &Map<String, Value>) -> bool {
    let text = |key| object.get(key).and_then(Value::as_str);
    object.len() == 2
        && text("id").is_some()
        && text("source").is_some_and(|source| ["env", "file", "credential"].contains(&source))
}

/// A URL without its query and without the text before an `@` in front of its host, because users put keys
/// there.
pub(super) fn redact_url(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at(start);
    let (rest, query) = match rest.find(['?', '#']) {
        Some(at) => (rest.get(..at).unwrap_or_default(), "?***"),
        None => (rest, ""),
    };
    // If the text is not a URL, the end of its host is unknown.
    let host = rest.find('/').filter(|_| start > 0).unwrap_or(rest.len());
    match rest.get(..host).and_then(|authority| authority.rfind('@')) {
        Some(at) => format!("{scheme}***{}{query}", rest.get(at..).unwrap_or_default()),
        None => format!("{scheme}{rest}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{find_literal_secrets, redact_secrets};
    use crate::config::schema::root;

    #[test]
    fn strings_at_paths_without_a_schema_are_hidden() {
        let file = json!({ "models": { "providers": {
            "a": { "apikey": "sk-1", "api_key": { "x": ["sk-2", 5] }, "apiKey": { "source": "exec", "id": "sk-3" } },
            "b": "sk-4",
            "c": { "headers": "sk-5", "apiKey": 12_345, "timeoutSeconds": "soon", "Apikey": "${KEY}" },
            "d": { "apiKey": { "source": "file", "id": "/run/key" } },
        } } });
        let shown = json!({ "models": { "providers": {
            "a": { "apikey": "***", "api_key": { "x": ["***", 5] }, "apiKey": { "source": "***", "id": "***" } },
            "b": "***",
            "c": { "headers": "***", "apiKey": "***", "timeoutSeconds": "soon", "Apikey": "${KEY}" },
            "d": { "apiKey": { "source": "file", "id": "/run/key" } },
        } } });
        assert_eq!(redact_secrets(file, Some(root())), shown);
    }

    #[test]
    fn query_and_password_of_a_url_are_hidden() {
        for (url, shown) in [
            ("https://e.example/v1?key=sk-1", "https://e.example/v1?***"),
            ("https://e.example/v1#sk-1", "https://e.example/v1?***"),
            ("https://me:sk-1@e.example/v1/@x", "https://***@e.example/v1/@x"),
            ("https://e.example/v1", "https://e.example/v1"),
        ] {
            let file = json!({ "models": { "providers": { "a": { "baseUrl": url } } } });
            let hidden = redact_secrets(file, Some(root()));
            assert_eq!(hidden["models"]["providers"]["a"]["baseUrl"], json!(shown));
        }
    }

    #[test]
    fn literal_keys_are_found_and_references_are_not() {
        let file = json!({
            "env": { "MOONSHOT_API_KEY": "sk-1", "REGION": "cn", "vars": { "MY_TOKEN": "t" } },
            "models": { "providers": { "a": {
                "apiKey": ["${A}", "sk-2", { "source": "env", "id": "B" }, " "],
                "headers": { "User-Agent": "me/1", "Authorization": "Bearer ${C}", "X-Api-Key": "sk-3" },
                "baseUrl": "https://a.example/v1",
            } } },
            "gateway": { "auth": { "token": "t-1" } },
            "misspelt": "sk-4",
        });
        let found: Vec<String> =
            find_literal_secrets(&file, root()).iter().map(ToString::to_string).collect();
        let expected = [
            "env.MOONSHOT_API_KEY",
            "env.vars.MY_TOKEN",
            "models.providers.a.apiKey[1]",
            "models.providers.a.headers.X-Api-Key",
            "gateway.auth.token",
        ];
        assert_eq!(found, expected);
    }
}
