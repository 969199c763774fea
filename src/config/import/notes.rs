//! What is said about an import.

use crate::config::file::{At, Value as Raw};
use crate::config::keypath::KeyPath;

/// Something of the old file that is not in the new one as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it stands in the old file.
    pub path: String,
    /// Why.
    pub why: String,
}

/// The notes while the import runs.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) left_out: Vec<Note>,
    pub(super) changed: Vec<Note>,
}

impl Notes {
    pub(super) fn left_out(&mut self, path: &KeyPath, why: impl Into<String>) {
        self.left_out.push(Note { path: path.to_string(), why: why.into() });
    }

    pub(super) fn changed(&mut self, path: &KeyPath, why: impl Into<String>) {
        self.changed.push(Note { path: path.to_string(), why: why.into() });
    }

    /// Every key of an object that is not among these.
    pub(super) fn others(&mut self, at: &At<'_>, taken: &[&str], why: impl Fn(&str) -> String) {
        for (key, member) in at.members() {
            if !taken.contains(&key) {
                self.left_out(&member.path, why(key));
            }
        }
    }

    /// The value, where it is an object; anything else is named.
    pub(super) fn object<'t>(&mut self, at: Option<At<'t>>) -> Option<At<'t>> {
        let at = at?;
        if matches!(at.node.value, Raw::Object(_)) {
            return Some(at);
        }
        self.unexpected(&at, "an object");
        None
    }

    /// The elements of a list; anything else is named.
    pub(super) fn list<'t>(&mut self, at: Option<At<'t>>) -> Vec<At<'t>> {
        let Some(at) = at else { return Vec::new() };
        if !matches!(at.node.value, Raw::List(_)) {
            self.unexpected(&at, "a list");
        }
        at.elements()
    }

    /// The value, where it is a string; anything else is named.
    pub(super) fn text<'t>(&mut self, at: &At<'t>) -> Option<&'t str> {
        let text = at.text();
        if text.is_none() {
            self.unexpected(at, "a string");
        }
        text
    }

    /// Names a value of a wrong type, without the value: it may be a key at a wrong place.
    pub(super) fn unexpected(&mut self, at: &At<'_>, expected: &str) {
        self.left_out(&at.path, format!("expected {expected}, found {}", at.node.value.kind()));
    }
}
