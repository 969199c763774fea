//! The files besides the configuration that its secrets come from.

use std::path::{Path, PathBuf};

use crate::config::environment::Environment;
use crate::config::file::At;

/// The secrets file, and each `{ source: "file", id }`; `base` is where a relative one starts.
pub(super) fn files(root: &At<'_>, environment: &Environment, base: Option<&Path>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = environment.secrets_file().into_iter().collect();
    let mut left = vec![root.clone()];
    while let Some(at) = left.pop() {
        let text = |key: &str| at.get(key).and_then(|at| at.text().map(str::to_owned));
        if let (Some("file"), Some(id)) = (text("source").as_deref(), text("id")) {
            found.push(environment.expand(&id, base));
        }
        left.extend(at.members().into_iter().map(|(_, member)| member));
        left.extend(at.elements());
    }
    found.sort();
    found.dedup();
    found
}
