//! Where a turn is asked: the gateway that runs, or a relay of our own in this process.

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

/// What we call ourselves, towards gateways and providers.
pub const USER_AGENT: &str = concat!("moonrelay/", env!("CARGO_PKG_VERSION"));

/// One of the two.
pub struct Backend {
    kind: BackendKind,
    settings: Arc<Settings>,
}

enum BackendKind {
    Gateway(GatewayBackend),
    Local(LocalBackend),
}

/// An answer that has begun.
pub(super) struct BackendResponse {
    /// The request's id.
    pub(super) id: String,
    /// The events.
    pub(super) body: ByteStream,
    /// What its head says of the request; all that is known where nobody tells more.
    pub(super) header_outcome: RequestOutcome,
}

/// Why none has.
#[derive(Debug)]
pub(super) struct BackendError {
    /// As in contract 2's error objects.
    pub(super) kind: &'static str,
    /// For people.
    pub(super) message: String,
    /// The request's id, where it became one.
    pub(super) id: Option<String>,
    /// What the refusal itself says of the request.
    pub(super) header_outcome: RequestOutcome,
}

impl Backend {
    /// Through the gateway that listens there.
    #[must_use]
    pub fn new_gateway(
        settings: Arc<Settings>,
        address: GatewayAddress,
        connector: Arc<dyn Connector>,
    ) -> Self {
        let gateway = GatewayBackend::new(address, &settings, connector);
        Self { kind: BackendKind::Gateway(gateway), settings }
    }

    /// Through a relay of our own; `also` takes each record beside us.
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

    /// Whether anybody is there.
    ///
    /// # Errors
    /// Why not, for people, with the fix: type `gateway_down`, or `auth`.
    pub(super) async fn check_ready(&self) -> Result<(), BackendError> {
        match &self.kind {
            BackendKind::Gateway(gateway) => gateway.check_ready().await,
            BackendKind::Local(_) => Ok(()),
        }
    }

    /// Asks in the name of a session: a messages request, streamed. Dropping the future, or the answer, cancels it.
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

    /// What became of a request whose answer is over, or was dropped; `None` asks for the last one.
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
        // It goes on to the provider, so it is told only where it says who answers.
        if self.settings.failover.keeps_fallback_for_session
            && let Ok(name) = HeaderValue::from_str(session)
        {
            headers.insert(HeaderName::from_static("x-session-id"), name);
        }
        headers
    }
}
