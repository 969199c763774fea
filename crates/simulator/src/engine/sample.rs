//! Values for JSON schemas: arguments of tool calls and structured answers.

use serde_json::{Map, Value, json};

use crate::engine::prompt::COMMAND_PARAMETERS;
use crate::value::list;

/// The depth at which a sample starts to omit optional properties; `$ref` cycles end here.
const MAX_DEPTH: usize = 8;

/// Arguments for a tool with these `parameters`: every required property, or the first one when none is required.
pub(super) fn sample_arguments(parameters: Option<&Value>, command: Option<&str>) -> Value {
    let Some(schema) = parameters else { return json!({}) };
    let sampler = Sampler { root: schema, command };
    let mut sample = sampler.sample(schema, "", MAX_DEPTH);
    let first = schema["properties"].as_object().and_then(|all| all.iter().next());
    match (&mut sample, first) {
        (Value::Object(members), Some((name, property))) if members.is_empty() => {
            members.insert(name.clone(), sampler.sample(property, name, MAX_DEPTH));
            sample
        }
        (Value::Object(_), _) => sample,
        _ => json!({}),
    }
}

/// A value for any schema.
pub(super) fn sample_value(schema: &Value) -> Value {
    Sampler { root: schema, command: None }.sample(schema, "", MAX_DEPTH)
}

struct Sampler<'a> {
    root: &'a Value,
    command: Option<&'a str>,
}

impl Sampler<'_> {
    fn sample(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth == 0 {
            return Value::Null;
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.sample(target, name, depth - 1));
        }
        if let Some(command) = self.command
            && COMMAND_PARAMETERS.contains(&name)
            && schema["type"] != "array"
        {
            return command.into();
        }
        if let Some(fixed) =
            schema.get("const").or_else(|| schema.get("default")).or_else(|| schema.pointer("/enum/0"))
        {
            return fixed.clone();
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let Some(options) = schema[keyword].as_array() else { continue };
            let best = options.iter().find(|option| option["type"] != "null");
            return best.map_or(Value::Null, |option| self.sample(option, name, depth - 1));
        }
        self.sample_of_type(schema, name, depth)
    }

    fn sample_of_type(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let word = match &schema["type"] {
            Value::String(word) => word.as_str(),
            Value::Array(words) => {
                words.iter().filter_map(Value::as_str).find(|word| *word != "null").unwrap_or("null")
            }
            _ if schema.get("properties").is_some() => "object",
            _ => "string",
        };
        match word {
            "object" => self.sample_object(schema, depth),
            "array" => {
                let item = schema.get("items").map(|items| self.sample(items, name, depth - 1));
                Value::Array(item.into_iter().collect())
            }
            "integer" => schema["minimum"].as_i64().map_or(1, |least| least.max(1)).into(),
            "number" => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => json!(sample_text(name)),
        }
    }

    fn sample_object(&self, schema: &Value, depth: usize) -> Value {
        let mut members = Map::new();
        for name in list(&schema["required"]).iter().filter_map(Value::as_str) {
            let property = &schema["properties"][name];
            members.insert(name.to_owned(), self.sample(property, name, depth - 1));
        }
        Value::Object(members)
    }
}

fn sample_text(name: &str) -> &'static str {
    match name {
        name if COMMAND_PARAMETERS.contains(&name) => "echo simulated",
        "path" | "file_path" | "filePath" | "filename" => "README.md",
        "city" | "location" => "Paris",
        "url" => "https://example.com/",
        "pattern" | "query" => "moon",
        _ => "text",
    }
}
