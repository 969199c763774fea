//! The file with the tokens: read whole, replaced whole.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Login, LoginError, LoginFile, LoginLock, LoginProblem};
use crate::secret::Secret;

/// In bytes. A token has one or two thousand.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Identifies a version of the file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileVersion {
    inode: (u64, u64),
    changed: (i64, i64),
    size: u64,
}

/// The file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredLogin {
    login: String,
    host: String,
    client_id: String,
    access_token: Option<String>,
    refresh_token: Option<String>,
    /// Milliseconds since 1970.
    expires_at: Option<u64>,
    life_seconds: Option<u64>,
    /// Why it is over.
    ended: Option<String>,
}

impl LoginFile {
    /// The login as stored on disk.
    ///
    /// # Errors
    /// Why the login is missing or unusable, and the fix; never a token.
    pub fn read(&self) -> Result<Login, LoginError> {
        self.read_file().map_err(|problem| LoginError { place: self.clone(), problem })
    }

    fn read_file(&self) -> Result<Login, LoginProblem> {
        let file = match File::open(self.token_path()) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(LoginProblem::LoggedOut);
            }
            Err(error) => return Err(LoginProblem::Unreadable(error.to_string())),
        };
        let mode = file.metadata().map_or(0, |facts| facts.mode() & 0o777);
        if mode & 0o077 != 0 {
            return Err(LoginProblem::OpenToOthers { mode });
        }
        let mut text = Vec::new();
        if let Err(error) = file.take(MAX_FILE_BYTES).read_to_end(&mut text) {
            return Err(LoginProblem::Invalid(format!("cannot be read ({error})")));
        }
        // The parser's own message may contain a token.
        let kept: StoredLogin = serde_json::from_slice(&text).map_err(|error| {
            LoginProblem::Invalid(format!("is no login (line {}, column {})", error.line(), error.column()))
        })?;
        if let Some(why) = kept.ended {
            return Err(LoginProblem::Ended(why));
        }
        let (Some(access), Some(expires)) = (kept.access_token, kept.expires_at) else {
            return Err(LoginProblem::Invalid("has no token".to_owned()));
        };
        let expires = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(expires));
        Ok(Login {
            id: kept.login,
            host: kept.host,
            client_id: kept.client_id,
            access_token: Secret::new(access),
            refresh_token: kept.refresh_token.map(Secret::new),
            expires_at: expires.ok_or_else(|| LoginProblem::Invalid("ends at no time".to_owned()))?,
            lifetime: Duration::from_secs(kept.life_seconds.unwrap_or(0)),
        })
    }

    /// Which version of the file there is; `None`: none.
    #[must_use]
    pub fn version(&self) -> Option<FileVersion> {
        let facts = fs::metadata(self.token_path()).ok()?;
        Some(FileVersion {
            inode: (facts.dev(), facts.ino()),
            changed: (facts.ctime(), facts.ctime_nsec()),
            size: facts.size(),
        })
    }

    /// The tokens are others now.
    ///
    /// # Errors
    /// Those of the disk: then what was there is still there.
    pub fn replace_tokens(&self, _: &LoginLock, login: &Login) -> io::Result<()> {
        let expires = login.expires_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.write(&json!({
            "login": login.id,
            "host": login.host,
            "clientId": login.client_id,
            "accessToken": login.access_token.expose(),
            "refreshToken": login.refresh_token.as_ref().map(Secret::expose),
            "expiresAt": u64::try_from(expires.as_millis()).unwrap_or(u64::MAX),
            "lifeSeconds": login.lifetime.as_secs(),
        }))
    }

    /// Starts a login and replaces the previous one, if any.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn start_login(&self, lock: &LoginLock, login: &Login) -> io::Result<()> {
        self.replace_tokens(lock, login)?;
        lock.write_marker(&login.id)
    }

    /// The login is over: its tokens go, and the reason stays.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn end_login(&self, lock: &LoginLock, login: &Login, why: &str) -> io::Result<()> {
        self.write(&json!({
            "login": login.id, "host": login.host, "clientId": login.client_id, "ended": why,
        }))?;
        lock.write_marker("ended")
    }

    /// Removes the login; `false` if there was none.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove_login(&self, lock: &LoginLock) -> io::Result<bool> {
        remove_if_present(&self.draft_path())?;
        match fs::remove_file(self.token_path()) {
            Ok(()) => lock.write_marker("none").map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write(&self, value: &Value) -> io::Result<()> {
        // A draft left by a killed process may hold tokens. The writer has the lock, so no other process uses
        // the draft.
        remove_if_present(&self.draft_path())?;
        let text = format!("{value:#}\n");
        write_atomically(&self.directory, &self.draft_path(), &self.token_path(), text.as_bytes())
    }

    /// The next version of the file, until it is renamed.
    fn draft_path(&self) -> PathBuf {
        self.directory.join(format!(".{}.tmp", self.provider))
    }
}

fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the directory, 0700; one that others can look into is closed.
pub(super) fn create_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    if fs::metadata(directory)?.mode() & 0o077 != 0 {
        fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes `draft` with mode 0600, then renames it to `path`. `draft` must not exist yet.
pub(super) fn write_atomically(directory: &Path, draft: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_directory(directory)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(draft, path));
    if written.is_err() {
        // The first error reports the cause.
        let _ = fs::remove_file(draft);
        return written;
    }
    File::open(directory)?.sync_all()
}
