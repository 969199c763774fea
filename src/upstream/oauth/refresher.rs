//! Keeps one login's key good: refreshed ahead, by one at a time, in this process and among all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::super::Connector;
use super::issuer::{Issuer, OAuthResponse, TokenGrant};
use super::pending_refresh::PendingRefresh;
use super::{Clock, acquire_lock};
use crate::credentials::{FileVersion, Login, LoginFile, LoginLock};
use crate::failure::{Failure, Reason};

/// At the latest so long before its end a key is refreshed.
const REFRESH_AHEAD: Duration = Duration::from_mins(3);
/// A refresh ahead that failed is tried again after this; the key is still good.
const RETRY_DELAY: Duration = Duration::from_secs(10);

/// A refresh, and its result for every task that waits for it.
type RefreshFuture = Shared<BoxFuture<'static, Result<Arc<Login>, Failure>>>;

/// One login.
pub(super) struct TokenRefresher {
    login_file: LoginFile,
    connector: Arc<dyn Connector>,
    clock: Clock,
    /// The file as it was read last, and its version.
    cached: Mutex<Option<(Option<FileVersion>, Arc<Login>)>>,
    in_progress: Mutex<Option<RefreshFuture>>,
    next_attempt: Mutex<Option<Instant>>,
}

impl TokenRefresher {
    pub(super) fn new(login_file: LoginFile, connector: Arc<dyn Connector>, clock: Clock) -> Self {
        let (cached, in_progress, next_attempt) = Default::default();
        Self { login_file, connector, clock, cached, in_progress, next_attempt }
    }

    /// The login with a valid key. While the current key is valid, no caller waits for the next one.
    pub(super) async fn login(self: &Arc<Self>) -> Result<Arc<Login>, Failure> {
        let login = self.read_login()?;
        let left = self.remaining_lifetime(&login);
        if left.is_zero() {
            return self.start_refresh(&login).await;
        }
        let is_late = left <= REFRESH_AHEAD.min(login.lifetime / 4);
        if is_late
            && login.refresh_token.is_some()
            && lock_mutex(&self.next_attempt).is_none_or(|at| Instant::now() >= at)
        {
            // It goes on by itself.
            drop(self.start_refresh(&login));
        }
        Ok(login)
    }

    /// The login with a key other than this one, which is no longer valid. A caller that arrives during a
    /// refresh waits for its result.
    pub(super) fn start_refresh(self: &Arc<Self>, old: &Arc<Login>) -> RefreshFuture {
        let mut under_way = lock_mutex(&self.in_progress);
        if let Some(refresh) = under_way.as_ref().filter(|refresh| refresh.peek().is_none()) {
            return refresh.clone();
        }
        let (keeper, old) = (self.clone(), old.clone());
        // A task of its own: a client that leaves must not break it off.
        let task = tokio::spawn(async move {
            let refreshed = keeper.refresh(&old).await;
            // Done here, because no caller may be left to look at the result.
            *lock_mutex(&keeper.in_progress) = None;
            refreshed
        });
        let broken = |_| Err(Failure::new(Reason::Server, "the refresh of the login was broken off"));
        let refresh = task.map(move |ended| ended.unwrap_or_else(broken)).boxed().shared();
        *under_way = Some(refresh.clone());
        refresh
    }

    async fn refresh(&self, old: &Login) -> Result<Arc<Login>, Failure> {
        let refreshed = self.refresh_locked(old).await;
        if let Err(failure) = &refreshed {
            *lock_mutex(&self.next_attempt) = Some(Instant::now() + RETRY_DELAY);
            tracing::warn!("the login of {} was not refreshed: {failure}", self.login_file.provider());
        }
        refreshed
    }

    async fn refresh_locked(&self, old: &Login) -> Result<Arc<Login>, Failure> {
        let lock = acquire_lock(&self.login_file).await?;
        let login = self.read_login()?;
        // Another process was faster, or the user logged in again.
        if login.access_token != old.access_token && !self.remaining_lifetime(&login).is_zero() {
            return Ok(login);
        }
        let Some(token) = &login.refresh_token else {
            return self.record_end(lock, &login, "its key cannot be refreshed").await;
        };
        let device = self.login_file.load_device_id().ok();
        let issuer = Issuer::new(&login.host, &login.client_id, device).map_err(|why| {
            Failure::new(Reason::Auth, format!("the host of the login cannot be asked: {why}"))
        })?;
        let _unfinished = PendingRefresh::start();
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
                Ok(self.store_login(lock, next).await)
            }
            // Kimi's own programs take both statuses for the end of a login, whatever the word.
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

    /// Writes the next key down. One that cannot be written is used all the same, as long as this process lives.
    async fn store_login(&self, lock: LoginLock, login: Login) -> Arc<Login> {
        let login = Arc::new(login);
        let (place, next) = (self.login_file.clone(), login.clone());
        let written = tokio::task::spawn_blocking(move || place.replace_tokens(&lock, &next)).await;
        match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(()) => tracing::debug!("the login of {} was refreshed", self.login_file.provider()),
            Err(error) => tracing::error!(
                "the login of {} was refreshed and cannot be written ({error}): after a restart log in again: {}",
                self.login_file.provider(),
                self.login_file.login_command()
            ),
        }
        *lock_mutex(&self.cached) = Some((self.login_file.version(), login.clone()));
        login
    }

    async fn record_end(
        &self,
        lock: LoginLock,
        login: &Arc<Login>,
        why: &str,
    ) -> Result<Arc<Login>, Failure> {
        let (place, ended, reason) = (self.login_file.clone(), login.clone(), why.to_owned());
        let written = tokio::task::spawn_blocking(move || place.end_login(&lock, &ended, &reason)).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::error!(
                "the end of the login of {} cannot be written: {error}",
                self.login_file.provider()
            );
        }
        let message =
            format!("the login has ended ({why}); log in again: {}", self.login_file.login_command());
        Err(Failure::new(Reason::Auth, message))
    }

    /// The login on disk; the file is read when it is another than it was.
    fn read_login(&self) -> Result<Arc<Login>, Failure> {
        let print = self.login_file.version();
        let mut known = lock_mutex(&self.cached);
        if let Some((_, login)) = known.as_ref().filter(|(of, _)| *of == print && print.is_some()) {
            return Ok(login.clone());
        }
        match self.login_file.read() {
            Ok(login) => {
                let login = Arc::new(login);
                *known = Some((print, login.clone()));
                Ok(login)
            }
            Err(why) => {
                *known = None;
                Err(Failure::new(Reason::Auth, why.to_string()))
            }
        }
    }

    fn remaining_lifetime(&self, login: &Login) -> Duration {
        login.expires_at.duration_since((self.clock)()).unwrap_or_default()
    }
}

fn lock_mutex<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
