//! The table as JSON Schema (draft 2020-12).

use serde_json::{Map, Value, json};

use super::{ROOT, SchemaKey, ValueShape};

/// The schema of the whole file.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = shape(&ROOT);
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("Moonrelay configuration"));
        object.insert("$defs".to_owned(), json!({ "secret": secret() }));
    }
    schema
}

fn secret() -> Value {
    json!({
        "description": "A string with ${VAR} in it, or a reference to where the secret is.",
        "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "properties": {
                    "source": { "enum": ["env", "file", "credential"] },
                    "id": { "type": "string", "minLength": 1 },
                },
                "required": ["source", "id"],
                "additionalProperties": false,
            },
        ],
    })
}

fn shape(of: &ValueShape) -> Value {
    match of {
        ValueShape::Anything => json!({}),
        ValueShape::Flag => json!({ "type": "boolean" }),
        ValueShape::Text => json!({ "type": "string", "minLength": 1 }),
        ValueShape::Secret => json!({ "$ref": "#/$defs/secret" }),
        ValueShape::Secrets => {
            let one = shape(&ValueShape::Secret);
            json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
        }
        ValueShape::Whole { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        ValueShape::Amount => json!({ "type": "number", "minimum": 0 }),
        ValueShape::Choice(words) => json!({ "enum": words }),
        ValueShape::Object(keys) => object(keys),
        ValueShape::Map { values, .. } => json!({ "type": "object", "additionalProperties": shape(values) }),
        ValueShape::Variables => {
            let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
            json!({
                "type": "object",
                "properties": { "vars": texts },
                "additionalProperties": { "type": "string" },
            })
        }
        ValueShape::List(items) => json!({ "type": "array", "items": shape(items) }),
        ValueShape::TextOr(other) => json!({ "anyOf": [shape(&ValueShape::Text), shape(other)] }),
        ValueShape::OrNull(other) => json!({ "anyOf": [{ "type": "null" }, shape(other)] }),
    }
}

fn object(keys: &[SchemaKey]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut property = shape(key.shape);
        if let Some(property) = property.as_object_mut() {
            property.insert("description".to_owned(), json!(key.about));
        }
        properties.insert(key.name.to_owned(), property);
    }
    let required: Vec<&str> = keys.iter().filter(|key| key.is_required).map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (false, Some(object)) = (required.is_empty(), schema.as_object_mut()) {
        object.insert("required".to_owned(), json!(required));
    }
    schema
}
