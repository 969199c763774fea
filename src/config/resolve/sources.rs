//! The files besides the configuration that its secrets come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::environment::Environment;
use crate::config::file::Cursor;
use crate::config::settings::Provider;

/// The secrets file, each `{ source: "file", id }`, and those of logins; `base` is where a relative one starts.
pub(super) fn files(
    root: &Cursor<'_>,
    providers: &BTreeMap<String, Provider>,
    environment: &Environment,
    base: Option<&Path>,
) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = environment.secrets_file().into_iter().collect();
    for provider in providers.values() {
        let Some(place) = &provider.login_file else { continue };
        found.push(place.lock_path());
        // The token file changes with each refresh, so it is not watched. An unusable one may be fixed, so it
        // is.
        if provider.disabled_reason.is_some() {
            found.push(place.token_path());
        }
    }
    let mut left = vec![root.clone()];
    while let Some(at) = left.pop() {
        let text = |key: &str| at.get(key).and_then(|at| at.as_str().map(str::to_owned));
        if let (Some("file"), Some(id)) = (text("source").as_deref(), text("id")) {
            found.push(environment.expand_path(&id, base));
        }
        left.extend(at.members().into_iter().map(|(_, member)| member));
        left.extend(at.elements());
    }
    found.sort();
    found.dedup();
    found
}
