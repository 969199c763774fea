//! The login of a provider whose access token changes: where it is stored, and which process may change it.
//!
//! `oauth/PROVIDER.json` in the state directory has the tokens. The process that refreshes them replaces it.
//! `oauth/PROVIDER.lock` is locked for that, because a refresh token may be valid only once. The lock file is written
//! when a login begins or ends, but not when it is refreshed, so the gateway watches this file.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::secret::Secret;

/// A token has one or two thousand bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A login: the server that issued it, and the current tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Random, the same for the whole login. It is not a secret.
    pub id: String,
    /// The OAuth server: `https://auth.kimi.com`, without a trailing slash.
    pub host: String,
    /// The client id that the login was granted to.
    pub client_id: String,
    /// The current access token.
    pub access_token: Secret,
    /// Gets the next access token. Without it the login ends when the access token expires.
    pub refresh_token: Option<Secret>,
    /// When the access token expires.
    pub expires_at: SystemTime,
    /// The whole lifetime of the access token.
    pub lifetime: Duration,
}

/// The files of the login of one provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginFile {
    directory: PathBuf,
    provider: String,
}

impl LoginFile {
    /// `state` is the state directory, `provider` an id of the configuration.
    #[must_use]
    pub fn new(state: &Path, provider: &str) -> Self {
        Self { directory: state.join("oauth"), provider: provider.to_owned() }
    }

    /// The provider's id.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The file with the tokens.
    #[must_use]
    pub fn token_path(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.provider))
    }

    /// The lock file for changes to the token file. It is written when a login begins or ends.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.directory.join(format!("{}.lock", self.provider))
    }

    /// The command that logs in.
    #[must_use]
    pub fn login_command(&self) -> String {
        match self.provider.as_str() {
            "kimi" => "moonrelay onboard --auth-choice kimi-code-oauth".to_owned(),
            other => format!("moonrelay login --provider {other}"),
        }
    }
}

/// Why the login of a provider cannot be used. Displayed with the fix, never with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginError {
    /// Where the login is stored.
    pub file: LoginFile,
    /// What is wrong.
    pub problem: LoginProblem,
}

/// What is wrong with a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginProblem {
    /// The provider has no login.
    LoggedOut,
    /// Its file cannot be opened; the error.
    Unreadable(String),
    /// Other users can read its file.
    OpenToOthers {
        /// The permission bits.
        mode: u32,
    },
    /// Its file holds something else; what, as a predicate: `has no token`.
    Invalid(String),
    /// It has ended; why.
    Ended(String),
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, login) = (self.file.token_path(), self.file.login_command());
        let path = path.display();
        match &self.problem {
            LoginProblem::LoggedOut => write!(f, "not logged in; log in: {login}"),
            LoginProblem::Unreadable(error) => write!(
                f,
                "cannot read {path} ({error}): make it yours and chmod 600 {path}, or log in again: {login}"
            ),
            LoginProblem::OpenToOthers { mode } => write!(
                f,
                "others can read {path} (mode {mode:03o}), so it is not used: chmod 600 {path}, and log in again if another \
                 user may have read it"
            ),
            LoginProblem::Invalid(what) => write!(f, "{path} {what}; log in again: {login}"),
            LoginProblem::Ended(why) => write!(f, "the login has ended ({why}); log in again: {login}"),
        }
    }
}

impl std::error::Error for LoginError {}

/// Identifies a version of the file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileVersion {
    inode: (u64, u64),
    changed: (i64, i64),
    size: u64,
}

/// The content of the file.
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
    /// Why the login has ended.
    ended: Option<String>,
}

/// A lock on changes to a login. It ends when this is dropped, or with the process.
pub struct LoginLock(File);

impl LoginLock {
    /// Notifies watchers of the file that a login began or ended. It is written in place, because the lock is
    /// on it.
    fn write_marker(&self, word: &str) -> io::Result<()> {
        let mut file = &self.0;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{word}")
    }
}

impl LoginFile {
    /// Takes the lock on changes to the login; `None` while it is held elsewhere.
    pub fn try_lock(&self) -> io::Result<Option<LoginLock>> {
        create_private_directory(&self.directory)?;
        let lock_file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.lock_path())?;
        match lock_file.try_lock() {
            Ok(()) => Ok(Some(LoginLock(lock_file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            // The file system does not support locks: continue without one.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                Ok(Some(LoginLock(lock_file)))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The login as stored on disk.
    ///
    /// # Errors
    /// Why the login is missing or unusable, and the fix; never a token.
    pub fn read(&self) -> Result<Login, LoginError> {
        self.read_file().map_err(|problem| LoginError { file: self.clone(), problem })
    }

    fn read_file(&self) -> Result<Login, LoginProblem> {
        let file = match File::open(self.token_path()) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(LoginProblem::LoggedOut);
            }
            Err(error) => return Err(LoginProblem::Unreadable(error.to_string())),
        };
        let mode = file.metadata().map_or(0, |metadata| metadata.mode() & 0o777);
        if mode & 0o077 != 0 {
            return Err(LoginProblem::OpenToOthers { mode });
        }
        let mut text = Vec::new();
        if let Err(error) = file.take(MAX_FILE_BYTES).read_to_end(&mut text) {
            return Err(LoginProblem::Invalid(format!("cannot be read ({error})")));
        }
        // The parser's own message may contain a token.
        let stored: StoredLogin = serde_json::from_slice(&text).map_err(|error| {
            LoginProblem::Invalid(format!(
                "is not a login (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        if let Some(why) = stored.ended {
            return Err(LoginProblem::Ended(why));
        }
        let (Some(access), Some(expires)) = (stored.access_token, stored.expires_at) else {
            return Err(LoginProblem::Invalid("has no token".to_owned()));
        };
        let expires = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(expires));
        Ok(Login {
            id: stored.login,
            host: stored.host,
            client_id: stored.client_id,
            access_token: Secret::new(access),
            refresh_token: stored.refresh_token.map(Secret::new),
            expires_at: expires
                .ok_or_else(|| LoginProblem::Invalid("has an invalid expiry time".to_owned()))?,
            lifetime: Duration::from_secs(stored.life_seconds.unwrap_or(0)),
        })
    }

    /// The current version of the file; `None` if there is no file.
    #[must_use]
    pub fn version(&self) -> Option<FileVersion> {
        let metadata = fs::metadata(self.token_path()).ok()?;
        Some(FileVersion {
            inode: (metadata.dev(), metadata.ino()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
        })
    }

    /// Replaces the tokens.
    ///
    /// # Errors
    /// Errors of the file system. The previous tokens are still there then.
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
    pub fn start_login(&self, lock: &LoginLock, login: &Login) -> io::Result<()> {
        self.replace_tokens(lock, login)?;
        lock.write_marker(&login.id)
    }

    /// Ends the login: replaces its tokens with the reason.
    pub fn end_login(&self, lock: &LoginLock, login: &Login, why: &str) -> io::Result<()> {
        self.write(&json!({
            "login": login.id, "host": login.host, "clientId": login.client_id, "ended": why,
        }))?;
        lock.write_marker("ended")
    }

    /// Removes the login; `false` if there was none.
    pub fn remove_login(&self, lock: &LoginLock) -> io::Result<bool> {
        remove_if_present(&self.draft_path())?;
        match fs::remove_file(self.token_path()) {
            Ok(()) => lock.write_marker("none").map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Identifies this installation to the OAuth server: 32 random hexadecimal digits, created once.
    pub fn load_device_id(&self) -> io::Result<String> {
        let path = self.directory.join("device");
        match fs::read_to_string(&path) {
            Ok(id) if id.trim().len() == 32 && id.trim().bytes().all(|b| b.is_ascii_hexdigit()) => {
                return Ok(id.trim().to_owned());
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let id = generate_id();
        let draft = self.directory.join(format!(".{id}.tmp"));
        write_atomically(&self.directory, &draft, &path, format!("{id}\n").as_bytes())?;
        Ok(id)
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

/// 32 random hexadecimal digits: unique, but not secret.
#[must_use]
pub fn generate_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Creates the directory with mode 0700, and removes the permissions of other users from an existing one.
pub fn create_private_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    if fs::metadata(directory)?.mode() & 0o077 != 0 {
        fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes `draft` with mode 0600, then renames it to `path`. `draft` must not exist yet.
fn write_atomically(directory: &Path, draft: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_private_directory(directory)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(draft, path));
    if written.is_err() {
        // The first error reports the cause.
        let _ = fs::remove_file(draft);
        return written;
    }
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
