//! Moonshot flavored JSON schema: the part of its rules that its service is known to enforce.
//!
//! Written from the specification's rules and texts (MoonshotAI/walle, `docs/walle.md`) and reports of live refusals
//! (MoonshotAI/kimi-code#2661, #792, vercel/ai#18921, can1357/oh-my-pi#5952, MoonshotAI/kimi-cli#2061):
//! - the root's `type` is `object`, unless it is an `anyOf` or a `$ref`;
//! - no `type` beside `anyOf` or `$ref`, and no member on both sides of a `$ref`;
//! - `$ref` is `#` or points at an existing `#/$defs/…`;
//! - `properties`, each property, `items`, each of `anyOf` and each of `$defs` are objects (so no boolean schemas and no tuples);
//! - `required` is a list of names that `properties` has; `enum` is a list that is not empty and fits the type;
//! - `type` is one of the seven words, or a list of them.
//!
//! Not checked: sizes, depth, recursion, numeric ranges, and key words that the specification does not list, which the
//! service lets pass.

use serde_json::{Map, Value};

const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "integer", "string"];

/// # Errors
/// What the service says about the first breach.
pub(super) fn check(parameters: &Value) -> Result<(), String> {
    let rooted = parameters.get("anyOf").is_some() || parameters.get("$ref").is_some();
    if !rooted && parameters.get("type").and_then(Value::as_str) != Some("object") {
        return Err("tools.function.parameters.type is required and must be \"object\"".into());
    }
    Walk { root: parameters }.node(parameters, "").map_err(|Breach { path, message }| {
        let path = if path.is_empty() { "root" } else { &path };
        format!(
            "tools.function.parameters is not a valid moonshot flavored json schema, details: <At path '{path}': {message}>"
        )
    })
}

struct Breach {
    path: String,
    message: String,
}

struct Walk<'a> {
    root: &'a Value,
}

impl Walk<'_> {
    fn node(&self, schema: &Value, path: &str) -> Result<(), Breach> {
        let Some(members) = schema.as_object() else {
            return breach(path, "schema must be an object");
        };
        kind(members, path)?;
        for keyword in ["anyOf", "$ref"] {
            if members.contains_key(keyword) && members.contains_key("type") {
                let inside = if keyword == "anyOf" { "anyOf items" } else { "the referenced schema" };
                let text = format!(
                    "when using {keyword}, type should be defined in {inside} instead of the parent schema"
                );
                return breach(path, text);
            }
        }
        self.reference(members, path)?;
        self.properties(members, path)?;
        required(members, path)?;
        choices(members, path)?;
        self.children(members, path)
    }

    fn reference(&self, members: &Map<String, Value>, path: &str) -> Result<(), Breach> {
        let Some(reference) = members.get("$ref") else { return Ok(()) };
        let at = join(path, "$ref");
        let Some(reference) = reference.as_str() else { return breach(&at, "$ref must be a string") };
        if reference == "#" {
            return Ok(());
        }
        let Some(name) = reference.strip_prefix("#/$defs/") else {
            return breach(&at, "references must start with #/$defs/");
        };
        let Some(target) = self.root.get("$defs").and_then(|defs| defs.get(name)) else {
            return breach(&at, format!("$defs not found for reference: {reference}"));
        };
        let both: Vec<_> =
            members.keys().filter(|key| *key != "$ref" && target.get(*key).is_some()).cloned().collect();
        if both.is_empty() {
            return Ok(());
        }
        breach(path, format!("conflicting keywords found after $ref expansion: {}", both.join(", ")))
    }

    fn properties(&self, members: &Map<String, Value>, path: &str) -> Result<(), Breach> {
        for keyword in ["properties", "$defs"] {
            let Some(value) = members.get(keyword) else { continue };
            let at = join(path, keyword);
            let Some(schemas) = value.as_object() else {
                return breach(&at, format!("{keyword} must be an object"));
            };
            for (name, schema) in schemas {
                if !schema.is_object() {
                    return breach(&at, format!("property schema for '{name}' must be an object"));
                }
                self.node(schema, &join(&at, name))?;
            }
        }
        Ok(())
    }

    fn children(&self, members: &Map<String, Value>, path: &str) -> Result<(), Breach> {
        if let Some(items) = members.get("items") {
            let at = join(path, "items");
            if !items.is_object() {
                return breach(&at, "items must be an object");
            }
            self.node(items, &at)?;
        }
        if let Some(any) = members.get("anyOf") {
            let at = join(path, "anyOf");
            let Some(schemas) = any.as_array() else { return breach(&at, "anyOf must be an array") };
            for schema in schemas {
                if !schema.is_object() {
                    return breach(&at, "schema in anyOf must be an object");
                }
                self.node(schema, &at)?;
            }
        }
        match members.get("additionalProperties") {
            None | Some(Value::Bool(_)) => Ok(()),
            Some(schema @ Value::Object(_)) => self.node(schema, &join(path, "additionalProperties")),
            Some(_) => breach(
                &join(path, "additionalProperties"),
                "additionalProperties must be a boolean or an object",
            ),
        }
    }
}

fn kind(members: &Map<String, Value>, path: &str) -> Result<(), Breach> {
    let known = |value: &Value| value.as_str().is_some_and(|word| TYPES.contains(&word));
    match members.get("type") {
        None => Ok(()),
        Some(Value::String(word)) if !TYPES.contains(&word.as_str()) => {
            breach(path, format!("invalid type: {word}"))
        }
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(words)) if words.is_empty() => breach(path, "type array cannot be empty"),
        Some(Value::Array(words)) if words.iter().all(known) => Ok(()),
        Some(Value::Array(_)) => breach(path, "invalid type in type array"),
        Some(_) => breach(path, "type must be string or array of strings"),
    }
}

fn required(members: &Map<String, Value>, path: &str) -> Result<(), Breach> {
    let Some(required) = members.get("required") else { return Ok(()) };
    let at = join(path, "required");
    let Some(names) = required.as_array() else { return breach(&at, "required must be an array") };
    let properties = members.get("properties").and_then(Value::as_object);
    for name in names {
        let Some(name) = name.as_str() else { return breach(&at, "items in required array must be strings") };
        match properties {
            None => return breach(&at, "required specified but 'properties' keyword is missing"),
            Some(properties) if !properties.contains_key(name) => {
                return breach(&at, format!("required property '{name}' is not defined in properties"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn choices(members: &Map<String, Value>, path: &str) -> Result<(), Breach> {
    let Some(choices) = members.get("enum") else { return Ok(()) };
    let at = join(path, "enum");
    let Some(choices) = choices.as_array() else { return breach(&at, "enum must be an array") };
    if choices.is_empty() {
        return breach(&at, "enum array cannot be empty");
    }
    let types: Vec<&str> = match members.get("type") {
        Some(Value::String(word)) => vec![word],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    match choices.iter().find(|choice| !types.iter().any(|word| fits(choice, word))) {
        None => Ok(()),
        Some(choice) => {
            breach(&at, format!("enum value ({choice}) does not match any type in [{}]", types.join(" ")))
        }
    }
}

fn fits(value: &Value, word: &str) -> bool {
    match value {
        Value::Null => word == "null",
        Value::Bool(_) => word == "boolean",
        Value::Number(number) => word == "number" || (word == "integer" && !number.is_f64()),
        Value::String(_) => word == "string",
        Value::Array(_) => word == "array",
        Value::Object(_) => word == "object",
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn breach(path: &str, message: impl Into<String>) -> Result<(), Breach> {
    Err(Breach { path: path.to_owned(), message: message.into() })
}
