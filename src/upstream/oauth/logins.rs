//! Calls to providers, those with a login included: their key is looked up just before each call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::StatusCode;

use super::super::{Call, Connector, Response};
use super::Clock;
use super::keeper::Keeper;
use crate::config::settings::{Auth, Key, Provider, SecretOrigin};
use crate::credentials::{Login, Place};
use crate::failure::Failure;

/// The logins of all providers, and what sends calls.
pub struct Logins {
    connector: Arc<dyn Connector>,
    clock: Clock,
    keepers: Mutex<HashMap<Place, Arc<Keeper>>>,
}

/// A response, and the provider with the key that it was called with.
pub struct Sent {
    /// The provider's.
    pub response: Response,
    /// To take the key out of what it said.
    pub provider: Arc<Provider>,
}

impl Logins {
    /// By the system's clock. Nothing is read yet.
    #[must_use]
    pub fn new(connector: Arc<dyn Connector>) -> Self {
        Self::with_clock(connector, Arc::new(SystemTime::now))
    }

    /// By another clock.
    #[must_use]
    pub fn with_clock(connector: Arc<dyn Connector>, clock: Clock) -> Self {
        Self { connector, clock, keepers: Mutex::default() }
    }

    /// The provider as it is called now: where it has a login, with the key of now.
    ///
    /// # Errors
    /// When there is no login any more, or its key cannot be refreshed.
    pub async fn called(&self, provider: &Arc<Provider>) -> Result<Arc<Provider>, Failure> {
        match &provider.login {
            Some(place) => Ok(with_key(provider, &*self.keeper(place).login().await?)),
            None => Ok(provider.clone()),
        }
    }

    /// Sends a call that is made for the provider as it is called now. Where a login's key is refused before its time
    /// it is refreshed, and the call is made once more, and no third time.
    ///
    /// # Errors
    /// As [`Logins::called`], and those of the call.
    pub async fn send(
        &self,
        provider: &Arc<Provider>,
        call: impl Fn(&Arc<Provider>) -> Result<Call, Failure>,
    ) -> Result<Sent, Failure> {
        let Some(place) = &provider.login else {
            let response = self.connector.send(call(provider)?).await?;
            return Ok(Sent { response, provider: provider.clone() });
        };
        let keeper = self.keeper(place);
        let login = keeper.login().await?;
        let first = with_key(provider, &login);
        let response = self.connector.send(call(&first)?).await?;
        if response.status != StatusCode::UNAUTHORIZED || login.refresh.is_none() {
            return Ok(Sent { response, provider: first });
        }
        drop(response);
        let second = with_key(provider, &*keeper.refreshed(&login).await?);
        let response = self.connector.send(call(&second)?).await?;
        Ok(Sent { response, provider: second })
    }

    fn keeper(&self, place: &Place) -> Arc<Keeper> {
        let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Keeper::new(place.clone(), self.connector.clone(), self.clock.clone()));
        keepers.entry(place.clone()).or_insert_with(new).clone()
    }
}

/// A token of a login is always a bearer token, also where a key would have a header of its own (kimi-code 2.1.0).
fn with_key(provider: &Provider, login: &Login) -> Arc<Provider> {
    let origin = provider
        .keys
        .first()
        .map_or_else(|| SecretOrigin::Login { host: login.host.clone() }, |key| key.origin.clone());
    let key = Key { secret: login.access.clone(), origin };
    Arc::new(Provider { keys: vec![key], auth: Auth::Bearer, login: None, ..provider.clone() })
}
