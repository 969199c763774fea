//! The files that changes replaced: `config.json5.bak` is what stood there before the last one, `.bak.1` to `.bak.4`
//! are older, as OpenClaw names them.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::atomic_write::{create_temporary_beside, directory_of, resolve_links};

/// The oldest one's number.
const MAX_BACKUP_NUMBER: u32 = 4;

/// Keeps what the file says until now, beside the file itself where a link leads to it. 0600, as it may hold keys.
/// Returns where it is.
///
/// Whatever stops this in the middle, nothing is lost but perhaps the oldest one: a copy is written whole before any
/// name is taken from another.
pub(super) fn back_up(path: &Path, before: &[u8]) -> io::Result<PathBuf> {
    let target = resolve_links(path)?;
    let (mut file, temporary) = create_temporary_beside(directory_of(&target))?;
    let newest = backup_path(&target, 0);
    let kept = (|| {
        file.write_all(before)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.sync_all()?;
        for number in (0..MAX_BACKUP_NUMBER).rev() {
            match fs::rename(backup_path(&target, number), backup_path(&target, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&temporary, &newest)
    })();
    if kept.is_err() {
        // The first error reports the cause.
        let _ = fs::remove_file(&temporary);
    }
    kept.map(|()| newest)
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
    fn five_are_kept_and_the_newest_has_no_number() {
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
    fn it_stands_beside_the_file_that_a_link_leads_to() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(there.path().join("mine.json5"), "{}").unwrap();
        let link = here.path().join("config.json5");
        symlink(there.path().join("mine.json5"), &link).unwrap();
        assert_eq!(back_up(&link, b"{}").unwrap().file_name().unwrap(), "mine.json5.bak");
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_that_cannot_make_way_stops_the_change_and_stays() {
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
