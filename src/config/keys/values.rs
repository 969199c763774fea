//! Values of settings: durations, prices, secrets, and lists and objects of them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A whole number with its limits and its default.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(transparent)]
pub(in crate::config) struct Bounded<const MIN: u64, const MAX: u64, const DEFAULT: u64 = 0>(
    pub(in crate::config) u64,
);

impl<const MIN: u64, const MAX: u64, const DEFAULT: u64> Bounded<MIN, MAX, DEFAULT> {
    /// The number as a type that holds `MAX`.
    pub(in crate::config) fn get<T: TryFrom<u64> + Default>(self) -> T {
        T::try_from(self.0).unwrap_or_default()
    }
}

/// At most a week. Without a default in lists and where it is optional.
pub(in crate::config) type Seconds<const DEFAULT: u64 = 0> = Bounded<1, 604_800, DEFAULT>;
pub(in crate::config) type Milliseconds<const DEFAULT: u64 = 0> = Bounded<1, 604_800_000, DEFAULT>;
pub(in crate::config) type Tokens = Bounded<1, 1_000_000_000>;

impl<const MIN: u64, const MAX: u64, const DEFAULT: u64> Default for Bounded<MIN, MAX, DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const MIN: u64, const MAX: u64, const DEFAULT: u64> JsonSchema for Bounded<MIN, MAX, DEFAULT> {
    fn schema_name() -> Cow<'static, str> {
        format!("Integer_{MIN}_{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

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
