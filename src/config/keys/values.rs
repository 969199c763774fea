//! Values of settings: durations, prices, secrets, and lists and objects of them.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::config) struct Seconds(#[schemars(range(min = 1, max = 604_800))] pub(in crate::config) u64);

impl Seconds {
    pub(in crate::config) const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::config) struct Milliseconds(
    #[schemars(range(min = 1, max = 604_800_000))] pub(in crate::config) u64,
);

impl Milliseconds {
    pub(in crate::config) const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::config) struct Tokens(
    #[schemars(range(min = 1, max = 1_000_000_000))] pub(in crate::config) u64,
);

/// A price per million tokens.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::config) struct Price(#[schemars(range(min = 0))] pub(in crate::config) f64);

// A secret in the file: text with `${VAR}` in it, or a reference to where it is stored. `writeOnly` marks values that
// are never shown. A doc comment would be a description in the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
#[schemars(extend("writeOnly" = true))]
pub(in crate::config) enum SecretSetting {
    #[schemars(extend("writeOnly" = true))]
    Text(String),
    Reference {
        source: SecretSource,
        id: String,
    },
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum SecretSource {
    Env,
    File,
    Credential,
}

// One secret or a list of them.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("writeOnly" = true))]
pub(in crate::config) enum Keys {
    One(SecretSetting),
    Many(#[schemars(length(min = 1))] Elements<SecretSetting>),
}

/// A list whose invalid elements are `None`, so that the others keep their indexes.
pub(in crate::config) type Elements<T> = Vec<Option<T>>;

/// The valid elements and their indexes.
pub(in crate::config) fn valid_elements<T>(list: &Elements<T>) -> impl Iterator<Item = (usize, &T)> {
    list.iter().enumerate().filter_map(|(index, element)| Some((index, element.as_ref()?)))
}

/// An object with any keys, in the order of the file.
pub(in crate::config) struct Entries<T>(pub(in crate::config) Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object: Map<String, Value> = Deserialize::deserialize(deserializer)?;
        let entry = |(key, value)| Ok((key, serde_json::from_value(value).map_err(D::Error::custom)?));
        object.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}
