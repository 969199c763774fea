//! Writing the file: whole or not at all, readable by its owner only.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::environment::Environment;

/// Only Nix writes files in this directory.
pub(super) const NIX_STORE: &str = "/nix/store";

/// Links that a path may lead through, as many as Linux follows.
const MAX_LINKS: usize = 40;

/// That nothing here may write the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedFile {
    /// Why.
    pub reason: String,
    /// What to add to the Nix configuration instead.
    pub nix_lines: Vec<String>,
}

impl fmt::Display for ManagedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        if !self.nix_lines.is_empty() {
            write!(f, ". Add to your Nix configuration instead:")?;
            for line in &self.nix_lines {
                write!(f, "\n  {line}")?;
            }
        }
        Ok(())
    }
}

/// Whether the file is managed externally: it leads into the Nix store, or `MOONRELAY_NIX_MODE=1`.
#[must_use]
pub fn find_manager(path: &Path, environment: &Environment) -> Option<ManagedFile> {
    if environment.is_managed() {
        let why = "MOONRELAY_NIX_MODE=1: the configuration is managed by Nix".to_owned();
        return Some(ManagedFile { reason: why, nix_lines: Vec::new() });
    }
    let target = resolve_links(path).ok()?;
    target.starts_with(NIX_STORE).then(|| ManagedFile {
        reason: format!("{} leads into the Nix store: it is managed by Nix", path.display()),
        nix_lines: Vec::new(),
    })
}

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

/// As [`atomically`], with this mode whatever the file had.
pub(super) fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    create_directory(path)?;
    let target = resolve_links(path)?;
    let directory = directory_of(&target);
    let (mut file, temporary) = create_temporary_beside(directory)?;
    let written = (|| {
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, &target)
    })();
    if written.is_err() {
        // The first error reports the cause.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    File::open(directory)?.sync_all()
}

/// A new file with an unused name.
pub(super) fn create_temporary_beside(directory: &Path) -> io::Result<(File, PathBuf)> {
    let mut tries = 0;
    loop {
        let path = directory.join(format!(".moonrelay-{:08x}.tmp", fastrand::u32(..)));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 8 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}
