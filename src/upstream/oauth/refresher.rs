//! Keeps the access token of one login valid. It is refreshed before it expires, by one task of this process and by one
//! process at a time.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::super::Connector;
use super::issuer::{Issuer, OAuthResponse, TokenGrant};
use super::{Clock, acquire_lock, run_blocking};
use crate::credentials::{FileVersion, Login, LoginFile, LoginLock};
use crate::failure::{Failure, Reason};

/// A token is refreshed when this much of its lifetime is left, or a quarter if that is shorter.
const REFRESH_AHEAD: Duration = Duration::from_mins(3);
/// The pause after a failed refresh while the token is still valid.
const RETRY_DELAY: Duration = Duration::from_secs(10);
/// Longer than one response and writing it to the file may take.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// Requests whose response may contain the only valid refresh token. One count for the process, because the code that
/// ends it does not know the refreshers.
static PENDING_REFRESHES: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Waits until no refresh is in progress, at most 20 s. Call it before the process ends.
pub async fn wait_for_refreshes() {
    let mut count = PENDING_REFRESHES.subscribe();
    // The sender is static, so it is never closed.
    let _ = timeout(SHUTDOWN_TIMEOUT, count.wait_for(|count| *count == 0)).await;
}

/// Counts a refresh until it is dropped.
struct PendingRefresh(());

impl PendingRefresh {
    fn start() -> Self {
        PENDING_REFRESHES.send_modify(|count| *count += 1);
        Self(())
    }
}

impl Drop for PendingRefresh {
    fn drop(&mut self) {
        PENDING_REFRESHES.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// A refresh, and its result for every task that waits for it.
type RefreshFuture = Shared<BoxFuture<'static, Result<Arc<Login>, Failure>>>;

/// Reads and refreshes one login.
pub(super) struct TokenRefresher {
    login_file: LoginFile,
    connector: Arc<dyn Connector>,
    clock: Clock,
    /// The login, and the version of the file that it was read from.
    cached: tokio::sync::Mutex<Option<(Option<FileVersion>, Arc<Login>)>>,
    in_progress: Mutex<Option<RefreshFuture>>,
    next_attempt: Mutex<Option<Instant>>,
}

impl TokenRefresher {
    pub(super) fn new(login_file: LoginFile, connector: Arc<dyn Connector>, clock: Clock) -> Self {
        let (cached, in_progress, next_attempt) = Default::default();
        Self { login_file, connector, clock, cached, in_progress, next_attempt }
    }

    /// The login with a valid token. While the current token is valid, no caller waits for the next one.
    pub(super) async fn login(self: &Arc<Self>) -> Result<Arc<Login>, Failure> {
        let login = self.read_login().await?;
        let left = self.remaining_lifetime(&login);
        if left.is_zero() {
            return self.start_refresh(&login).await;
        }
        let is_due = left <= REFRESH_AHEAD.min(login.lifetime / 4);
        if is_due
            && login.refresh_token.is_some()
            && lock_mutex(&self.next_attempt).is_none_or(|at| Instant::now() >= at)
        {
            // It continues in a task.
            drop(self.start_refresh(&login));
        }
        Ok(login)
    }

    /// The login with a token other than this one, which is no longer valid. A caller that arrives during a
    /// refresh waits for its result.
    pub(super) fn start_refresh(self: &Arc<Self>, old: &Arc<Login>) -> RefreshFuture {
        let mut in_progress = lock_mutex(&self.in_progress);
        if let Some(refresh) = in_progress.as_ref().filter(|refresh| refresh.peek().is_none()) {
            return refresh.clone();
        }
        let (refresher, old) = (self.clone(), old.clone());
        // In a task, so that a client that disconnects does not cancel it.
        let task = tokio::spawn(async move {
            let refreshed = refresher.refresh(&old).await;
            // Not by a caller, because all of them may be gone.
            *lock_mutex(&refresher.in_progress) = None;
            refreshed
        });
        let cancelled = |_| Err(Failure::new(Reason::Server, "the refresh of the login was cancelled"));
        let refresh = task.map(move |ended| ended.unwrap_or_else(cancelled)).boxed().shared();
        *in_progress = Some(refresh.clone());
        refresh
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        lock_mutex(&self.in_progress).is_none()
    }

    async fn refresh(&self, old: &Login) -> Result<Arc<Login>, Failure> {
        let refreshed = self.refresh_locked(old).await;
        if let Err(failure) = &refreshed {
            *lock_mutex(&self.next_attempt) = Some(Instant::now() + RETRY_DELAY);
            tracing::warn!("cannot refresh the login of {}: {failure}", self.login_file.provider());
        }
        refreshed
    }

    async fn refresh_locked(&self, old: &Login) -> Result<Arc<Login>, Failure> {
        let lock = acquire_lock(&self.login_file).await?;
        let login = self.read_login().await?;
        // Another process was faster, or the user logged in again.
        if login.access_token != old.access_token && !self.remaining_lifetime(&login).is_zero() {
            return Ok(login);
        }
        let Some(token) = &login.refresh_token else {
            return self.record_end(lock, &login, "its key cannot be refreshed").await;
        };
        let file = self.login_file.clone();
        let device = run_blocking(move || file.load_device_id()).await?.ok();
        let issuer = Issuer::new(&login.host, &login.client_id, device)
            .map_err(|why| Failure::new(Reason::Auth, format!("invalid host of the login: {why}")))?;
        let _pending = PendingRefresh::start();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        match issuer.post(self.connector.as_ref(), "token", &fields).await? {
            OAuthResponse::Success(members) => {
                let grant = TokenGrant::from_members(&members)?;
                let next = Login {
                    refresh_token: grant.refresh_token.or_else(|| login.refresh_token.clone()),
                    access_token: grant.access_token,
                    expires_at: (self.clock)() + grant.lifetime,
                    lifetime: grant.lifetime,
                    ..Login::clone(&login)
                };
                self.store_login(lock, next).await
            }
            // Kimi's own programs treat both statuses as the end of a login, whatever the error code.
            OAuthResponse::Error { error, status, .. }
                if error == "invalid_grant" || matches!(status.as_u16(), 401 | 403) =>
            {
                self.record_end(lock, &login, &error).await
            }
            OAuthResponse::Error { error, .. } => {
                let message = format!("{}: the refresh was refused: {error}", issuer.host());
                Err(Failure::new(Reason::Auth, message))
            }
        }
    }

    /// Writes the next tokens. If they cannot be written, this process uses them until it ends.
    async fn store_login(&self, lock: LoginLock, login: Login) -> Result<Arc<Login>, Failure> {
        let mut cached = self.cached.lock().await;
        let login = Arc::new(login);
        let (file, next) = (self.login_file.clone(), login.clone());
        let writing = run_blocking(move || (file.replace_tokens(&lock, &next), file.version()));
        let (written, version) = writing.await?;
        match written {
            Ok(()) => tracing::debug!("refreshed the login of {}", self.login_file.provider()),
            Err(error) => tracing::error!(
                "cannot write the refreshed login of {} ({error}): after a restart, log in again: {}",
                self.login_file.provider(),
                self.login_file.login_command()
            ),
        }
        *cached = Some((version, login.clone()));
        Ok(login)
    }

    async fn record_end(
        &self,
        lock: LoginLock,
        login: &Arc<Login>,
        why: &str,
    ) -> Result<Arc<Login>, Failure> {
        let (file, ended, reason) = (self.login_file.clone(), login.clone(), why.to_owned());
        if let Err(error) = run_blocking(move || file.end_login(&lock, &ended, &reason)).await? {
            tracing::error!("cannot write the end of the login of {}: {error}", self.login_file.provider());
        }
        let message =
            format!("the login has ended ({why}); log in again: {}", self.login_file.login_command());
        Err(Failure::new(Reason::Auth, message))
    }

    /// The login on disk. The file is only read when its version changed.
    async fn read_login(&self) -> Result<Arc<Login>, Failure> {
        let mut cached = self.cached.lock().await;
        let (file, known) = (self.login_file.clone(), cached.clone());
        let reading = run_blocking(move || {
            let version = file.version();
            match known {
                Some((of, login)) if of == version && version.is_some() => (version, Ok(login)),
                _ => (version, file.read().map(Arc::new)),
            }
        });
        let (version, read) = reading.await?;
        *cached = read.as_ref().ok().map(|login| (version, login.clone()));
        read.map_err(|error| Failure::new(Reason::Auth, error.to_string()))
    }

    fn remaining_lifetime(&self, login: &Login) -> Duration {
        login.expires_at.duration_since((self.clock)()).unwrap_or_default()
    }
}

fn lock_mutex<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
