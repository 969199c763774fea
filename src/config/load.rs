//! Finds, reads and resolves the configuration.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::file::{ConfigError, Tree};
use super::resolve::resolve_settings;
use super::secrets_file::read_bounded;
use super::settings::Settings;
use super::validate::read_tree;

/// Location of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// Whether `--config` or `MOONRELAY_CONFIG` names it: then it must exist.
    pub explicit: bool,
}

/// `--config` > `$MOONRELAY_CONFIG` > `$XDG_CONFIG_HOME/moonrelay/config.json5`; `None` without a home.
pub(crate) fn locate(flag: Option<&Path>, environment: &Environment) -> Option<Location> {
    if let Some(path) = flag {
        return Some(Location { path: path.to_owned(), explicit: true });
    }
    if let Some(path) = environment.get("MOONRELAY_CONFIG") {
        return Some(Location { path: PathBuf::from(path), explicit: true });
    }
    let directory = environment.config_directory()?;
    Some(Location { path: directory.join("config.json5"), explicit: false })
}

/// Finds, reads and resolves the configuration. Without a file the built-in catalog serves.
///
/// # Errors
/// Everything that is wrong with the file, at once.
pub fn load(flag: Option<&Path>, environment: &Environment) -> Result<Settings, ConfigError> {
    let Some(location) = locate(flag, environment) else {
        return from_text("{}", None, environment);
    };
    let path = &location.path;
    let unreadable = |why: String| ConfigError::from_unreadable_file(path, &why);
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            return match find_dangling_link(path).filter(|_| is_missing) {
                Some((link, target)) => {
                    let (link, target) = (link.display(), target.display());
                    Err(unreadable(format!("{link} is a link to {target}, which does not exist")))
                }
                None if is_missing && !location.explicit => from_text("{}", None, environment),
                None => Err(unreadable(error.to_string())),
            };
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        unreadable(format!("it is not UTF-8 (at byte {})", error.utf8_error().valid_up_to()))
    })?;
    from_text(&text, Some(path), environment)
}

/// The broken link in a path, and its target. A broken link means that a file was expected, unlike a file that
/// was never written.
fn find_dangling_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let link = path.ancestors().find(|part| part.symlink_metadata().is_ok())?;
    let target = std::fs::read_link(link).ok()?;
    link.metadata().is_err().then(|| (link.to_owned(), target))
}

/// Resolves a configuration that was read already. `path` is for messages, and for files named relative to it.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn from_text(
    text: &str,
    path: Option<&Path>,
    environment: &Environment,
) -> Result<Settings, ConfigError> {
    let invalid = |issues| ConfigError { path: path.map(Path::to_owned), issues };
    let tree = Tree::parse(text).map_err(|issue| invalid(vec![issue]))?;
    let (file, report) = read_tree(tree);
    resolve_settings(&file, path, environment, report).map_err(invalid)
}
