//! The shape of the configuration as a table: the walk reads it for errors, `config schema` prints it as JSON Schema.

mod hide;
mod json;
mod table;

use super::keypath::{KeyPath, Step};

pub(super) use hide::{public_url, replace_secrets};

pub use hide::{hide_secrets, literal_secrets};
pub use json::json_schema;
pub use table::ROOT;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any JSON: `params`.
    Anything,
    /// `true` or `false`.
    Flag,
    /// A string that is not empty.
    Text,
    /// A string, or a SecretRef: never shown.
    Secret,
    /// A [`Shape::Secret`], or a list of them.
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
    Object(&'static [Key]),
    /// Any keys, values of one shape.
    Map {
        /// What the keys are, for people.
        keys: &'static str,
        /// What the values are.
        values: &'static Shape,
    },
    /// Strings by name, never shown; `vars` holds more of them.
    Variables,
    /// A list.
    List(&'static Shape),
    /// A string or an object.
    TextOr(&'static Shape),
    /// `null` or this.
    OrNull(&'static Shape),
}

/// One key of an object.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As the file has it.
    pub name: &'static str,
    /// For people.
    pub about: &'static str,
    /// What its value may be.
    pub shape: &'static Shape,
    /// Whether the object is wrong without it.
    pub required: bool,
}

impl Shape {
    /// The shape at a path below this one; `None` where the table has no such place.
    #[must_use]
    pub fn at(&'static self, path: &KeyPath) -> Option<&'static Self> {
        path.0.iter().try_fold(self, |shape, step| shape.step(step))
    }

    fn step(&'static self, step: &Step) -> Option<&'static Self> {
        match (self, step) {
            (Self::OrNull(inner) | Self::TextOr(inner), _) => inner.step(step),
            (Self::Object(keys), Step::Key(name)) => {
                keys.iter().find(|key| key.name == name).map(|key| key.shape)
            }
            (Self::Map { values, .. }, Step::Key(_)) | (Self::List(values), Step::Index(_)) => Some(values),
            (Self::Variables, Step::Key(name)) if name == "vars" => Some(self),
            (Self::Variables, Step::Key(_)) | (Self::Secrets, Step::Index(_)) => Some(&Self::Secret),
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
