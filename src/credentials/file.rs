//! The file with the tokens: read whole, replaced whole.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Lock, Login, LoginError, LoginProblem, Place};
use crate::secret::Secret;

/// In bytes. A token has one or two thousand.
const LARGEST: u64 = 64 * 1024;

/// What tells one version of the file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    inode: (u64, u64),
    changed: (i64, i64),
    size: u64,
}

/// The file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
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

impl Place {
    /// The login, as it stands on disk.
    ///
    /// # Errors
    /// Why there is none that could be used, and the fix; never a token.
    pub fn read(&self) -> Result<Login, LoginError> {
        self.read_file().map_err(|problem| LoginError { place: self.clone(), problem })
    }

    fn read_file(&self) -> Result<Login, LoginProblem> {
        let file = match File::open(self.tokens()) {
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
        if let Err(error) = file.take(LARGEST).read_to_end(&mut text) {
            return Err(LoginProblem::Invalid(format!("cannot be read ({error})")));
        }
        // Its own words for what is wrong may hold a token.
        let kept: Kept = serde_json::from_slice(&text).map_err(|error| {
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
            access: Secret::new(access),
            refresh: kept.refresh_token.map(Secret::new),
            expires: expires.ok_or_else(|| LoginProblem::Invalid("ends at no time".to_owned()))?,
            life: Duration::from_secs(kept.life_seconds.unwrap_or(0)),
        })
    }

    /// Which version of the file there is; `None`: none.
    #[must_use]
    pub fn print(&self) -> Option<Print> {
        let facts = fs::metadata(self.tokens()).ok()?;
        Some(Print {
            inode: (facts.dev(), facts.ino()),
            changed: (facts.ctime(), facts.ctime_nsec()),
            size: facts.size(),
        })
    }

    /// The tokens are others now.
    ///
    /// # Errors
    /// Those of the disk: then what was there is still there.
    pub fn replace(&self, _: &Lock, login: &Login) -> io::Result<()> {
        let expires = login.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.write(&json!({
            "login": login.id,
            "host": login.host,
            "clientId": login.client_id,
            "accessToken": login.access.expose(),
            "refreshToken": login.refresh.as_ref().map(Secret::expose),
            "expiresAt": u64::try_from(expires.as_millis()).unwrap_or(u64::MAX),
            "lifeSeconds": login.life.as_secs(),
        }))
    }

    /// A login begins, in the place of the one that there may be.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn begin(&self, lock: &Lock, login: &Login) -> io::Result<()> {
        self.replace(lock, login)?;
        lock.tell(&login.id)
    }

    /// The login is over: its tokens go, and the reason stays.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn end(&self, lock: &Lock, login: &Login, why: &str) -> io::Result<()> {
        self.write(&json!({
            "login": login.id, "host": login.host, "clientId": login.client_id, "ended": why,
        }))?;
        lock.tell("ended")
    }

    /// Forgets the login; `false` where there was none.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn forget(&self, lock: &Lock) -> io::Result<bool> {
        remove(&self.draft())?;
        match fs::remove_file(self.tokens()) {
            Ok(()) => lock.tell("none").map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write(&self, value: &Value) -> io::Result<()> {
        // Of a process that was killed there; it may hold tokens. Who writes has the lock, so nobody is at work on it.
        remove(&self.draft())?;
        let text = format!("{value:#}\n");
        write_whole(&self.directory, &self.draft(), &self.tokens(), text.as_bytes())
    }

    /// The next version of the file, until it takes its place.
    fn draft(&self) -> PathBuf {
        self.directory.join(format!(".{}.tmp", self.provider))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the directory, 0700; one that others can look into is closed.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    if fs::metadata(directory)?.mode() & 0o077 != 0 {
        fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Beside it first, 0600, then in its place. There is no draft yet.
pub(super) fn write_whole(directory: &Path, draft: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    make(directory)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(draft, path));
    if written.is_err() {
        // What was wrong is told by the first error.
        let _ = fs::remove_file(draft);
        return written;
    }
    File::open(directory)?.sync_all()
}
