//! Changes to the file that keep its comments, its quotes and its order.

mod nix;
mod write;

use std::path::{Path, PathBuf};

use jsonc_parser::cst::{CstArray, CstContainerNode, CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::Value;

use super::environment::Environment;
use super::file;
use super::issue::{Invalid, Issue};
use super::keypath::{KeyPath, Step};
use super::schema::{ROOT, hide_secrets};
use super::{Location, from_text};

pub use nix::{assignment, value as nix_value};
pub use write::{Managed, managed};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file does not parse, or would be wrong with the change.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The path leads through a value that is no object or list, or beyond the end of a list.
    #[error("{0}")]
    Path(String),
    /// Somebody else manages the file.
    #[error("{0}")]
    Managed(Managed),
    /// It cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The file says so already; it was not touched.
    Unchanged,
    /// It was written.
    Written,
}

/// A file that is being changed.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    /// As read; `None` where there is no file yet.
    original: Option<String>,
    root: CstRootNode,
    /// What was set or removed; of list elements the whole list.
    changed: Vec<KeyPath>,
}

impl Document {
    /// Opens the file of a location; one that does not exist yet is an empty configuration.
    ///
    /// # Errors
    /// When it cannot be read, or does not parse.
    pub fn open(location: &Location) -> Result<Self, EditError> {
        let path = location.path.clone();
        let original = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(EditError::File { path, source }),
        };
        let text = original.as_deref().unwrap_or("{}\n");
        let invalid = |issue: Issue| Invalid { path: Some(path.clone()), issues: vec![issue] };
        // The tree's parser words its errors for people and refuses an empty file.
        file::Tree::parse(text).map_err(invalid)?;
        let root = CstRootNode::parse(file::without_mark(text), &file::options()).map_err(|error| {
            invalid(Issue {
                path: KeyPath::default().to_string(),
                message: error.kind().to_string(),
                line: error.line_display(),
                column: error.column_display(),
            })
        })?;
        Ok(Self { path, original, root, changed: Vec::new() })
    }

    /// The value at a path.
    #[must_use]
    pub fn get(&self, path: &KeyPath) -> Option<Value> {
        let mut value = self.root.to_serde_value()?;
        for step in &path.0 {
            value = match (step, value) {
                (Step::Key(key), Value::Object(mut object)) => object.shift_remove(key)?,
                (Step::Index(index), Value::Array(list)) => list.into_iter().nth(*index)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// Sets the value at a path; objects on the way are made.
    ///
    /// # Errors
    /// When the path leads through something else.
    pub fn set(&mut self, path: &KeyPath, value: &Value) -> Result<(), EditError> {
        if self.get(path).as_ref() == Some(value) {
            return Ok(());
        }
        let Some((last, above)) = path.0.split_last() else {
            return Err(EditError::Path("the whole configuration cannot be set: name a path".to_owned()));
        };
        let parent = self.container(above, true)?.ok_or_else(|| no_such(path))?;
        match (parent, last) {
            (Container::Object(object), Step::Key(key)) => match object.get(key) {
                Some(property) => property.set_value(input(value)),
                None => {
                    object.append(key, input(value));
                }
            },
            (Container::List(list), Step::Index(index)) => replace_element(&list, *index, value, path)?,
            _ => return Err(no_such(path)),
        }
        self.note(path);
        Ok(())
    }

    /// Removes the value at a path; `false` when there was none.
    ///
    /// # Errors
    /// When the path leads through something that is no object or list.
    pub fn remove(&mut self, path: &KeyPath) -> Result<bool, EditError> {
        let Some((last, above)) = path.0.split_last() else { return Ok(false) };
        let removed = match (self.container(above, false)?, last) {
            (Some(Container::Object(object)), Step::Key(key)) => {
                object.get(key).map(jsonc_parser::cst::CstObjectProp::remove).is_some()
            }
            (Some(Container::List(list)), Step::Index(index)) => {
                list.elements().into_iter().nth(*index).map(CstNode::remove).is_some()
            }
            _ => false,
        };
        if removed {
            self.note(path);
        }
        Ok(removed)
    }

    /// Appends to a list, which is made where there is none.
    ///
    /// # Errors
    /// When there is something else at the path.
    pub fn push(&mut self, path: &KeyPath, value: &Value) -> Result<(), EditError> {
        match self.get(path) {
            None => self.set(path, &Value::Array(vec![value.clone()])),
            Some(Value::Array(_)) => {
                let Some(Container::List(array)) = self.container(&path.0, false)? else {
                    return Err(no_such(path));
                };
                array.append(input(value));
                self.note(path);
                Ok(())
            }
            Some(_) => Err(EditError::Path(format!("{path} is no list"))),
        }
    }

    /// The text with its changes.
    #[must_use]
    pub fn text(&self) -> String {
        let mark = match &self.original {
            Some(text) if text.starts_with('\u{feff}') => "\u{feff}",
            _ => "",
        };
        format!("{mark}{}", self.root)
    }

    /// Checks the result and writes it, atomically; a file that says so already is not touched.
    ///
    /// # Errors
    /// When the result would be wrong, when somebody else manages the file, or when it cannot be written.
    pub fn save(&self, environment: &Environment) -> Result<Saved, EditError> {
        let text = self.text();
        if self.changed.is_empty() || self.original.as_ref() == Some(&text) {
            return Ok(Saved::Unchanged);
        }
        from_text(&text, Some(&self.path), environment)?;
        if let Some(mut managed) = managed(&self.path, environment) {
            managed.lines = self.changed.iter().map(|path| self.as_nix(path)).collect();
            return Err(EditError::Managed(managed));
        }
        write::atomically(&self.path, &text)
            .map_err(|source| EditError::File { path: self.path.clone(), source })?;
        Ok(Saved::Written)
    }

    fn note(&mut self, path: &KeyPath) {
        let path = match path.0.split_last() {
            Some((Step::Index(_), list)) => KeyPath(list.to_vec()),
            _ => path.clone(),
        };
        if !self.changed.contains(&path) {
            self.changed.push(path);
        }
    }

    /// The value at a path as a line of Nix, without its secrets: they do not belong into the store.
    fn as_nix(&self, path: &KeyPath) -> String {
        let value = self.get(path).map(|value| hide_secrets(value, ROOT.at(path)));
        assignment(path, value.as_ref())
    }

    /// The object or list at a path; with `make`, objects on the way are made.
    fn container(&self, steps: &[Step], make: bool) -> Result<Option<Container>, EditError> {
        let Some(root) = self.root.object_value() else {
            return Err(EditError::Path("the file is no object".to_owned()));
        };
        let mut here = Container::Object(root);
        for (depth, step) in steps.iter().enumerate() {
            let at = || KeyPath(steps.iter().take(depth + 1).cloned().collect());
            let next = match (&here, step) {
                (Container::Object(object), Step::Key(key)) => match object.get(key) {
                    Some(property) => property.value(),
                    None if make => object
                        .object_value_or_create(key)
                        .map(|made| CstNode::Container(CstContainerNode::Object(made))),
                    None => return Ok(None),
                },
                (Container::List(list), Step::Index(index)) => list.elements().into_iter().nth(*index),
                _ => None,
            };
            here = match next {
                Some(CstNode::Container(CstContainerNode::Object(object))) => Container::Object(object),
                Some(CstNode::Container(CstContainerNode::Array(list))) => Container::List(list),
                _ => return Err(EditError::Path(format!("{} is no object and no list", at()))),
            };
        }
        Ok(Some(here))
    }
}

enum Container {
    Object(CstObject),
    List(CstArray),
}

fn no_such(path: &KeyPath) -> EditError {
    EditError::Path(format!("there is no place {path}"))
}

fn replace_element(list: &CstArray, index: usize, value: &Value, path: &KeyPath) -> Result<(), EditError> {
    let Some(old) = list.elements().into_iter().nth(index) else {
        return Err(EditError::Path(format!("{path} is beyond the end of its list")));
    };
    list.insert(index, input(value));
    old.remove();
    Ok(())
}

/// A value as the tree takes it.
fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(flag) => CstInputValue::Bool(*flag),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(list) => CstInputValue::Array(list.iter().map(input).collect()),
        Value::Object(object) => {
            CstInputValue::Object(object.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}

/// Writes a new file, or replaces one, as [`Document::save`] does.
///
/// # Errors
/// When somebody else manages it, or when it cannot be written.
pub fn replace(path: &Path, text: &str, environment: &Environment) -> Result<(), EditError> {
    if let Some(managed) = managed(path, environment) {
        return Err(EditError::Managed(managed));
    }
    write::atomically(path, text).map_err(|source| EditError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
