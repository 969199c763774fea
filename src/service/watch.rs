//! Tells when a file changes, also where links lead to it (a home-manager generation, a mounted secret). Nothing polls.

#[cfg(target_os = "linux")]
mod entries;

#[cfg(target_os = "linux")]
pub use linux::Watch;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::ffi::OsString;
    use std::io;
    use std::path::{Path, PathBuf};

    use futures_util::{FutureExt, StreamExt};
    use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchDescriptor, WatchMask};
    use tracing::warn;

    use super::entries::entries;

    /// An event has 16 bytes and a name of at most 256.
    const BUFFER: usize = 4096;

    /// A watched file.
    pub struct Watch {
        path: PathBuf,
        events: EventStream<[u8; BUFFER]>,
        /// Directories, and the names in them that matter.
        watched: HashMap<WatchDescriptor, (PathBuf, Vec<OsString>)>,
    }

    impl Watch {
        /// Watches from now on. The file need not be there, its directory must.
        ///
        /// # Errors
        /// When the kernel refuses, or the directory is not there.
        pub fn new(path: &Path) -> io::Result<Self> {
            let events = Inotify::init()?.into_event_stream([0; BUFFER])?;
            let mut watch = Self { path: std::path::absolute(path)?, events, watched: HashMap::new() };
            match watch.renew() {
                Err(error) if watch.watched.is_empty() => return Err(error),
                // The links in front of a directory that may not be read are what changes.
                Err(error) => {
                    warn!(%error, file = %path.display(), "not everything that leads to the file is watched")
                }
                Ok(()) => {}
            }
            Ok(watch)
        }

        /// Links may lead elsewhere now.
        fn renew(&mut self) -> io::Result<()> {
            // No DELETE: who takes the file away is about to put another there, or wants what serves to serve on.
            let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::CREATE | WatchMask::ONLYDIR;
            let mut watches = self.events.watches();
            let mut watched: HashMap<WatchDescriptor, (PathBuf, Vec<OsString>)> = HashMap::new();
            let mut outcome = Ok(());
            for (directory, name) in entries(&self.path) {
                match watches.add(&directory, mask) {
                    Ok(descriptor) => {
                        watched.entry(descriptor).or_insert_with(|| (directory, Vec::new())).1.push(name);
                    }
                    Err(error) => outcome = Err(error),
                }
            }
            for old in self.watched.keys().filter(|old| !watched.contains_key(old)) {
                // The kernel may have dropped it with its directory.
                let _ = watches.remove(old.clone());
            }
            self.watched = watched;
            outcome
        }

        /// Resolves when the file was written and closed, or another one took its place. What came together counts
        /// once.
        pub async fn changed(&mut self) {
            loop {
                match self.events.next().await {
                    Some(Ok(event)) if self.matters(&event) => break,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => warn!(%error, "an event of the watched file was lost"),
                    None => std::future::pending().await,
                }
            }
            while let Some(Some(_)) = self.events.next().now_or_never() {}
            if let Err(error) = self.renew() {
                warn!(%error, file = %self.path.display(), "not everything that leads to the file is watched");
            }
        }

        fn matters(&self, event: &EventOwned) -> bool {
            if event.mask.contains(EventMask::Q_OVERFLOW) {
                return true;
            }
            let (Some((directory, names)), Some(name)) = (self.watched.get(&event.wd), &event.name) else {
                return false;
            };
            // A new file is empty until it is closed; a new link is whole.
            let is_whole = !event.mask.contains(EventMask::CREATE) || directory.join(name).is_symlink();
            names.contains(name) && is_whole
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::Watch;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;
    use std::path::Path;

    /// Nothing is watched here; SIGHUP reloads.
    pub struct Watch;

    impl Watch {
        /// Refuses.
        ///
        /// # Errors
        /// Always.
        pub fn new(_path: &Path) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Never.
        pub async fn changed(&mut self) {
            std::future::pending().await
        }
    }
}
