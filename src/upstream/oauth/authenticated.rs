//! Calls to providers, those with a login included: their key is looked up just before each call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::StatusCode;

use super::super::{Connector, UpstreamRequest, UpstreamResponse};
use super::Clock;
use super::refresher::TokenRefresher;
use crate::config::settings::{Auth, Provider, ProviderKey, SecretOrigin};
use crate::credentials::{Login, LoginFile};
use crate::failure::Failure;

/// The logins of all providers, and what sends calls.
pub struct AuthenticatedConnector {
    connector: Arc<dyn Connector>,
    clock: Clock,
    refreshers: Mutex<HashMap<LoginFile, Arc<TokenRefresher>>>,
}

/// A response, and the provider with the key that it was called with.
pub struct AuthenticatedResponse {
    /// The provider's.
    pub response: UpstreamResponse,
    /// To take the key out of what it said.
    pub provider: Arc<Provider>,
}

impl AuthenticatedConnector {
    /// By the system's clock. Nothing is read yet.
    #[must_use]
    pub fn new(connector: Arc<dyn Connector>) -> Self {
        Self::with_clock(connector, Arc::new(SystemTime::now))
    }

    /// By another clock.
    #[must_use]
    pub fn with_clock(connector: Arc<dyn Connector>, clock: Clock) -> Self {
        Self { connector, clock, refreshers: Mutex::default() }
    }

    /// The provider as it is called now: if it has a login, with the current key.
    ///
    /// # Errors
    /// When the login no longer exists, or its key cannot be refreshed.
    pub async fn authorize(&self, provider: &Arc<Provider>) -> Result<Arc<Provider>, Failure> {
        match &provider.login_file {
            Some(place) => Ok(with_access_token(provider, &*self.find_refresher(place).login().await?)),
            None => Ok(provider.clone()),
        }
    }

    /// Sends a call that is made for the provider as it is called now. Where a login's key is refused before its time
    /// it is refreshed, and the call is made once more, and no third time.
    ///
    /// # Errors
    /// As [`AuthenticatedConnector::authorize`], and those of the call.
    pub async fn send(
        &self,
        provider: &Arc<Provider>,
        call: impl Fn(&Arc<Provider>) -> Result<UpstreamRequest, Failure>,
    ) -> Result<AuthenticatedResponse, Failure> {
        let Some(place) = &provider.login_file else {
            let response = self.connector.send(call(provider)?).await?;
            return Ok(AuthenticatedResponse { response, provider: provider.clone() });
        };
        let keeper = self.find_refresher(place);
        let login = keeper.login().await?;
        let first = with_access_token(provider, &login);
        let response = self.connector.send(call(&first)?).await?;
        if response.status != StatusCode::UNAUTHORIZED || login.refresh_token.is_none() {
            return Ok(AuthenticatedResponse { response, provider: first });
        }
        drop(response);
        let second = with_access_token(provider, &*keeper.start_refresh(&login).await?);
        let response = self.connector.send(call(&second)?).await?;
        Ok(AuthenticatedResponse { response, provider: second })
    }

    fn find_refresher(&self, place: &LoginFile) -> Arc<TokenRefresher> {
        let mut keepers = self.refreshers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(TokenRefresher::new(place.clone(), self.connector.clone(), self.clock.clone()));
        keepers.entry(place.clone()).or_insert_with(new).clone()
    }
}

/// A token of a login is always a bearer token, also where a key would have a header of its own (kimi-code 2.1.0).
fn with_access_token(provider: &Provider, login: &Login) -> Arc<Provider> {
    let origin = provider
        .keys
        .first()
        .map_or_else(|| SecretOrigin::Login { host: login.host.clone() }, |key| key.origin.clone());
    let key = ProviderKey { secret: login.access_token.clone(), origin };
    Arc::new(Provider { keys: vec![key], auth: Auth::Bearer, login_file: None, ..provider.clone() })
}
