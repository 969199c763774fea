//! The shape of requests to Anthropic and `OpenAI`: the JSON Schemas in `schemas/`, which `generate.py` makes from the
//! request types of the official packages. Unknown members are refused.
//!
//! The schemas use `type`, `properties`, `required`, `additionalProperties`, `items`, `anyOf`, `const`, `enum` and `$ref`.
//! A library for all of JSON Schema would not say which member of a union was meant, as the services do.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::provider::{Api, Provider};
use crate::value::list;

/// A part of a request that its schema refuses.
#[derive(Debug, PartialEq)]
pub(super) struct ShapeError {
    /// Where, from the outside.
    pub(super) path: Vec<String>,
    pub(super) problem: ShapeProblem,
}

#[derive(Debug, PartialEq)]
pub(super) enum ShapeProblem {
    /// A required member is not there.
    Missing,
    /// The schema does not know this member.
    Unknown,
    /// The name of the type that is expected.
    WrongType(String),
    /// The value, and the allowed ones.
    WrongValue(Value, Vec<Value>),
    /// As [`Self::WrongValue`], for the member that selects a variant of a union.
    WrongTag(Value, Vec<Value>),
}

/// The members that select a variant of a union.
const TAGS: [&str; 2] = ["type", "role"];

/// A generated file.
struct Schema {
    definitions: Value,
    request: Value,
}

static ANTHROPIC_MESSAGES: LazyLock<Schema> =
    LazyLock::new(|| Schema::read(include_str!("../../schemas/anthropic-messages.json")));
static OPENAI_CHAT: LazyLock<Schema> =
    LazyLock::new(|| Schema::read(include_str!("../../schemas/openai-chat.json")));
static OPENAI_RESPONSES: LazyLock<Schema> =
    LazyLock::new(|| Schema::read(include_str!("../../schemas/openai-responses.json")));

/// Checks a request against its service's schema. Other providers have none.
///
/// # Errors
/// The first part that the schema refuses.
pub(super) fn check_request(provider: Provider, api: Api, body: &Value) -> Result<(), ShapeError> {
    let schema = match (provider, api) {
        (Provider::Anthropic, Api::Messages) => &ANTHROPIC_MESSAGES,
        (Provider::OpenAi, Api::ChatCompletions) => &OPENAI_CHAT,
        (Provider::OpenAi, Api::Responses) => &OPENAI_RESPONSES,
        _ => return Ok(()),
    };
    schema.check(&schema.request, body)
}

impl Schema {
    #[expect(clippy::expect_used, reason = "the file is part of the crate, and a test reads it")]
    fn read(text: &str) -> Self {
        let mut file: Value = serde_json::from_str(text).expect("a generated schema is JSON");
        Self { definitions: file["$defs"].take(), request: file["request"].take() }
    }

    fn check(&self, schema: &Value, value: &Value) -> Result<(), ShapeError> {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.trim_start_matches("#/$defs/");
            return self.check(&self.definitions[name], value);
        }
        if let Some(variants) = schema["anyOf"].as_array() {
            return self.check_union(variants, value);
        }
        check_value(schema, value)?;
        match value {
            Value::Object(members) => self.check_members(schema, members),
            Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
                self.check(&schema["items"], item).map_err(|error| error.inside(&index.to_string()))
            }),
            _ => Ok(()),
        }
    }

    fn check_members(&self, schema: &Value, members: &Map<String, Value>) -> Result<(), ShapeError> {
        let declared = schema["properties"].as_object();
        let declared = |name: &str| declared.and_then(|declared| declared.get(name));
        for tag in TAGS {
            if let (Some(schema), Some(value)) = (declared(tag), members.get(tag)) {
                self.check(schema, value).map_err(|error| error.of_tag().inside(tag))?;
            }
        }
        if let Some(name) = list(&schema["required"])
            .iter()
            .filter_map(Value::as_str)
            .find(|name| !members.contains_key(*name))
        {
            return Err(ShapeError::here(ShapeProblem::Missing).inside(name));
        }
        for (name, value) in members {
            let checked = match (declared(name), &schema["additionalProperties"]) {
                (Some(schema), _) => self.check(schema, value),
                (None, Value::Bool(false)) => Err(ShapeError::here(ShapeProblem::Unknown)),
                (None, others) => self.check(others, value),
            };
            checked.map_err(|error| error.inside(name))?;
        }
        Ok(())
    }

    /// The error of the variant that was meant: the one whose tag fits, or else the one that got furthest.
    fn check_union(&self, variants: &[Value], value: &Value) -> Result<(), ShapeError> {
        let mut best: Option<ShapeError> = None;
        for variant in variants {
            let Err(error) = self.check(variant, value) else { return Ok(()) };
            best = Some(match best {
                None => error,
                Some(best) => best.or(error),
            });
        }
        best.map_or(Ok(()), Err)
    }
}

/// Checks `type`, `const` and `enum`.
fn check_value(schema: &Value, value: &Value) -> Result<(), ShapeError> {
    let is_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("null") => value.is_null(),
        _ => true,
    };
    if !is_type {
        let expected = schema["type"].as_str().unwrap_or_default().to_owned();
        return Err(ShapeError::here(ShapeProblem::WrongType(expected)));
    }
    let allowed = match schema.get("const") {
        Some(only) => vec![only.clone()],
        None => list(&schema["enum"]).to_vec(),
    };
    if allowed.is_empty() || allowed.contains(value) {
        return Ok(());
    }
    Err(ShapeError::here(ShapeProblem::WrongValue(value.clone(), allowed)))
}

impl ShapeError {
    const fn here(problem: ShapeProblem) -> Self {
        Self { path: Vec::new(), problem }
    }

    fn inside(mut self, name: &str) -> Self {
        self.path.insert(0, name.to_owned());
        self
    }

    fn of_tag(self) -> Self {
        let problem = match self.problem {
            ShapeProblem::WrongValue(value, allowed) => ShapeProblem::WrongTag(value, allowed),
            problem => problem,
        };
        Self { problem, ..self }
    }

    /// Of the errors of two variants, the more useful one. Two wrong tags become one error with all allowed tags.
    fn or(self, other: Self) -> Self {
        let rank = |error: &Self| match error.problem {
            // A variant of another JSON type says the least.
            ShapeProblem::WrongType(_) if error.path.is_empty() => (0, 0),
            ShapeProblem::WrongTag(..) => (1, error.path.len()),
            _ => (2, error.path.len()),
        };
        match (self.problem, other.problem) {
            (ShapeProblem::WrongTag(value, mut allowed), ShapeProblem::WrongTag(_, more))
                if self.path == other.path =>
            {
                allowed.extend(more.into_iter().filter(|tag| !allowed.contains(tag)).collect::<Vec<_>>());
                Self { path: self.path, problem: ShapeProblem::WrongTag(value, allowed) }
            }
            (own, others) => {
                let (own, other) =
                    (Self { path: self.path, problem: own }, Self { path: other.path, problem: others });
                if rank(&other) > rank(&own) { other } else { own }
            }
        }
    }
}
