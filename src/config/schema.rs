//! The JSON Schema of the configuration, generated from `keys`, and navigation in it.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::keypath::{KeyPath, PathSegment};
use super::keys::ConfigFile;

/// The schema of one value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchemaNode(&'static Value);

/// The schema of the whole file.
pub(crate) fn root() -> SchemaNode {
    static ROOT: LazyLock<Value> = LazyLock::new(generate);
    SchemaNode(&ROOT)
}

/// The schema of the whole file, as `config schema` prints it.
pub(crate) fn json_schema() -> Value {
    root().0.clone()
}

fn generate() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut generator = settings.into_generator();
    let mut schema = ConfigFile::json_schema(&mut generator);
    RecursiveTransform(simplify).transform(&mut schema);
    let mut head = Map::new();
    head.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    head.insert("title".to_owned(), json!("Moonrelay configuration"));
    if let Value::Object(body) = schema.to_value() {
        head.extend(body);
    }
    Value::Object(head)
}

/// An optional setting is left out, not `null`, unless it is marked as nullable. Text is not empty, unless it is a
/// secret: an empty variable only disables its provider.
fn simplify(schema: &mut Schema) {
    let is_text = schema.get("type").and_then(Value::as_str) == Some("string");
    let is_secret = schema.get("writeOnly").is_some();
    if is_text && !is_secret && schema.get("enum").is_none() {
        schema.insert("minLength".to_owned(), json!(1));
    }
    schema.remove("format");
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    // An element is `None` only if it is invalid.
    if let Some(items) = schema.get_mut("items").and_then(Value::as_object_mut) {
        remove_null(items);
    }
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        let default = property.get("default").cloned().unwrap_or_default();
        if default == json!({}) || default == json!([]) {
            property.shift_remove("default");
        }
        if property.shift_remove("nullable").is_none() {
            remove_null(property);
        }
    }
}

fn remove_null(property: &mut Map<String, Value>) {
    if property.get("default") == Some(&Value::Null) {
        property.shift_remove("default");
    }
    if let Some(words) = property.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(types)) = property.get("type") {
        let others: Vec<Value> = types.iter().filter(|name| *name != "null").cloned().collect();
        let one = if let [one] = others.as_slice() { one.clone() } else { Value::Array(others) };
        property.insert("type".to_owned(), one);
    }
    let Some(Value::Array(branches)) = property.get_mut("anyOf") else { return };
    branches.retain(|branch| *branch != json!({ "type": "null" }));
    if let [Value::Object(only)] = branches.as_slice() {
        let only = only.clone();
        property.shift_remove("anyOf");
        for (key, value) in only {
            property.entry(key).or_insert(value);
        }
    }
}

impl SchemaNode {
    /// The schema at a path below this one; `None` if there is no such setting.
    pub(crate) fn at(self, path: &KeyPath) -> Option<Self> {
        path.0.iter().try_fold(self, Self::step)
    }

    pub(super) fn step(self, step: &PathSegment) -> Option<Self> {
        match step {
            // A secret has no settings of its own.
            PathSegment::Key(_) if self.is_secret() => None,
            PathSegment::Key(key) => self.branches().find_map(|branch| branch.member(key)),
            PathSegment::Index(_) => self.branches().find_map(Self::items),
        }
    }

    /// Whether the value is never shown.
    pub(crate) fn is_secret(self) -> bool {
        self.0.get("writeOnly").is_some()
    }

    /// Whether a string is a valid value of a known setting.
    pub(crate) fn accepts_text(self) -> bool {
        !self.accepts_anything() && self.branches().any(|branch| branch.has_type("string"))
    }

    /// Whether any JSON is a valid value.
    pub(super) fn accepts_anything(self) -> bool {
        self.0.get("type").is_none() && self.0.get("anyOf").is_none()
    }

    /// The keys of an object; none if it may have any keys.
    pub(crate) fn keys(self) -> impl Iterator<Item = &'static str> {
        let properties = self.branches().filter_map(|branch| branch.0.get("properties")?.as_object());
        properties.flat_map(Map::keys).map(String::as_str)
    }

    /// The alternatives; a schema without alternatives is the only one.
    pub(super) fn branches(self) -> impl Iterator<Item = Self> {
        let alternatives = self.0.get("anyOf").and_then(Value::as_array);
        let itself = alternatives.is_none().then_some(self);
        let branches = alternatives.into_iter().flatten();
        itself.into_iter().chain(branches.flat_map(|branch| Self(branch).branches().collect::<Vec<_>>()))
    }

    /// Whether values of this JSON type are valid here, in none of the alternatives.
    pub(super) fn has_type(self, name: &str) -> bool {
        match self.0.get("type") {
            Some(Value::String(only)) => only == name,
            Some(Value::Array(types)) => types.iter().any(|known| known == name),
            _ => self.accepts_anything(),
        }
    }

    /// The schema of a member: of this key, or of any key.
    pub(super) fn member(self, key: &str) -> Option<Self> {
        let named = self.0.get("properties").and_then(|properties| properties.get(key));
        let any = || self.0.get("additionalProperties").filter(|schema| **schema != Value::Bool(false));
        named.or_else(any).map(Self).or_else(|| self.accepts_anything().then_some(self))
    }

    /// The schema of a list's elements.
    pub(super) fn items(self) -> Option<Self> {
        self.0.get("items").map(Self).or_else(|| self.accepts_anything().then_some(self))
    }

    /// The words of a choice.
    pub(super) fn choices(self) -> Option<Vec<&'static str>> {
        Some(self.0.get("enum")?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// Required keys.
    pub(super) fn required(self) -> impl Iterator<Item = &'static str> {
        self.0.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Another keyword that is a number: `minimum`, `maximum`, `minItems`.
    pub(super) fn limit(self, keyword: &str) -> Option<u64> {
        self.0.get(keyword)?.as_u64()
    }
}

#[cfg(test)]
mod tests;
