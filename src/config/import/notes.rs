//! Notes about an import.

use crate::config::file::{Cursor, NodeValue as Raw};
use crate::config::keypath::KeyPath;

/// Something of the old file that is not in the new one as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportNote {
    /// Where it is in the old file.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// The notes while the import runs.
#[derive(Debug, Default)]
pub(super) struct ImportNotes {
    pub(super) skipped: Vec<ImportNote>,
    pub(super) changed: Vec<ImportNote>,
}

impl ImportNotes {
    pub(super) fn record_skipped(&mut self, path: &KeyPath, why: impl Into<String>) {
        self.skipped.push(ImportNote { path: path.to_string(), reason: why.into() });
    }

    pub(super) fn record_changed(&mut self, path: &KeyPath, why: impl Into<String>) {
        self.changed.push(ImportNote { path: path.to_string(), reason: why.into() });
    }

    /// Every key of an object that is not among these.
    pub(super) fn skip_others(&mut self, at: &Cursor<'_>, taken: &[&str], why: impl Fn(&str) -> String) {
        for (key, member) in at.members() {
            if !taken.contains(&key) {
                self.record_skipped(&member.path, why(key));
            }
        }
    }

    /// The value, where it is an object; anything else is named.
    pub(super) fn expect_object<'t>(&mut self, at: Option<Cursor<'t>>) -> Option<Cursor<'t>> {
        let at = at?;
        if matches!(at.node.value, Raw::Object(_)) {
            return Some(at);
        }
        self.record_wrong_type(&at, "an object");
        None
    }

    /// The elements of a list; anything else is reported.
    pub(super) fn expect_list<'t>(&mut self, at: Option<Cursor<'t>>) -> Vec<Cursor<'t>> {
        let Some(at) = at else { return Vec::new() };
        if !matches!(at.node.value, Raw::List(_)) {
            self.record_wrong_type(&at, "a list");
        }
        at.elements()
    }

    /// The value, where it is a string; anything else is named.
    pub(super) fn expect_string<'t>(&mut self, at: &Cursor<'t>) -> Option<&'t str> {
        let text = at.as_str();
        if text.is_none() {
            self.record_wrong_type(at, "a string");
        }
        text
    }

    /// Reports a value of a wrong type, without the value: it may be a misplaced key.
    pub(super) fn record_wrong_type(&mut self, at: &Cursor<'_>, expected: &str) {
        self.record_skipped(&at.path, format!("expected {expected}, found {}", at.node.value.type_name()));
    }
}
