//! Whether a change may be made: it must not make a file wrong, but it may fix one of several errors.

use std::path::Path;

use super::EditError;
use crate::config::environment::Environment;
use crate::config::from_text;
use crate::config::issue::{ConfigError, Issue};
use crate::config::keypath::{KeyPath, PathSegment};

/// What a change does to the errors of a file.
///
/// # Errors
/// [`EditError::Invalid`] when it makes a valid file wrong; [`EditError::Broken`] when the file was wrong
/// already, and the change removes no error or adds one.
pub(super) fn check_change(
    before: Option<&str>,
    after: &str,
    path: &Path,
    environment: &Environment,
) -> Result<(), EditError> {
    let issues = |text| from_text(text, Some(path), environment).err();
    let Some(after) = issues(after) else { return Ok(()) };
    let Some(before) = before.and_then(issues) else { return Err(after.into()) };
    let mut gone: Vec<String> = before.issues.iter().map(issue_identity).collect();
    let mut added = Vec::new();
    for issue in after.issues {
        let identity = issue_identity(&issue);
        match gone.iter().position(|known| *known == identity) {
            Some(at) => {
                gone.swap_remove(at);
            }
            None => added.push(issue),
        }
    }
    if added.is_empty() && !gone.is_empty() {
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
