//! Reports when one of some files changes, also through links or directories that lead to it. Nothing polls.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::FileWatcher;
#[cfg(not(target_os = "linux"))]
pub use unsupported::FileWatcher;

#[cfg(not(target_os = "linux"))]
mod unsupported {
    use std::io;
    use std::path::PathBuf;

    /// Watches nothing on this system; SIGHUP reloads.
    pub struct FileWatcher;

    impl FileWatcher {
        /// Cannot be created.
        pub async fn new(_files: Vec<PathBuf>) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Does nothing.
        pub async fn mark_current(&mut self) -> io::Result<()> {
            Ok(())
        }

        /// Does nothing.
        pub async fn set_files(&mut self, _files: Vec<PathBuf>) -> io::Result<()> {
            Ok(())
        }

        /// Never resolves.
        pub async fn wait_for_change(&mut self) -> io::Result<()> {
            std::future::pending().await
        }
    }
}
