//! The shape of the configuration as a table: the walk reads it for errors, `config schema` prints it as JSON Schema.

mod json;
mod redact;
mod table;

use super::keypath::{KeyPath, PathSegment};

pub(super) use redact::{redact_url, replace_secrets};

pub use json::json_schema;
pub use redact::{find_literal_secrets, redact_secrets};
pub use table::ROOT;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum ValueShape {
    /// Any JSON: `params`.
    Anything,
    /// `true` or `false`.
    Flag,
    /// A string that is not empty.
    Text,
    /// A string, or a SecretRef: never shown.
    Secret,
    /// A [`ValueShape::Secret`], or a list of them.
    Secrets,
    /// A whole number.
    Whole {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A number that is not negative.
    Amount,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Exactly these keys.
    Object(&'static [SchemaKey]),
    /// Any keys, values of one shape.
    Map {
        /// A description of the keys, for users.
        keys: &'static str,
        /// What the values are.
        values: &'static ValueShape,
    },
    /// Strings by name, never shown; `vars` holds more of them.
    Variables,
    /// A list.
    List(&'static ValueShape),
    /// A string or an object.
    TextOr(&'static ValueShape),
    /// `null` or this.
    OrNull(&'static ValueShape),
}

/// One key of an object.
#[derive(Clone, Copy, Debug)]
pub struct SchemaKey {
    /// As the file has it.
    pub name: &'static str,
    /// For users.
    pub about: &'static str,
    /// What its value may be.
    pub shape: &'static ValueShape,
    /// Whether the object is wrong without it.
    pub is_required: bool,
}

impl ValueShape {
    /// The shape at a path below this one; `None` if the table has no such path.
    #[must_use]
    pub fn shape_at(&'static self, path: &KeyPath) -> Option<&'static Self> {
        path.0.iter().try_fold(self, |shape, step| shape.step(step))
    }

    fn step(&'static self, step: &PathSegment) -> Option<&'static Self> {
        match (self, step) {
            (Self::OrNull(inner) | Self::TextOr(inner), _) => inner.step(step),
            (Self::Object(keys), PathSegment::Key(name)) => {
                keys.iter().find(|key| key.name == name).map(|key| key.shape)
            }
            (Self::Map { values, .. }, PathSegment::Key(_)) | (Self::List(values), PathSegment::Index(_)) => {
                Some(values)
            }
            (Self::Variables, PathSegment::Key(name)) if name == "vars" => Some(self),
            (Self::Variables, PathSegment::Key(_)) | (Self::Secrets, PathSegment::Index(_)) => {
                Some(&Self::Secret)
            }
            (Self::Anything, _) => Some(self),
            _ => None,
        }
    }

    /// Whether its value is never shown.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        matches!(self, Self::Secret | Self::Secrets)
    }
}

#[cfg(test)]
mod tests;
