//! Calls to providers. Where a provider has a login, its access token is looked up just before each call.

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

/// A connector that knows the logins of all providers.
pub struct AuthenticatedConnector {
    connector: Arc<dyn Connector>,
    clock: Clock,
    refreshers: Mutex<HashMap<LoginFile, Arc<TokenRefresher>>>,
}

/// A response, and the provider with the key that was used.
pub struct AuthenticatedResponse {
    /// The provider's response.
    pub response: UpstreamResponse,
    /// The provider as it was called; its key must be redacted from the response.
    pub provider: Arc<Provider>,
}

impl AuthenticatedConnector {
    /// Uses the system's clock. Nothing is read yet.
    #[must_use]
    pub fn new(connector: Arc<dyn Connector>) -> Self {
        Self::with_clock(connector, Arc::new(SystemTime::now))
    }

    /// Uses another clock.
    #[must_use]
    pub fn with_clock(connector: Arc<dyn Connector>, clock: Clock) -> Self {
        Self { connector, clock, refreshers: Mutex::default() }
    }

    /// The provider as it is called now: if it has a login, with the current token.
    ///
    /// # Errors
    /// When the login no longer exists, or its token cannot be refreshed.
    pub async fn authorize(&self, provider: &Arc<Provider>) -> Result<Arc<Provider>, Failure> {
        match &provider.login_file {
            Some(file) => Ok(with_access_token(provider, &*self.find_refresher(file).login().await?)),
            None => Ok(provider.clone()),
        }
    }

    /// Sends a call that is built for the provider with its current key. If the provider rejects the token of a login
    /// before it expires, the token is refreshed and the call is sent a second and last time.
    ///
    /// # Errors
    /// As [`AuthenticatedConnector::authorize`], and those of the call.
    pub async fn send(
        &self,
        provider: &Arc<Provider>,
        call: impl Fn(&Arc<Provider>) -> Result<UpstreamRequest, Failure>,
    ) -> Result<AuthenticatedResponse, Failure> {
        let Some(file) = &provider.login_file else {
            let response = self.connector.send(call(provider)?).await?;
            return Ok(AuthenticatedResponse { response, provider: provider.clone() });
        };
        let refresher = self.find_refresher(file);
        let login = refresher.login().await?;
        let first = with_access_token(provider, &login);
        let response = self.connector.send(call(&first)?).await?;
        if response.status != StatusCode::UNAUTHORIZED || login.refresh_token.is_none() {
            return Ok(AuthenticatedResponse { response, provider: first });
        }
        drop(response);
        let second = with_access_token(provider, &*refresher.start_refresh(&login).await?);
        let response = self.connector.send(call(&second)?).await?;
        Ok(AuthenticatedResponse { response, provider: second })
    }

    fn find_refresher(&self, file: &LoginFile) -> Arc<TokenRefresher> {
        let mut refreshers = self.refreshers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(TokenRefresher::new(file.clone(), self.connector.clone(), self.clock.clone()));
        refreshers.entry(file.clone()).or_insert_with(new).clone()
    }

    /// Whether no refresh is in progress.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let refreshers = self.refreshers.lock().unwrap_or_else(PoisonError::into_inner);
        refreshers.values().all(|refresher| refresher.is_idle())
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
