//! A value that fits a JSON schema: the arguments of a simulated tool call.

use serde_json::{Map, Value, json};

/// The depth at which a sample starts to omit optional properties; `$ref` cycles end here.
const MAX_DEPTH: usize = 8;

/// What shell tools call the command that they run, alone or as a list of them (Claude Code, opencode, Kimi Code:
/// `command`; Codex: `cmd`; Cline: `commands`; their requests of 2026-11).
pub(super) const COMMAND_PARAMETERS: [&str; 3] = ["command", "cmd", "commands"];

/// Arguments for a tool with these `parameters`: every required property, or the first one when none is required.
pub(in crate::simulator) fn sample_arguments(parameters: Option<&Value>, command: Option<&str>) -> Value {
    let Some(schema) = parameters else { return json!({}) };
    let sampler = Sampler { root: schema, command };
    let mut sample = sampler.sample(schema, "", MAX_DEPTH);
    let first = schema.get("properties").and_then(Value::as_object).and_then(|all| all.iter().next());
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
pub(in crate::simulator) fn sample_value(schema: &Value) -> Value {
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
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.sample(target, name, depth - 1));
        }
        if let Some(command) = self.command
            && COMMAND_PARAMETERS.contains(&name)
            && schema.get("type") != Some(&json!("array"))
        {
            return command.into();
        }
        if let Some(fixed) =
            schema.get("const").or_else(|| schema.get("default")).or_else(|| schema.pointer("/enum/0"))
        {
            return fixed.clone();
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let Some(options) = schema.get(keyword).and_then(Value::as_array) else { continue };
            let best = options.iter().find(|option| option.get("type") != Some(&json!("null")));
            return best.map_or(Value::Null, |option| self.sample(option, name, depth - 1));
        }
        self.sample_of_type(schema, name, depth)
    }

    fn sample_of_type(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let word = match schema.get("type") {
            Some(Value::String(word)) => word.as_str(),
            Some(Value::Array(words)) => {
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
            "integer" => {
                schema.get("minimum").and_then(Value::as_i64).map_or(json!(1), |least| json!(least.max(1)))
            }
            "number" => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => json!(sample_text(name)),
        }
    }

    fn sample_object(&self, schema: &Value, depth: usize) -> Value {
        let mut members = Map::new();
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for name in required.iter().filter_map(Value::as_str) {
            let property = schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
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
