//! Changes to the file that keep its comments, its quotes and its order.

mod files;
mod nix;
mod outcome;
mod whole_file;

use std::fs::File;
use std::path::{Path, PathBuf};

use jsonc_parser::cst::{CstContainerNode, CstInputValue, CstNode, CstObject, CstObjectProp, CstRootNode};
use serde_json::Value;

use super::environment::Environment;
use super::file::{self, ConfigError, Issue};
use super::keypath::{KeyPath, PathSegment};
use super::load::{Location, from_text};

pub(crate) use nix::render_assignments as nix_lines;
pub use outcome::{EditError, ManagedFile};
pub(crate) use outcome::{SaveOutcome, find_manager};
pub(crate) use whole_file::{replace_config, replace_file, set_secret};

/// One change.
#[derive(Clone, Debug)]
enum Change {
    Set(Value),
    Remove,
    /// Into a list, before this index or at the end.
    Insert(usize, Value),
}

/// A file that is being changed. It is locked against other editors until this is dropped, so two in one thread
/// deadlock.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    /// As read; `None` if the file does not exist yet.
    original_text: Option<String>,
    root: CstRootNode,
    /// In the order in which they were made.
    changes: Vec<(KeyPath, Change)>,
    lock: Option<File>,
}

impl Document {
    /// Opens the file of a location; one that does not exist yet is an empty configuration. Waits until no
    /// other editor holds the lock.
    pub(crate) fn open(location: &Location) -> Result<Self, EditError> {
        Self::parse(&location.path, files::lock_directory(&location.path))
    }

    /// Like `Document::open`, but read-only, without the lock.
    ///
    /// # Errors
    /// When it cannot be read, or does not parse.
    pub fn read(location: &Location) -> Result<Self, EditError> {
        Self::parse(&location.path, None)
    }

    fn parse(path: &Path, lock: Option<File>) -> Result<Self, EditError> {
        let path = path.to_owned();
        let original = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(EditError::File { path, source }),
        };
        let text = original.as_deref().unwrap_or("{}\n");
        let invalid = |issue: Issue| ConfigError { path: Some(path.clone()), issues: vec![issue] };
        // The tree's parser writes its errors for users and refuses an empty file.
        file::Tree::parse(text).map_err(invalid)?;
        let root = CstRootNode::parse(file::strip_byte_order_mark(text), &file::parse_options());
        let root = root.map_err(|error| {
            let position = (error.line_display(), error.column_display());
            invalid(Issue::at_root(error.kind().to_string(), position))
        })?;
        Ok(Self { path, original_text: original, root, changes: Vec::new(), lock })
    }

    /// The value at a path.
    #[must_use]
    pub fn get(&self, path: &KeyPath) -> Option<Value> {
        path.find_in(&self.root.to_serde_value()?).cloned()
    }

    /// Sets the value at a path. Missing parent objects are created.
    ///
    /// # Errors
    /// When the path leads through something else.
    pub fn set(&mut self, path: &KeyPath, value: &Value) -> Result<(), EditError> {
        self.apply(path, Change::Set(value.clone())).map(drop)
    }

    /// Removes the value at a path; `false` when there was none.
    ///
    /// # Errors
    /// When the path leads through a value that is not an object or list.
    pub fn remove(&mut self, path: &KeyPath) -> Result<bool, EditError> {
        self.apply(path, Change::Remove)
    }

    /// Appends to a list. A missing list is created.
    pub(crate) fn push(&mut self, path: &KeyPath, value: &Value) -> Result<(), EditError> {
        self.apply(path, Change::Insert(usize::MAX, value.clone())).map(drop)
    }

    /// Inserts before the first element of a list. A missing list is created.
    pub(crate) fn push_front(&mut self, path: &KeyPath, value: &Value) -> Result<(), EditError> {
        self.apply(path, Change::Insert(0, value.clone())).map(drop)
    }

    /// Makes a change; `false` when there was nothing to change.
    fn apply(&mut self, path: &KeyPath, change: Change) -> Result<bool, EditError> {
        let made = match &change {
            Change::Set(value) => self.set_value(path, value)?,
            Change::Remove => self.remove_value(path)?,
            Change::Insert(index, value) => self.insert(path, value, *index)?,
        };
        if made {
            self.changes.push((path.clone(), change));
        }
        Ok(made)
    }

    fn set_value(&self, path: &KeyPath, value: &Value) -> Result<bool, EditError> {
        if self.get(path).as_ref() == Some(value) {
            return Ok(false);
        }
        let Some((last, above)) = path.0.split_last() else {
            return Err(EditError::Path("the whole configuration cannot be set: name a path".to_owned()));
        };
        let parent = self.container(above, true)?.ok_or_else(|| missing_path_error(path))?;
        match (parent, last) {
            (CstContainerNode::Object(object), PathSegment::Key(key)) => match find_property(&object, key) {
                Some(property) => property.set_value(to_cst_input(value)),
                None => drop(object.append(key, to_cst_input(value))),
            },
            (CstContainerNode::Array(list), PathSegment::Index(index)) => {
                let Some(old) = list.elements().into_iter().nth(*index) else {
                    return Err(EditError::Path(format!("{path} is beyond the end of its list")));
                };
                list.insert(*index, to_cst_input(value));
                old.remove();
            }
            _ => return Err(missing_path_error(path)),
        }
        Ok(true)
    }

    fn remove_value(&self, path: &KeyPath) -> Result<bool, EditError> {
        let Some((last, above)) = path.0.split_last() else { return Ok(false) };
        Ok(match (self.container(above, false)?, last) {
            (Some(CstContainerNode::Object(object)), PathSegment::Key(key)) => {
                find_property(&object, key).map(CstObjectProp::remove).is_some()
            }
            (Some(CstContainerNode::Array(list)), PathSegment::Index(index)) => {
                list.elements().into_iter().nth(*index).map(CstNode::remove).is_some()
            }
            _ => false,
        })
    }

    fn insert(&self, path: &KeyPath, value: &Value, index: usize) -> Result<bool, EditError> {
        let Some(old) = self.get(path) else {
            return self.set_value(path, &Value::Array(vec![value.clone()]));
        };
        match self.container(&path.0, false) {
            Ok(Some(CstContainerNode::Array(list))) if old.is_array() => {
                list.insert(index.min(list.elements().len()), to_cst_input(value));
                Ok(true)
            }
            _ => Err(EditError::Path(format!("{path} is not a list"))),
        }
    }

    /// The text with its changes.
    #[must_use]
    pub fn text(&self) -> String {
        let mark = match &self.original_text {
            Some(text) if text.starts_with('\u{feff}') => "\u{feff}",
            _ => "",
        };
        format!("{mark}{}", self.root)
    }

    /// Whether the content equals the file's.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.changes.is_empty() || self.original_text.as_ref() == Some(&self.text())
    }

    /// The changes as lines of Nix.
    pub(crate) fn nix_lines(&self) -> Vec<String> {
        let places: Vec<KeyPath> = self.changes.iter().map(|(path, _)| path.clone()).collect();
        nix::render_assignments(&self.root.to_serde_value().unwrap_or_default(), &places)
    }

    /// Checks whether the result may be written, as [`Document::save`] does: it is valid, and the file is not managed
    /// externally.
    pub(crate) fn check(&self, environment: &Environment) -> Result<(), EditError> {
        if self.is_unchanged() {
            return Ok(());
        }
        check_change(self.original_text.as_deref(), &self.text(), &self.path, environment)?;
        match find_manager(&self.path, environment) {
            Some(managed) => Err(EditError::Managed(ManagedFile { nix_lines: self.nix_lines(), ..managed })),
            None => Ok(()),
        }
    }

    /// Checks the result and writes it atomically. A file with the same content is not touched; different
    /// content is kept as a backup beside the file. An invalid file may stay invalid, with fewer errors.
    pub(crate) fn save(&self, environment: &Environment) -> Result<SaveOutcome, EditError> {
        if self.is_unchanged() {
            return Ok(SaveOutcome::Unchanged);
        }
        self.check(environment)?;
        let failed = |source| EditError::File { path: self.path.clone(), source };
        let mut fresh = None;
        if self.lock.is_none() && self.original_text.is_none() {
            // There was no directory to lock; another process may have created it, and the file, meanwhile.
            files::create_directory(&self.path).map_err(failed)?;
            let mut document = Self::parse(&self.path, files::lock_directory(&self.path))?;
            if document.original_text.is_some() {
                for (path, change) in &self.changes {
                    document.apply(path, change.clone())?;
                }
                return document.save(environment);
            }
            fresh = Some(document);
        }
        let before = self.original_text.as_deref();
        let backup = before.map(|before| files::back_up(&self.path, before.as_bytes()));
        let backup = backup.transpose().map_err(failed)?;
        files::write_atomically(&self.path, &self.text()).map_err(failed)?;
        drop(fresh);
        Ok(SaveOutcome::Written { backup })
    }

    /// The errors of the changed text.
    #[must_use]
    pub fn issues(&self, environment: &Environment) -> Vec<Issue> {
        from_text(&self.text(), Some(&self.path), environment).err().map(|e| e.issues).unwrap_or_default()
    }

    /// The object or list at a path; with `make`, missing parent objects are created.
    fn container(&self, steps: &[PathSegment], make: bool) -> Result<Option<CstContainerNode>, EditError> {
        let Some(root) = self.root.object_value() else {
            return Err(EditError::Path("the file is not an object".to_owned()));
        };
        let mut here = CstContainerNode::Object(root);
        for (depth, step) in steps.iter().enumerate() {
            let next = match (&here, step) {
                (CstContainerNode::Object(object), PathSegment::Key(key)) => match find_property(object, key)
                {
                    Some(property) => property.value(),
                    None if make => object.object_value_or_create(key).map(CstNode::from),
                    None => return Ok(None),
                },
                (CstContainerNode::Array(list), PathSegment::Index(index)) => {
                    list.elements().into_iter().nth(*index)
                }
                _ => None,
            };
            here = match next {
                Some(CstNode::Container(
                    next @ (CstContainerNode::Object(_) | CstContainerNode::Array(_)),
                )) => next,
                _ => {
                    let at = KeyPath(steps.iter().take(depth + 1).cloned().collect());
                    return Err(EditError::Path(format!("{at} is not an object and not a list")));
                }
            };
        }
        Ok(Some(here))
    }
}

/// The property of this name. Of duplicates the last counts, as for every reader of the file.
fn find_property(object: &CstObject, key: &str) -> Option<CstObjectProp> {
    let named = |property: &CstObjectProp| {
        property.name().and_then(|name| name.decoded_value().ok()).is_some_and(|name| name == key)
    };
    object.properties().into_iter().rfind(named)
}

fn missing_path_error(path: &KeyPath) -> EditError {
    EditError::Path(format!("there is no setting {path}"))
}

/// A value as the tree takes it.
fn to_cst_input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(flag) => CstInputValue::Bool(*flag),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(list) => CstInputValue::Array(list.iter().map(to_cst_input).collect()),
        Value::Object(object) => CstInputValue::Object(
            object.iter().map(|(key, value)| (key.clone(), to_cst_input(value))).collect(),
        ),
    }
}

/// Whether a change may be made: it must not make a valid file invalid, but it may fix one of several errors without
/// adding another.
fn check_change(
    before: Option<&str>,
    after: &str,
    path: &Path,
    environment: &Environment,
) -> Result<(), EditError> {
    let issues = |text| from_text(text, Some(path), environment).err();
    let Some(after) = issues(after) else { return Ok(()) };
    let Some(before) = before.and_then(issues) else { return Err(after.into()) };
    let mut fixed: Vec<String> = before.issues.iter().map(issue_identity).collect();
    let mut added = after.issues;
    added.retain(|issue| {
        let known = fixed.iter().position(|known| *known == issue_identity(issue));
        known.map(|at| fixed.swap_remove(at)).is_none()
    });
    if added.is_empty() && !fixed.is_empty() {
        return Ok(());
    }
    let added = (!added.is_empty()).then_some(ConfigError { path: after.path, issues: added });
    Err(EditError::AlreadyInvalid { before, added })
}

/// The identity of an error without its position, because lines and list indexes move with a change.
fn issue_identity(issue: &Issue) -> String {
    let mut path = KeyPath::parse(&issue.path).unwrap_or_default();
    path.0.retain(|step| matches!(step, PathSegment::Key(_)));
    format!("{path}: {}", issue.message)
}

#[cfg(test)]
mod tests;
