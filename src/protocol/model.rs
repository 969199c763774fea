//! The content of requests and responses, independent of their API.

pub mod answer;
pub mod client_tools;
pub(super) mod node;

pub mod losses;
pub(super) mod parameters;
pub mod seal;
pub(crate) mod thinking;
pub mod tools;

pub(super) mod conversation;

/// What a target does with `cache_control`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheControlSupport {
    /// It does not accept it.
    #[default]
    Removed,
    /// It accepts it.
    Kept,
    /// It caches nothing without it.
    Added,
}

/// The request cannot be expressed in the target's format, so the client must change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TranslationError {
    /// The location, such as `messages[3].content[0]`.
    pub path: String,
    /// The problem and the expected value.
    pub reason: String,
}

impl TranslationError {
    /// An error about the current value; the caller adds its location with [`Self::within`].
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { path: String::new(), reason: why.into() }
    }

    /// Prefixes the location with this parent.
    #[must_use]
    pub(crate) fn within(mut self, outer: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{outer}{joint}{}", self.path);
        self
    }
}
