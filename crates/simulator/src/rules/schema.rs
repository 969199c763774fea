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
/// The service's text for the first violation.
pub(super) fn check_schema(parameters: &Value) -> Result<(), String> {
    let rooted = parameters.get("anyOf").is_some() || parameters.get("$ref").is_some();
    if !rooted && parameters.get("type").and_then(Value::as_str) != Some("object") {
        return Err("tools.function.parameters.type is required and must be \"object\"".into());
    }
    SchemaChecker { root: parameters }.check_node(parameters, "").map_err(|SchemaError { path, message }| {
        let path = if path.is_empty() { "root" } else { &path };
        format!(
            "tools.function.parameters is not a valid moonshot flavored json schema, details: <At path '{path}': {message}>"
        )
    })
}

struct SchemaError {
    path: String,
    message: String,
}

struct SchemaChecker<'a> {
    root: &'a Value,
}

impl SchemaChecker<'_> {
    fn check_node(&self, schema: &Value, path: &str) -> Result<(), SchemaError> {
        let Some(members) = schema.as_object() else {
            return schema_error(path, "schema must be an object");
        };
        check_type(members, path)?;
        for keyword in ["anyOf", "$ref"] {
            if members.contains_key(keyword) && members.contains_key("type") {
                let inside = if keyword == "anyOf" { "anyOf items" } else { "the referenced schema" };
                let text = format!(
                    "when using {keyword}, type should be defined in {inside} instead of the parent schema"
                );
                return schema_error(path, text);
            }
        }
        self.check_reference(members, path)?;
        self.check_properties(members, path)?;
        check_required(members, path)?;
        check_enum(members, path)?;
        self.check_children(members, path)
    }

    fn check_reference(&self, members: &Map<String, Value>, path: &str) -> Result<(), SchemaError> {
        let Some(reference) = members.get("$ref") else { return Ok(()) };
        let at = join(path, "$ref");
        let Some(reference) = reference.as_str() else { return schema_error(&at, "$ref must be a string") };
        if reference == "#" {
            return Ok(());
        }
        let Some(name) = reference.strip_prefix("#/$defs/") else {
            return schema_error(&at, "references must start with #/$defs/");
        };
        let Some(target) = self.root.get("$defs").and_then(|defs| defs.get(name)) else {
            return schema_error(&at, format!("$defs not found for reference: {reference}"));
        };
        let both: Vec<_> =
            members.keys().filter(|key| *key != "$ref" && target.get(*key).is_some()).cloned().collect();
        if both.is_empty() {
            return Ok(());
        }
        schema_error(path, format!("conflicting keywords found after $ref expansion: {}", both.join(", ")))
    }

    fn check_properties(&self, members: &Map<String, Value>, path: &str) -> Result<(), SchemaError> {
        for keyword in ["properties", "$defs"] {
            let Some(value) = members.get(keyword) else { continue };
            let at = join(path, keyword);
            let Some(schemas) = value.as_object() else {
                return schema_error(&at, format!("{keyword} must be an object"));
            };
            for (name, schema) in schemas {
                if !schema.is_object() {
                    return schema_error(&at, format!("property schema for '{name}' must be an object"));
                }
                self.check_node(schema, &join(&at, name))?;
            }
        }
        Ok(())
    }

    fn check_children(&self, members: &Map<String, Value>, path: &str) -> Result<(), SchemaError> {
        if let Some(items) = members.get("items") {
            let at = join(path, "items");
            if !items.is_object() {
                return schema_error(&at, "items must be an object");
            }
            self.check_node(items, &at)?;
        }
        if let Some(any) = members.get("anyOf") {
            let at = join(path, "anyOf");
            let Some(schemas) = any.as_array() else { return schema_error(&at, "anyOf must be an array") };
            for schema in schemas {
                if !schema.is_object() {
                    return schema_error(&at, "schema in anyOf must be an object");
                }
                self.check_node(schema, &at)?;
            }
        }
        match members.get("additionalProperties") {
            None | Some(Value::Bool(_)) => Ok(()),
            Some(schema @ Value::Object(_)) => self.check_node(schema, &join(path, "additionalProperties")),
            Some(_) => schema_error(
                &join(path, "additionalProperties"),
                "additionalProperties must be a boolean or an object",
            ),
        }
    }
}

fn check_type(members: &Map<String, Value>, path: &str) -> Result<(), SchemaError> {
    let known = |value: &Value| value.as_str().is_some_and(|word| TYPES.contains(&word));
    match members.get("type") {
        None => Ok(()),
        Some(Value::String(word)) if !TYPES.contains(&word.as_str()) => {
            schema_error(path, format!("invalid type: {word}"))
        }
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(words)) if words.is_empty() => schema_error(path, "type array cannot be empty"),
        Some(Value::Array(words)) if words.iter().all(known) => Ok(()),
        Some(Value::Array(_)) => schema_error(path, "invalid type in type array"),
        Some(_) => schema_error(path, "type must be string or array of strings"),
    }
}

fn check_required(members: &Map<String, Value>, path: &str) -> Result<(), SchemaError> {
    let Some(required) = members.get("required") else { return Ok(()) };
    let at = join(path, "required");
    let Some(names) = required.as_array() else { return schema_error(&at, "required must be an array") };
    let properties = members.get("properties").and_then(Value::as_object);
    for name in names {
        let Some(name) = name.as_str() else {
            return schema_error(&at, "items in required array must be strings");
        };
        match properties {
            None => return schema_error(&at, "required specified but 'properties' keyword is missing"),
            Some(properties) if !properties.contains_key(name) => {
                return schema_error(&at, format!("required property '{name}' is not defined in properties"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_enum(members: &Map<String, Value>, path: &str) -> Result<(), SchemaError> {
    let Some(choices) = members.get("enum") else { return Ok(()) };
    let at = join(path, "enum");
    let Some(choices) = choices.as_array() else { return schema_error(&at, "enum must be an array") };
    if choices.is_empty() {
        return schema_error(&at, "enum array cannot be empty");
    }
    let types: Vec<&str> = match members.get("type") {
        Some(Value::String(word)) => vec![word],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    match choices.iter().find(|choice| !types.iter().any(|word| matches_type(choice, word))) {
        None => Ok(()),
        Some(choice) => schema_error(
            &at,
            format!("enum value ({choice}) does not match any type in [{}]", types.join(" ")),
        ),
    }
}

fn matches_type(value: &Value, word: &str) -> bool {
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

fn schema_error(path: &str, message: impl Into<String>) -> Result<(), SchemaError> {
    Err(SchemaError { path: path.to_owned(), message: message.into() })
}
