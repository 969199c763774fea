//! The state directory: write access, permissions, free disk space, and the usage database.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::secret_files::FilePermissions;
use crate::usage;

/// What was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct StateDirectory {
    /// Where it is, or would be.
    pub(in crate::cli::doctor) path: PathBuf,
    /// `None` where no such directory is there yet.
    pub(in crate::cli::doctor) permissions: Option<FilePermissions>,
    /// Why nothing can be written there; where it is missing, in the next directory above.
    pub(in crate::cli::doctor) write_error: Option<Unwritable>,
    /// Free disk space.
    pub(in crate::cli::doctor) disk_space: Option<DiskSpace>,
    /// Why the usage database cannot be read.
    pub(in crate::cli::doctor) usage_error: Option<String>,
    /// Set if the state directory is a symbolic link to the configuration directory.
    pub(in crate::cli::doctor) link: Option<StateLink>,
}

/// The configuration directory behind a state directory that is a symbolic link to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct StateLink {
    /// The path of the configuration directory.
    pub(in crate::cli::doctor) configuration: PathBuf,
    /// Whether files of the database are stored there.
    pub(in crate::cli::doctor) has_database: bool,
    /// The names of the other state files and directories that are stored there.
    pub(in crate::cli::doctor) entries: Vec<&'static str>,
}

/// Prefix of the database files and their backups.
pub(in crate::cli::doctor) const DATABASE_FILES: &str = "ledger.";

/// The other entries of a state directory: sessions, log-ins, the history of `chat`, and the file of the home-manager module
/// that keeps the directory in existence.
const STATE_ENTRIES: [&str; 4] = [".keep", "chat_history", "oauth", "sessions"];

impl StateLink {
    fn look(state: &Path, configuration: &Path) -> Option<Self> {
        let is_link = fs::symlink_metadata(state).is_ok_and(|facts| facts.is_symlink());
        if !is_link || fs::canonicalize(state).ok()? != fs::canonicalize(configuration).ok()? {
            return None;
        }
        let names: Vec<_> =
            fs::read_dir(configuration).ok()?.flatten().map(|entry| entry.file_name()).collect();
        let is_of_database = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(DATABASE_FILES);
        Some(Self {
            configuration: configuration.to_owned(),
            has_database: names.iter().any(is_of_database),
            entries: STATE_ENTRIES
                .into_iter()
                .filter(|entry| names.iter().any(|name| name == entry))
                .collect(),
        })
    }
}

/// Why nothing can be written to the state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Unwritable {
    /// Its path is a file.
    NotADirectory,
    /// No directory above it exists.
    NoParent,
    /// A file cannot be created in it; the error.
    Failed(String),
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADirectory => f.write_str("it is not a directory"),
            Self::NoParent => f.write_str("no directory above it exists"),
            Self::Failed(error) => f.write_str(error),
        }
    }
}

/// As reported by df(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct DiskSpace {
    /// For this user, in KiB.
    pub(in crate::cli::doctor) free_kib: u64,
    /// In percent.
    pub(in crate::cli::doctor) used_percent: u64,
}

impl StateDirectory {
    /// Collects the facts; `configuration` is the configuration directory; `keeps` is whether `path` has the
    /// usage database.
    pub(super) fn inspect(path: PathBuf, configuration: Option<&Path>, keeps: bool) -> Self {
        let facts = fs::metadata(&path).ok();
        let there = path.ancestors().find(|part| part.exists()).map(Path::to_owned);
        let write_error = match (&facts, &there) {
            (Some(facts), _) if !facts.is_dir() => Some(Unwritable::NotADirectory),
            (_, Some(there)) => try_write(there).err().map(|error| Unwritable::Failed(error.to_string())),
            (_, None) => Some(Unwritable::NoParent),
        };
        let readable = keeps && facts.is_some();
        let usage_error =
            if readable { usage::open_read_only(&path).err().map(|error| error.to_string()) } else { None };
        Self {
            permissions: facts.as_ref().filter(|facts| facts.is_dir()).map(FilePermissions::from_metadata),
            write_error,
            disk_space: there.and_then(|it| query_disk_space(&it)),
            usage_error,
            link: configuration.and_then(|configuration| StateLink::look(&path, configuration)),
            path,
        }
    }
}

/// Creates a file with a unique name and removes it.
fn try_write(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(format!(".moonrelay-doctor-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(path)
}

fn query_disk_space(path: &Path) -> Option<DiskSpace> {
    let asked = Command::new("df").arg("-Pk").arg(path).stdin(Stdio::null()).stderr(Stdio::null()).output();
    parse_df(&String::from_utf8_lossy(&asked.ok()?.stdout))
}

/// The form of POSIX: one line for people, one for the file system.
pub(in crate::cli::doctor) fn parse_df(text: &str) -> Option<DiskSpace> {
    let words: Vec<&str> = text.lines().nth(1)?.split_whitespace().collect();
    let percent = words.iter().position(|word| word.ends_with('%'))?;
    let free = words.get(percent.checked_sub(1)?)?.parse().ok()?;
    Some(DiskSpace { free_kib: free, used_percent: words.get(percent)?.trim_end_matches('%').parse().ok()? })
}
