//! Finds, reads and resolves the configuration.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::file::{ConfigError, Tree};
use super::resolve::resolve_settings;
use super::secrets_file::read_bounded;
use super::settings::Settings;
use super::validate::{self, Diagnostics};

/// Location of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// Whether `--config` or `MOONRELAY_CONFIG` names it: then it must exist.
    pub explicit: bool,
}

/// `--config` > `$MOONRELAY_CONFIG` > `$XDG_CONFIG_HOME/moonrelay/config.json5`; `None` without a home.
#[must_use]
pub fn locate(flag: Option<&Path>, environment: &Environment) -> Option<Location> {
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
    match read_bounded(&location.path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => from_text(&text, Some(&location.path), environment),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                Err(ConfigError::from_unreadable_file(
                    &location.path,
                    &format!("it is not UTF-8 (at byte {valid})"),
                ))
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            match find_dangling_link(&location.path) {
                Some((link, target)) => {
                    let why =
                        format!("{} is a link to {}, which does not exist", link.display(), target.display());
                    Err(ConfigError::from_unreadable_file(&location.path, &why))
                }
                None if location.explicit => {
                    Err(ConfigError::from_unreadable_file(&location.path, &error.to_string()))
                }
                None => from_text("{}", None, environment),
            }
        }
        Err(error) => Err(ConfigError::from_unreadable_file(&location.path, &error.to_string())),
    }
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
    let mut report = Diagnostics::new(&tree);
    let file = validate::read_tree(&tree, &mut report);
    let settings = resolve_settings(&file, path, environment, &mut report);
    let (mut issues, warnings) = report.into_parts();
    if !issues.is_empty() {
        issues.sort_by_key(|issue| (issue.line, issue.column));
        issues.dedup();
        return Err(invalid(issues));
    }
    Ok(Settings { warnings, ..settings })
}
