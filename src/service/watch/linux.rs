//! Watches with inotify. Links and directories on a path are watched too: a home-manager generation replaces a link, a
//! mounted secret replaces a directory.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchDescriptor, WatchMask, Watches};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// An event has 16 bytes and a name of at most 256.
const EVENT_BUFFER_BYTES: usize = 4096;
/// Changes within this time count once.
const QUIET_PERIOD: Duration = Duration::from_millis(100);
/// Longest wait for the end of changes.
const MAX_DEBOUNCE: Duration = Duration::from_secs(1);
/// A scan that takes longer waits for a mount whose server is gone.
const SCAN_TIMEOUT: Duration = Duration::from_secs(5);

/// Watched files.
pub struct FileWatcher {
    files: Vec<PathBuf>,
    events: EventStream<Vec<u8>>,
    last_scan: ScanResult,
}

impl FileWatcher {
    /// Starts to watch. Neither the files nor their directories need to be there.
    ///
    /// # Errors
    /// If the kernel refuses, or the scan takes too long.
    pub async fn new(files: Vec<PathBuf>) -> io::Result<Self> {
        let events = Inotify::init()?.into_event_stream(vec![0; EVENT_BUFFER_BYTES])?;
        let mut watcher = Self { files: Vec::new(), events, last_scan: ScanResult::default() };
        watcher.set_files(files).await?;
        watcher.mark_current().await?;
        Ok(watcher)
    }

    /// Records the current state of the files as known.
    ///
    /// # Errors
    /// If the scan takes too long.
    pub async fn mark_current(&mut self) -> io::Result<()> {
        let scan = self.scan().await?;
        self.last_scan.replace(scan, self.events.watches());
        Ok(())
    }

    /// Replaces the watched files. The known state of files that stay is kept.
    ///
    /// # Errors
    /// If the scan takes too long.
    pub async fn set_files(&mut self, files: Vec<PathBuf>) -> io::Result<()> {
        self.files = files.into_iter().map(std::path::absolute).collect::<io::Result<_>>()?;
        let mut scan = self.scan().await?;
        for (file, fingerprint) in &mut scan.fingerprints {
            if let Some(known) = self.last_scan.fingerprints.get(file) {
                *fingerprint = *known;
            }
        }
        self.last_scan.replace(scan, self.events.watches());
        Ok(())
    }

    async fn scan(&self) -> io::Result<ScanResult> {
        let (files, watches) = (self.files.clone(), self.events.watches());
        let scan = tokio::task::spawn_blocking(move || scan_files(&files, watches));
        timeout(SCAN_TIMEOUT, scan).await?.map_err(io::Error::other)
    }

    /// Resolves when one of the files differs from its known state. It stays so until
    /// [`FileWatcher::mark_current`].
    ///
    /// # Errors
    /// When the scan takes too long: the watch is then unusable.
    pub async fn wait_for_change(&mut self) -> io::Result<()> {
        let mut is_quiet = false;
        loop {
            let mut scan = self.scan().await?;
            let changed = scan.has_changed_since(&self.last_scan);
            scan.fingerprints = std::mem::take(&mut self.last_scan.fingerprints);
            self.last_scan.replace(scan, self.events.watches());
            if changed && is_quiet {
                return Ok(());
            }
            // A change from before this wait may still be half written: a writer empties the file first.
            if !changed {
                self.wait_for_event().await;
            }
            let settled = async { while timeout(QUIET_PERIOD, self.wait_for_event()).await.is_ok() {} };
            // The wait for the end of a change has this limit.
            let _ = timeout(MAX_DEBOUNCE, settled).await;
            is_quiet = true;
        }
    }

    /// Resolves when something may have changed.
    async fn wait_for_event(&mut self) {
        loop {
            match self.events.next().await {
                Some(Ok(event)) if self.last_scan.is_relevant(&event) => return,
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    warn!(%error, "an event of the watched files was lost");
                    // It may come again at once.
                    sleep(QUIET_PERIOD).await;
                    return;
                }
                None => std::future::pending().await,
            }
        }
    }
}

/// Links may change while they are followed. Then they are followed again, at most this often.
const MAX_SCANS: usize = 3;

/// Identity, size, and the times of the last changes of the file at a path.
type FileFingerprint = (u64, u64, u64, [i64; 4]);

fn read_fingerprint(path: &Path) -> Option<FileFingerprint> {
    // A pipe differs at each read, and a directory cannot be read as a file.
    let meta = path.metadata().ok().filter(Metadata::is_file)?;
    let times = [meta.ctime(), meta.ctime_nsec(), meta.mtime(), meta.mtime_nsec()];
    Some((meta.dev(), meta.ino(), meta.size(), times))
}

/// The result of a scan.
#[derive(Debug, Default)]
struct ScanResult {
    /// Directories, and the names in them that matter.
    watched: HashMap<WatchDescriptor, (PathBuf, Vec<OsString>)>,
    fingerprints: HashMap<PathBuf, Option<FileFingerprint>>,
}

/// Scans the files; it may block. The watches are added first, so a change after the scan is reported.
fn scan_files(files: &[PathBuf], mut watches: Watches) -> ScanResult {
    let all = || -> Vec<PathEntry> { files.iter().flat_map(|file| list_path_entries(file)).collect() };
    let mut found = all();
    let mut result = ScanResult::default();
    for _ in 0..MAX_SCANS {
        result.watched = add_watches(&found, &mut watches);
        let again = all();
        if again == found {
            break;
        }
        found = again;
    }
    result.fingerprints = files.iter().map(|file| (file.clone(), read_fingerprint(file))).collect();
    result
}

fn add_watches(
    found: &[PathEntry],
    watches: &mut Watches,
) -> HashMap<WatchDescriptor, (PathBuf, Vec<OsString>)> {
    let mut watched = HashMap::new();
    for PathEntry { directory, name, is_file } in found {
        // No DELETE: a user who removes a file is about to replace it, or wants the gateway to keep serving.
        let mut mask = WatchMask::MOVED_TO | WatchMask::CREATE | WatchMask::ONLYDIR | WatchMask::MASK_ADD;
        if *is_file {
            // Fixing a file's mode changes whether it can be read.
            mask |= WatchMask::CLOSE_WRITE | WatchMask::ATTRIB;
        }
        match watches.add(directory, mask) {
            Ok(descriptor) => {
                let new = || (directory.clone(), Vec::new());
                watched.entry(descriptor).or_insert_with(new).1.push(name.clone());
            }
            // The file may be created later, and then its parent reports it.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) if *is_file => warn!(%error, "{} is not watched; SIGHUP reloads", directory.display()),
            Err(error) => debug!(%error, "{} is not watched", directory.display()),
        }
    }
    watched
}

impl ScanResult {
    /// Replaces an earlier scan. Directories that are not on a path any more are no longer watched.
    fn replace(&mut self, new: Self, mut watches: Watches) {
        for old in self.watched.keys().filter(|old| !new.watched.contains_key(old)) {
            // The kernel may have dropped it with its directory.
            let _ = watches.remove(old.clone());
        }
        *self = new;
    }

    /// Whether a file has changed. A missing file has not: a replacement usually follows.
    fn has_changed_since(&self, known: &Self) -> bool {
        let mut files = self.fingerprints.iter();
        files.any(|(file, print)| print.is_some() && known.fingerprints.get(file) != Some(print))
    }

    /// Whether something may have changed. A new file is empty until it is closed; a directory or a link is whole.
    fn is_relevant(&self, event: &EventOwned) -> bool {
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

/// The number of links that Linux follows (path_resolution(7)).
const MAX_LINKS: usize = 40;
/// Files in it never change, and new ones are created all the time.
const NIX_STORE: &str = "/nix/store";

/// One name in one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PathEntry {
    directory: PathBuf,
    name: OsString,
    /// Whether it is the file itself, not a directory or a link on its path.
    is_file: bool,
}

/// Each directory entry that determines what a path names: every directory and link on the path, and the file
/// itself. None of them needs to exist.
fn list_path_entries(path: &Path) -> Vec<PathEntry> {
    let mut found = Vec::new();
    let (mut done, mut links) = (PathBuf::new(), 0);
    let mut rest: VecDeque<OsString> = split_components(path);
    while let Some(name) = rest.pop_front() {
        let here = done.join(&name);
        match Path::new(&name).components().next() {
            Some(Component::ParentDir) => {
                done.pop();
            }
            Some(Component::Normal(_)) => {
                let target = std::fs::read_link(&here).ok().filter(|_| links < MAX_LINKS);
                let is_file = target.is_none() && rest.is_empty();
                if !done.starts_with(NIX_STORE) {
                    found.push(PathEntry { directory: done.clone(), name, is_file });
                }
                match target {
                    Some(target) => {
                        links += 1;
                        for part in split_components(&target).into_iter().rev() {
                            rest.push_front(part);
                        }
                    }
                    None => done = here,
                }
            }
            // An absolute link starts at the root again.
            _ => done = here,
        }
    }
    found
}

fn split_components(path: &Path) -> VecDeque<OsString> {
    path.components().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_directory_and_link_on_the_path_is_an_entry() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        std::fs::create_dir_all(home.join("store/one")).unwrap();
        std::fs::create_dir(home.join("config")).unwrap();
        std::fs::write(home.join("store/one/file"), "").unwrap();
        symlink("one", home.join("store/current")).unwrap();
        symlink("../store/current/file", home.join("config/file")).unwrap();
        let found: Vec<_> = list_path_entries(&home.join("config/file"))
            .into_iter()
            .filter(|entry| entry.directory.starts_with(&home))
            .map(|entry| (entry.directory.join(entry.name), entry.is_file))
            .collect();
        let expected = [
            ("config", false),
            ("config/file", false),
            ("store", false),
            ("store/current", false),
            ("store/one", false),
            ("store/one/file", true),
        ];
        assert_eq!(found, expected.map(|(path, is_file)| (home.join(path), is_file)));
    }

    #[test]
    fn missing_files_are_entries_and_the_nix_store_is_not() {
        let names = |path: &str| -> Vec<_> {
            list_path_entries(Path::new(path))
                .into_iter()
                .map(|entry| entry.directory.join(entry.name))
                .collect()
        };
        let expected = ["/nonexistent", "/nonexistent/a", "/nonexistent/a/file"].map(Path::new);
        assert_eq!(names("/nonexistent/a/file"), expected);
        assert_eq!(names("/nix/store/abc-config/file").last().unwrap(), Path::new("/nix/store"));
    }

    #[test]
    fn cycle_of_links_ends() {
        let home = tempfile::tempdir().unwrap();
        symlink("ring", home.path().join("ring")).unwrap();
        assert!(list_path_entries(&home.path().join("ring")).len() <= MAX_LINKS + 8);
    }
}
