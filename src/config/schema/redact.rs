//! The parts of a configuration that may be shown.

use serde_json::{Map, Value};

use super::ValueShape;
use crate::config::keypath::{KeyPath, PathSegment};

/// Replaces a secret.
const HIDDEN: &str = "***";

/// The value at a place of the table with `***` for its secrets; a string that is only a `${VAR}` is none. A string
/// where the table has no string may be a key at a mistyped place, so it is hidden too; of URLs the query is.
#[must_use]
pub fn redact_secrets(value: Value, shape: Option<&'static ValueShape>) -> Value {
    replace_secrets(value, &KeyPath::default(), shape, &mut |_| Value::String(HIDDEN.to_owned()))
}

/// As [`hide_secrets`], with something else in place of each secret; `with` gets its path.
pub(in crate::config) fn replace_secrets(
    value: Value,
    path: &KeyPath,
    shape: Option<&'static ValueShape>,
    with: &mut dyn FnMut(&KeyPath) -> Value,
) -> Value {
    let is_secret = shape.is_some_and(ValueShape::is_secret);
    match value {
        Value::String(text) if is_reference(&text) => Value::String(text),
        Value::String(text) if shape.is_some_and(shows_text) => {
            Value::String(if text.contains("://") { redact_url(&text) } else { text })
        }
        Value::String(_) => with(path),
        Value::Number(_) if is_secret => with(path),
        Value::Object(object) if is_secret && is_secret_reference(&object) => Value::Object(object),
        Value::Object(object) => {
            let inner = |key: &str| shape.and_then(|shape| shape.step(&PathSegment::Key(key.to_owned())));
            let member = |(key, value): (String, Value)| {
                let shown = replace_secrets(value, &path.join_key(&key), inner(&key), with);
                (key, shown)
            };
            Value::Object(object.into_iter().map(member).collect())
        }
        Value::Array(list) => {
            let inner = shape.and_then(|shape| shape.step(&PathSegment::Index(0)));
            let element = |(index, value)| replace_secrets(value, &path.join_index(index), inner, with);
            Value::Array(list.into_iter().enumerate().map(element).collect())
        }
        other => other,
    }
}

/// Paths of values that contain a literal key: neither a `${VAR}`, which may have text around it, nor a
/// SecretRef. Headers and variables are included only if their name says that they hold a key.
#[must_use]
pub fn find_literal_secrets(document: &Value, shape: &'static ValueShape) -> Vec<KeyPath> {
    let mut places = Vec::new();
    replace_secrets(document.clone(), &KeyPath::default(), Some(shape), &mut |place| {
        places.push(place.clone());
        Value::Null
    });
    let is_literal = |place: &KeyPath| {
        let value = place.0.iter().try_fold(document, |value, step| match step {
            PathSegment::Key(key) => value.get(key),
            PathSegment::Index(index) => value.get(index),
        });
        let text = value.and_then(Value::as_str).unwrap_or_default();
        !text.trim().is_empty() && !text.contains("${")
    };
    places.retain(|place| {
        shape.shape_at(place).is_some_and(ValueShape::is_secret) && is_literal(place) && names_a_key(place)
    });
    places
}

fn names_a_key(place: &KeyPath) -> bool {
    let keys = place.0.iter().filter_map(|step| match step {
        PathSegment::Key(key) => Some(key.to_ascii_lowercase()),
        PathSegment::Index(_) => None,
    });
    let keys: Vec<String> = keys.collect();
    if !keys.iter().any(|key| key == "headers" || key == "env") {
        return true;
    }
    let telling = ["key", "token", "secret", "password", "authorization", "cookie"];
    keys.last().is_some_and(|name| telling.iter().any(|word| name.contains(word)))
}

/// Whether a string here is not a secret. A string in place of a number or a flag is shown, as errors show it.
const fn shows_text(shape: &ValueShape) -> bool {
    match shape {
        ValueShape::Anything
        | ValueShape::Flag
        | ValueShape::Text
        | ValueShape::Whole { .. }
        | ValueShape::Amount
        | ValueShape::Choice(_)
        | ValueShape::TextOr(_) => true,
        ValueShape::OrNull(inner) => shows_text(inner),
        ValueShape::Secret
        | ValueShape::Secrets
        | ValueShape::Object(_)
        | ValueShape::Map { .. }
        | ValueShape::Variables
        | ValueShape::List(_) => false,
    }
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
pub(in crate::config) fn redact_url(text: &str) -> String {
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
    use crate::config::schema::ROOT;

    #[test]
    fn strings_at_places_that_the_table_does_not_have_are_hidden() {
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
        assert_eq!(redact_secrets(file, Some(&ROOT)), shown);
    }

    #[test]
    fn of_urls_the_query_and_the_password_are_hidden() {
        for (url, shown) in [
            ("https://e.example/v1?key=sk-1", "https://e.example/v1?***"),
            ("https://e.example/v1#sk-1", "https://e.example/v1?***"),
            ("https://me:sk-1@e.example/v1/@x", "https://***@e.example/v1/@x"),
            ("https://e.example/v1", "https://e.example/v1"),
        ] {
            let file = json!({ "models": { "providers": { "a": { "baseUrl": url } } } });
            let hidden = redact_secrets(file, Some(&ROOT));
            assert_eq!(hidden["models"]["providers"]["a"]["baseUrl"], json!(shown));
        }
    }

    #[test]
    fn keys_in_plain_text_are_found_and_references_are_not() {
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
        let found: Vec<String> = find_literal_secrets(&file, &ROOT).iter().map(ToString::to_string).collect();
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
