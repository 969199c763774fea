//! The backend of a turn: the running gateway, or a gateway core in this process.

mod gateway;
mod local;
mod outcome;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::settings::Settings;
use crate::routing::RecordSink;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::{ByteStream, Connector};

use self::gateway::GatewayBackend;
use self::local::LocalBackend;
pub(super) use self::outcome::{AttemptUsage, RequestOutcome};

/// The user agent sent to gateways and providers.
pub const USER_AGENT: &str = concat!("moonrelay/", env!("CARGO_PKG_VERSION"));

/// The running gateway or the local core.
pub struct Backend {
    kind: BackendKind,
    settings: Arc<Settings>,
}

enum BackendKind {
    Gateway(GatewayBackend),
    Local(LocalBackend),
}

/// An answer whose response headers have arrived.
pub(super) struct BackendResponse {
    /// The request's id.
    pub(super) id: String,
    /// The events.
    pub(super) body: ByteStream,
    /// What the response headers report about the request.
    pub(super) header_outcome: RequestOutcome,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) struct BackendError {
    /// Error type, as in the gateway's error objects.
    pub(super) kind: &'static str,
    /// Message for the user.
    pub(super) message: String,
    /// The request's id, if one was assigned.
    pub(super) id: Option<String>,
    /// What the error response reports about the request.
    pub(super) header_outcome: RequestOutcome,
}

impl Backend {
    /// Uses the gateway at this address.
    #[must_use]
    pub fn new_gateway(
        settings: Arc<Settings>,
        address: GatewayAddress,
        connector: Arc<dyn Connector>,
    ) -> Self {
        let gateway = GatewayBackend::new(address, &settings, connector);
        Self { kind: BackendKind::Gateway(gateway), settings }
    }

    /// Calls providers from this process; `also` receives each usage record too.
    #[must_use]
    pub fn new_local(settings: Arc<Settings>, connector: Arc<dyn Connector>, also: RecordSink) -> Self {
        let local = LocalBackend::new(settings.clone(), connector, also);
        Self { kind: BackendKind::Local(local), settings }
    }

    /// Whether providers are called from this process.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self.kind, BackendKind::Local(_))
    }

    /// The configuration.
    #[must_use]
    pub const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Checks that the backend is available.
    ///
    /// # Errors
    /// A message with the fix, of type `gateway_down` or `auth`.
    pub(super) async fn check_ready(&self) -> Result<(), BackendError> {
        match &self.kind {
            BackendKind::Gateway(gateway) => gateway.check_ready().await,
            BackendKind::Local(_) => Ok(()),
        }
    }

    /// Sends a streamed Messages request for a session. Dropping the future or the answer cancels it.
    pub(super) async fn send_request(
        &self,
        body: Bytes,
        session: &str,
    ) -> Result<BackendResponse, BackendError> {
        let headers = self.request_headers(session);
        match &self.kind {
            BackendKind::Gateway(gateway) => gateway.send_request(body, headers).await,
            BackendKind::Local(local) => local.send_request(body, headers).await,
        }
    }

    /// The outcome of a request whose answer ended or was dropped; `None` selects the last request.
    pub(super) async fn fetch_outcome(&self, id: Option<&str>) -> Option<RequestOutcome> {
        match &self.kind {
            BackendKind::Gateway(gateway) => gateway.fetch_outcome(id?).await,
            BackendKind::Local(local) => local.take_outcome(id),
        }
    }

    fn request_headers(&self, session: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // The header is forwarded to the provider, so it is sent only if it affects which target answers.
        if self.settings.failover.keeps_fallback_for_session
            && let Ok(name) = HeaderValue::from_str(session)
        {
            headers.insert(HeaderName::from_static("x-session-id"), name);
        }
        headers
    }
}
