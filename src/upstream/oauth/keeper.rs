//! Keeps one login's key good: refreshed ahead, by one at a time, in this process and among all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::super::Connector;
use super::endpoint::{Grant, Issuer, Told};
use super::unfinished::Unfinished;
use super::{Clock, lock};
use crate::credentials::{Lock, Login, Place, Print};
use crate::failure::{Failure, Reason};

/// At the latest so long before its end a key is refreshed.
const AHEAD: Duration = Duration::from_mins(3);
/// A refresh ahead that failed is tried again after this; the key is still good.
const AGAIN: Duration = Duration::from_secs(10);

/// A refresh, and what it came to for everybody who waits for it.
type Refresh = Shared<BoxFuture<'static, Result<Arc<Login>, Failure>>>;

/// One login.
pub(super) struct Keeper {
    place: Place,
    connector: Arc<dyn Connector>,
    clock: Clock,
    /// The file as it was read last, and its version.
    known: Mutex<Option<(Option<Print>, Arc<Login>)>>,
    under_way: Mutex<Option<Refresh>>,
    not_before: Mutex<Option<Instant>>,
}

impl Keeper {
    pub(super) fn new(place: Place, connector: Arc<dyn Connector>, clock: Clock) -> Self {
        let (known, under_way, not_before) = Default::default();
        Self { place, connector, clock, known, under_way, not_before }
    }

    /// The login, with a key that is good. While the key of now is, nobody waits for the next one.
    pub(super) async fn login(self: &Arc<Self>) -> Result<Arc<Login>, Failure> {
        let login = self.read()?;
        let left = self.left(&login);
        if left.is_zero() {
            return self.refreshed(&login).await;
        }
        let is_late = left <= AHEAD.min(login.life / 4);
        if is_late && login.refresh.is_some() && held(&self.not_before).is_none_or(|at| Instant::now() >= at)
        {
            // It goes on by itself.
            drop(self.refreshed(&login));
        }
        Ok(login)
    }

    /// The login with another key than this one, which is not good any more. Who comes while a refresh is under way
    /// waits for that one.
    pub(super) fn refreshed(self: &Arc<Self>, old: &Arc<Login>) -> Refresh {
        let mut under_way = held(&self.under_way);
        if let Some(refresh) = under_way.as_ref().filter(|refresh| refresh.peek().is_none()) {
            return refresh.clone();
        }
        let (keeper, old) = (self.clone(), old.clone());
        // A task of its own: a client that leaves must not break it off.
        let task = tokio::spawn(async move {
            let refreshed = keeper.refresh(&old).await;
            // Here, because nobody may be left who looks at what it came to.
            *held(&keeper.under_way) = None;
            refreshed
        });
        let broken = |_| Err(Failure::new(Reason::Server, "the refresh of the login was broken off"));
        let refresh = task.map(move |ended| ended.unwrap_or_else(broken)).boxed().shared();
        *under_way = Some(refresh.clone());
        refresh
    }

    async fn refresh(&self, old: &Login) -> Result<Arc<Login>, Failure> {
        let refreshed = self.refresh_alone(old).await;
        if let Err(failure) = &refreshed {
            *held(&self.not_before) = Some(Instant::now() + AGAIN);
            tracing::warn!("the login of {} was not refreshed: {failure}", self.place.provider());
        }
        refreshed
    }

    async fn refresh_alone(&self, old: &Login) -> Result<Arc<Login>, Failure> {
        let lock = lock(&self.place).await?;
        let login = self.read()?;
        // Another process was faster, or somebody logged in again.
        if login.access != old.access && !self.left(&login).is_zero() {
            return Ok(login);
        }
        let Some(token) = &login.refresh else {
            return self.end(lock, &login, "its key cannot be refreshed").await;
        };
        let device = self.place.device().ok();
        let issuer = Issuer::new(&login.host, &login.client_id, device).map_err(|why| {
            Failure::new(Reason::Auth, format!("the host of the login cannot be asked: {why}"))
        })?;
        let _unfinished = Unfinished::begin();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        match issuer.post(self.connector.as_ref(), "token", &fields).await? {
            Told::Granted(members) => {
                let grant = Grant::read(&members)?;
                let next = Login {
                    refresh: grant.refresh.or_else(|| login.refresh.clone()),
                    access: grant.access,
                    expires: (self.clock)() + grant.life,
                    life: grant.life,
                    ..Login::clone(&login)
                };
                Ok(self.keep(lock, next).await)
            }
            // Kimi's own programs take both statuses for the end of a login, whatever the word.
            Told::Refused { error, status, .. }
                if error == "invalid_grant" || matches!(status.as_u16(), 401 | 403) =>
            {
                self.end(lock, &login, &error).await
            }
            Told::Refused { error, .. } => {
                let message = format!("{}: the refresh was refused: {error}", issuer.host());
                Err(Failure::new(Reason::Auth, message))
            }
        }
    }

    /// Writes the next key down. One that cannot be written is used all the same, as long as this process lives.
    async fn keep(&self, lock: Lock, login: Login) -> Arc<Login> {
        let login = Arc::new(login);
        let (place, next) = (self.place.clone(), login.clone());
        let written = tokio::task::spawn_blocking(move || place.replace(&lock, &next)).await;
        match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(()) => tracing::debug!("the login of {} was refreshed", self.place.provider()),
            Err(error) => tracing::error!(
                "the login of {} was refreshed and cannot be written ({error}): after a restart log in again: {}",
                self.place.provider(),
                self.place.command()
            ),
        }
        *held(&self.known) = Some((self.place.print(), login.clone()));
        login
    }

    async fn end(&self, lock: Lock, login: &Arc<Login>, why: &str) -> Result<Arc<Login>, Failure> {
        let (place, ended, reason) = (self.place.clone(), login.clone(), why.to_owned());
        let written = tokio::task::spawn_blocking(move || place.end(&lock, &ended, &reason)).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::error!("the end of the login of {} cannot be written: {error}", self.place.provider());
        }
        let message = format!("the login has ended ({why}); log in again: {}", self.place.command());
        Err(Failure::new(Reason::Auth, message))
    }

    /// The login on disk; the file is read when it is another than it was.
    fn read(&self) -> Result<Arc<Login>, Failure> {
        let print = self.place.print();
        let mut known = held(&self.known);
        if let Some((_, login)) = known.as_ref().filter(|(of, _)| *of == print && print.is_some()) {
            return Ok(login.clone());
        }
        match self.place.read() {
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

    fn left(&self, login: &Login) -> Duration {
        login.expires.duration_since((self.clock)()).unwrap_or_default()
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
