//! Reads, locks, backs up and writes files of the configuration: a file is replaced as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Only Nix writes files in this directory.
pub(super) const NIX_STORE: &str = "/nix/store";

/// Links that a path may lead through, as many as Linux follows.
const MAX_LINKS: usize = 40;

/// Where a path leads through its links, one after the other; links to nothing lead to where the last one points.
///
/// # Errors
/// When they lead in a circle.
pub(super) fn resolve_links(path: &Path) -> io::Result<PathBuf> {
    follow_links(path, MAX_LINKS)
}

fn follow_links(path: &Path, links: usize) -> io::Result<PathBuf> {
    if let Ok(target) = fs::canonicalize(path) {
        return Ok(target);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Ok(target) = fs::read_link(path) {
        let Some(links) = links.checked_sub(1) else {
            let message = format!("{} leads through too many links", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        return follow_links(&parent.map_or_else(|| target.clone(), |parent| parent.join(&target)), links);
    }
    // The directory may be a link, or be missing too.
    match (parent, path.file_name()) {
        (Some(parent), Some(name)) => Ok(follow_links(parent, links)?.join(name)),
        _ => Ok(path.to_owned()),
    }
}

/// The directory of a file.
pub(super) fn directory_of(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates the directory of a file if it is missing: 0700, as it may hold keys.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    let target = resolve_links(path)?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory_of(&target))
}

/// Writes beside the file and renames. A link stays a link; an existing file keeps its mode, a new one gets 0600 and
/// its directory 0700: it may hold keys.
pub(super) fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let mode = fs::metadata(path).map_or(0o600, |metadata| metadata.permissions().mode() & 0o777);
    write_with_mode(path, text.as_bytes(), mode)
}

/// Like [`write_atomically`], with this mode whatever the file had.
pub(super) fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    create_directory(path)?;
    replace_file(&resolve_links(path)?, bytes, mode, || Ok(()))
}

/// Writes a temporary file beside `target`, then calls `prepare`, then renames it. After an error the file is as before.
fn replace_file(
    target: &Path,
    bytes: &[u8],
    mode: u32,
    prepare: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let directory = directory_of(target);
    let (mut file, temporary) = create_temporary_file(directory)?;
    let replaced = (|| {
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        prepare()?;
        fs::rename(&temporary, target)
    })();
    if replaced.is_err() {
        // The first error reports the cause.
        let _ = fs::remove_file(&temporary);
        return replaced;
    }
    File::open(directory)?.sync_all()
}

/// A new file with an unused name.
fn create_temporary_file(directory: &Path) -> io::Result<(File, PathBuf)> {
    let mut attempts = 0;
    loop {
        let path = directory.join(format!(".moonrelay-{:08x}.tmp", fastrand::u32(..)));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempts < 8 => attempts += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Waits until no other process edits files of this directory. The lock is on the directory itself, because the
/// file is replaced and no lock file must be left beside it. It ends with the file handle. `None` if the
/// directory does not exist yet, or the file system does not support locks: an edit continues without one.
pub(super) fn lock_directory(path: &Path) -> Option<File> {
    let target = resolve_links(path).ok()?;
    if target.starts_with(NIX_STORE) {
        return None;
    }
    let directory = File::open(directory_of(&target)).ok()?;
    loop {
        match directory.lock() {
            Ok(()) => return Some(directory),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// The number of the oldest backup.
const MAX_BACKUP_NUMBER: u32 = 4;

/// Keeps the previous content as a backup with mode 0600, beside the target if the file is a link. Returns its path.
///
/// An interruption loses at most the oldest backup: the new one is written before any other is renamed.
pub(super) fn back_up(path: &Path, before: &[u8]) -> io::Result<PathBuf> {
    let target = resolve_links(path)?;
    let newest = backup_path(&target, 0);
    replace_file(&newest, before, 0o600, || {
        for number in (0..MAX_BACKUP_NUMBER).rev() {
            match fs::rename(backup_path(&target, number), backup_path(&target, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(newest)
}

/// `config.json5.bak` for 0, else with a number behind.
fn backup_path(target: &Path, number: u32) -> PathBuf {
    let mut name = target.file_name().map(OsString::from).unwrap_or_default();
    name.push(".bak");
    if number > 0 {
        name.push(format!(".{number}"));
    }
    target.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::back_up;

    #[test]
    fn five_backups_are_kept_and_the_newest_has_no_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json5");
        for number in 0..7 {
            let kept = back_up(&file, number.to_string().as_bytes()).unwrap();
            assert_eq!(kept, folder.path().join("config.json5.bak"));
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let names = [
            "config.json5.bak",
            "config.json5.bak.1",
            "config.json5.bak.2",
            "config.json5.bak.3",
            "config.json5.bak.4",
        ];
        assert_eq!(names.map(read), ["6", "5", "4", "3", "2"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len());
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(names.map(mode), [0o600; 5]);
    }

    #[test]
    fn backup_is_beside_the_target_of_a_link() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(there.path().join("mine.json5"), "{}").unwrap();
        let link = here.path().join("config.json5");
        symlink(there.path().join("mine.json5"), &link).unwrap();
        assert_eq!(back_up(&link, b"{}").unwrap().file_name().unwrap(), "mine.json5.bak");
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 1);
    }

    #[test]
    fn backup_that_cannot_be_moved_prevents_the_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json5");
        back_up(&file, b"old").unwrap();
        fs::write(folder.path().join("config.json5.bak.3"), "older").unwrap();
        fs::create_dir_all(folder.path().join("config.json5.bak.4/x")).unwrap();
        assert!(back_up(&file, b"new").is_err());
        assert_eq!(fs::read_to_string(folder.path().join("config.json5.bak")).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
