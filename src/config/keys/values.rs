//! Values of settings: durations, prices, secrets, and lists and objects of them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

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

/// A secret in the file: text with `${VAR}` in it, or a reference to where it is stored.
#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum SecretSetting {
    Text(String),
    Reference { source: SecretSource, id: String },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum SecretSource {
    Env,
    File,
    Credential,
}

impl JsonSchema for SecretSetting {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    /// `writeOnly` marks values that are never shown.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "writeOnly": true,
            "anyOf": [
                { "type": "string", "writeOnly": true },
                {
                    "type": "object",
                    "properties": {
                        "source": { "type": "string", "enum": ["env", "file", "credential"] },
                        "id": { "type": "string" },
                    },
                    "additionalProperties": false,
                    "required": ["source", "id"],
                },
            ],
        })
    }
}

/// One secret or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum Keys {
    One(SecretSetting),
    Many(Elements<SecretSetting>),
}

impl JsonSchema for Keys {
    fn schema_name() -> Cow<'static, str> {
        "Secrets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<SecretSetting>();
        json_schema!({ "writeOnly": true, "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

/// A list whose invalid elements (`null` after validation) are left out. The others keep their indexes.
pub(in crate::config) struct Elements<T>(pub(in crate::config) Vec<(usize, T)>);

impl<T> Default for Elements<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Elements<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list: Vec<Option<T>> = Deserialize::deserialize(deserializer)?;
        let valid = list.into_iter().enumerate().filter_map(|(index, value)| Some((index, value?)));
        Ok(Self(valid.collect()))
    }
}

impl<T: Serialize> Serialize for Elements<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(_, value)| value))
    }
}

impl<T: JsonSchema> JsonSchema for Elements<T> {
    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

/// An object with any keys, in the order of the file.
pub(in crate::config) struct Entries<T>(pub(in crate::config) Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
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
