//! Reports when one of some files changes, also through links or directories that lead to it (a home-manager
//! generation, a mounted secret). Nothing polls.

#[cfg(target_os = "linux")]
mod path_entries;
#[cfg(target_os = "linux")]
mod scan;

#[cfg(target_os = "linux")]
pub use linux::FileWatcher;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::path::PathBuf;
    use std::time::Duration;

    use futures_util::StreamExt;
    use inotify::{EventStream, Inotify};
    use tokio::time::{sleep, timeout};
    use tracing::warn;

    use super::scan::{ScanResult, scan_files};

    /// An event has 16 bytes and a name of at most 256.
    const EVENT_BUFFER_BYTES: usize = 4096;
    /// Changes that come together count once: when nothing has come for this long…
    const QUIET_PERIOD: Duration = Duration::from_millis(100);
    /// …or something has for this long.
    const MAX_DEBOUNCE: Duration = Duration::from_secs(1);
    /// A look that takes longer waits for a mount whose server is gone.
    const SCAN_TIMEOUT: Duration = Duration::from_secs(5);

    /// Watched files.
    pub struct FileWatcher {
        files: Vec<PathBuf>,
        events: EventStream<Vec<u8>>,
        last_scan: ScanResult,
    }

    impl FileWatcher {
        /// Watches from now on. Neither the files nor their directories need to be there.
        ///
        /// # Errors
        /// When the kernel refuses, or looking takes too long.
        pub async fn new(files: Vec<PathBuf>) -> io::Result<Self> {
            let events = Inotify::init()?.into_event_stream(vec![0; EVENT_BUFFER_BYTES])?;
            let mut watch = Self { files: Vec::new(), events, last_scan: ScanResult::default() };
            watch.set_files(files).await?;
            watch.mark_current().await?;
            Ok(watch)
        }

        /// Takes the files as they are now for known.
        ///
        /// # Errors
        /// When looking takes too long.
        pub async fn mark_current(&mut self) -> io::Result<()> {
            let seen = self.scan().await?;
            self.last_scan.replace(seen, self.events.watches());
            Ok(())
        }

        /// Watches these files from now on; those that are known already are known as they were.
        ///
        /// # Errors
        /// When looking takes too long.
        pub async fn set_files(&mut self, files: Vec<PathBuf>) -> io::Result<()> {
            self.files = files.into_iter().map(std::path::absolute).collect::<io::Result<_>>()?;
            let mut seen = self.scan().await?;
            for (file, print) in &mut seen.fingerprints {
                if let Some(known) = self.last_scan.fingerprints.get(file) {
                    *print = *known;
                }
            }
            self.last_scan.replace(seen, self.events.watches());
            Ok(())
        }

        async fn scan(&self) -> io::Result<ScanResult> {
            let (files, watches) = (self.files.clone(), self.events.watches());
            let looking = tokio::task::spawn_blocking(move || scan_files(&files, watches));
            timeout(SCAN_TIMEOUT, looking).await?.map_err(io::Error::other)
        }

        /// Resolves when one of the files differs from its known state. It stays so until
        /// [`FileWatcher::mark_current`].
        ///
        /// # Errors
        /// When the scan takes too long: the watch is then unusable.
        pub async fn wait_for_change(&mut self) -> io::Result<()> {
            let mut is_quiet = false;
            loop {
                let mut seen = self.scan().await?;
                let changed = seen.has_changed_since(&self.last_scan);
                seen.fingerprints = std::mem::take(&mut self.last_scan.fingerprints);
                self.last_scan.replace(seen, self.events.watches());
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
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::Watch;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;
    use std::path::PathBuf;

    /// Nothing is watched here; SIGHUP reloads.
    pub struct Watch;

    impl FileWatcher {
        /// Refuses.
        ///
        /// # Errors
        /// Always.
        pub async fn new(_files: Vec<PathBuf>) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Nothing.
        ///
        /// # Errors
        /// Never.
        pub async fn catch_up(&mut self) -> io::Result<()> {
            Ok(())
        }

        /// Nothing.
        ///
        /// # Errors
        /// Never.
        pub async fn follow(&mut self, _files: Vec<PathBuf>) -> io::Result<()> {
            Ok(())
        }

        /// Nothing changes.
        ///
        /// # Errors
        /// Never.
        pub async fn changed(&mut self) -> io::Result<()> {
            std::future::pending().await
        }
    }
}
