//! Changes of whole files: units, an imported configuration, and lines of the secrets file.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::files;
use super::outcome::{EditError, SaveOutcome, find_manager};
use crate::config::environment::Environment;
use crate::config::secrets_file::{SecretsFile, parse_name};
use crate::secret::Secret;

/// Writes or replaces a file atomically, unless it is managed externally.
pub(crate) fn replace_file(path: &Path, text: &str, environment: &Environment) -> Result<(), EditError> {
    change_file(path, environment, |_| files::write_atomically(path, text))
}

/// Like [`replace_file`], for a whole configuration. A file with the same content is not touched; different content is
/// kept as a backup.
pub(crate) fn replace_config(
    path: &Path,
    text: &str,
    environment: &Environment,
) -> Result<SaveOutcome, EditError> {
    change_file(path, environment, |before| {
        if before == Some(text.as_bytes()) {
            return Ok(SaveOutcome::Unchanged);
        }
        let backup = before.map(|before| files::back_up(path, before)).transpose()?;
        files::write_atomically(path, text)?;
        Ok(SaveOutcome::Written { backup })
    })
}

/// Changes a file under the lock. `change` gets its content, or `None` if the file does not exist.
fn change_file<T>(
    path: &Path,
    environment: &Environment,
    change: impl FnOnce(Option<&[u8]>) -> io::Result<T>,
) -> Result<T, EditError> {
    if let Some(managed) = find_manager(path, environment) {
        return Err(EditError::Managed(managed));
    }
    let failed = |source| EditError::File { path: path.to_owned(), source };
    files::create_directory(path).map_err(failed)?;
    let lock = files::lock_directory(path);
    let before = match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(failed(source)),
    };
    let changed = change(before.as_deref()).map_err(failed);
    drop(lock);
    changed
}

/// Writes `NAME=value` into the secrets file atomically, with mode 0600. The effective line is replaced in
/// place, and the other lines are kept. A file with the same content is not touched, except for its mode.
/// A value that does not fit on one line is an error. Returns whether the file was changed.
pub(crate) fn set_secret(
    path: &Path,
    name: &str,
    value: &Secret,
    environment: &Environment,
) -> Result<bool, EditError> {
    change_file(path, environment, |before| {
        let before = before.unwrap_or_default();
        let after = replace_line(before, name, value.expose());
        // What a reader would not read back is refused before it is written.
        if SecretsFile::parse(&after).values.get(name).map(String::as_str) != Some(value.expose()) {
            let why = "the value cannot be written on one line of this file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let is_private = fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o077 == 0);
        if after == before && is_private {
            return Ok(false);
        }
        files::write_with_mode(path, &after, 0o600)?;
        Ok(true)
    })
}

/// The bytes with the line. Of several lines of a name the last one counts.
fn replace_line(before: &[u8], name: &str, value: &str) -> Vec<u8> {
    if SecretsFile::parse(before).values.get(name).is_some_and(|known| known == value) {
        return before.to_owned();
    }
    let mut lines: Vec<Vec<u8>> = before.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let end = if before.windows(2).any(|pair| pair == b"\r\n") { "\r" } else { "" };
    let line = format!("{name}={value}{end}").into_bytes();
    match lines.iter_mut().rfind(|line| parse_name(line) == Some(name)) {
        Some(old) => {
            // Text before the name is kept: a byte order mark, white space, `export `.
            let start = old.windows(name.len()).position(|window| window == name.as_bytes());
            old.truncate(start.unwrap_or_default());
            old.extend(line);
        }
        None => {
            // The last line may lack its end.
            if lines.last().is_some_and(Vec::is_empty) {
                lines.pop();
            }
            lines.extend([line, Vec::new()]);
        }
    }
    lines.join(&b'\n')
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{replace_line, set_secret};
    use crate::config::{Environment, edit::EditError};
    use crate::secret::Secret;

    fn after(before: &str, name: &str, value: &str) -> String {
        String::from_utf8(replace_line(before.as_bytes(), name, value)).unwrap()
    }

    #[test]
    fn effective_line_is_replaced_and_others_are_kept() {
        for (before, expected) in [
            ("", "K=new\n"),
            ("# mine\nA=1\n", "# mine\nA=1\nK=new\n"),
            ("A=1", "A=1\nK=new\n"),
            ("K=old\n# after\n", "K=new\n# after\n"),
            ("K=one\nA=1\n  export K='two'\n\n", "K=one\nA=1\n  export K=new\n\n"),
            ("#K=old\nKK=1\n", "#K=old\nKK=1\nK=new\n"),
            ("A=1\r\nK = old\r\n", "A=1\r\nK=new\r\n"),
            ("A=1\r\n", "A=1\r\nK=new\r\n"),
            ("\u{feff}K=old\n", "\u{feff}K=new\n"),
        ] {
            assert_eq!(after(before, "K", "new"), expected, "{before:?}");
        }
        for same in ["K=new\n", "export K = 'new'\n# x", "K=old\nK=\"new\""] {
            assert_eq!(after(same, "K", "new"), same);
        }
        assert_eq!(replace_line(b"A=\xff\nK=1\n", "K", "2"), b"A=\xff\nK=2\n");
    }

    #[test]
    fn secrets_file_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/moonrelay/env");
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let write =
            |value: &str| set_secret(&path, "K", &Secret::new(value.to_owned()), &Environment::default());
        assert!(write("1").unwrap());
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(!write("1").unwrap());
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(write("1").unwrap(), "the mode is fixed");
        assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (0o600, "K=1\n"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn invalid_value_and_managed_file_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        for value in ["sk-1\nsk-2", " sk-1", "'sk-1'"] {
            let refused = set_secret(&path, "K", &Secret::new(value.to_owned()), &Environment::default());
            let message = refused.unwrap_err().to_string();
            assert!(
                message.contains("cannot be written on one line") && !message.contains("sk-"),
                "{message}"
            );
        }
        assert!(!path.exists());
        symlink("/nix/store/0000-env", &path).unwrap();
        let refused = set_secret(&path, "K", &Secret::new("v".to_owned()), &Environment::default());
        assert!(matches!(refused, Err(EditError::Managed(_))), "{refused:?}");
    }
}
