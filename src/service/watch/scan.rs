//! One look at the files: what leads to them is watched, and how they are now.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use inotify::{EventMask, EventOwned, WatchDescriptor, WatchMask, Watches};
use tracing::{debug, warn};

use super::path_entries::{PathEntry, list_path_entries};

/// Links may be changed while they are followed; they are followed again, but not for ever.
const MAX_SCANS: usize = 3;

/// The identity and time of the file at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileFingerprint {
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl FileFingerprint {
    fn from_path(path: &Path) -> Option<Self> {
        // A pipe differs at each read, and a directory cannot be read as a file.
        let meta = path.metadata().ok().filter(Metadata::is_file)?;
        Some(Self {
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            changed: (meta.ctime(), meta.ctime_nsec()),
            modified: (meta.mtime(), meta.mtime_nsec()),
        })
    }
}

/// What a look saw.
#[derive(Debug, Default)]
pub(super) struct ScanResult {
    /// Directories, and the names in them that matter.
    watched: HashMap<WatchDescriptor, (PathBuf, Vec<OsString>)>,
    pub(super) fingerprints: HashMap<PathBuf, Option<FileFingerprint>>,
}

/// Scans the files; it may block. The watches are added first, so a change after the scan is reported.
pub(super) fn scan_files(files: &[PathBuf], mut watches: Watches) -> ScanResult {
    let all = || -> Vec<PathEntry> { files.iter().flat_map(|file| list_path_entries(file)).collect() };
    let mut found = all();
    let mut seen = ScanResult::default();
    for _ in 0..MAX_SCANS {
        seen.watched = add_watches(&found, &mut watches);
        let again = all();
        if again == found {
            break;
        }
        found = again;
    }
    seen.fingerprints = files.iter().map(|file| (file.clone(), FileFingerprint::from_path(file))).collect();
    seen
}

fn add_watches(
    found: &[PathEntry],
    watches: &mut Watches,
) -> HashMap<WatchDescriptor, (PathBuf, Vec<OsString>)> {
    // No DELETE: a user who removes a file is about to replace it, or wants the gateway to keep serving.
    let moves = WatchMask::MOVED_TO | WatchMask::CREATE | WatchMask::ONLYDIR;
    let mut masks: HashMap<&Path, WatchMask> = HashMap::new();
    for entry in found {
        let mask = masks.entry(&entry.directory).or_insert(moves);
        if entry.is_file {
            // Fixing a file's mode changes whether it can be read.
            *mask |= WatchMask::CLOSE_WRITE | WatchMask::ATTRIB;
        }
    }
    let mut watched = HashMap::new();
    for (directory, mask) in masks {
        match watches.add(directory, mask) {
            Ok(descriptor) => {
                let names = found.iter().filter(|entry| entry.directory == directory);
                let names: Vec<OsString> = names.map(|entry| entry.name.clone()).collect();
                let (_, all) =
                    watched.entry(descriptor).or_insert_with(|| (directory.to_owned(), Vec::new()));
                all.extend(names);
            }
            Err(error) => log_watch_error(directory, mask, &error),
        }
    }
    watched
}

fn log_watch_error(directory: &Path, mask: WatchMask, error: &io::Error) {
    let directory = directory.display();
    match error.kind() {
        // The file may be created later, and then its parent reports it.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
        _ if mask.contains(WatchMask::CLOSE_WRITE) => {
            warn!(%error, "{directory} is not watched; SIGHUP reloads")
        }
        _ => debug!(%error, "{directory} is not watched"),
    }
}

impl ScanResult {
    /// Takes the place of an earlier look. Directories that no longer lead anywhere are left.
    pub(super) fn replace(&mut self, new: Self, mut watches: Watches) {
        for old in self.watched.keys().filter(|old| !new.watched.contains_key(old)) {
            // The kernel may have dropped it with its directory.
            let _ = watches.remove(old.clone());
        }
        *self = new;
    }

    /// Whether a file is another than it was known to be. One that is gone is not: another is about to take its place.
    pub(super) fn has_changed_since(&self, known: &Self) -> bool {
        let mut prints = self.fingerprints.iter();
        prints.any(|(file, print)| print.is_some() && known.fingerprints.get(file) != Some(print))
    }

    /// Whether something may have changed. A new file is empty until it is closed; a directory or a link is whole.
    pub(super) fn is_relevant(&self, event: &EventOwned) -> bool {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            return true;
        }
        let (Some((directory, names)), Some(name)) = (self.watched.get(&event.wd), &event.name) else {
            return false;
        };
        let is_new = event.mask.contains(EventMask::CREATE) && !event.mask.contains(EventMask::ISDIR);
        names.contains(name) && (!is_new || directory.join(name).is_symlink())
    }
}
