//! Where a turn is asked: the gateway that runs, or a relay of our own in this process.

mod gateway;
mod local;
mod told;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::settings::Settings;
use crate::routing::Sink;
use crate::upstream::gateway::Address;
use crate::upstream::{ByteStream, Connector};

use self::gateway::Gateway;
use self::local::Local;
pub(super) use self::told::{Told, Used};

/// What we call ourselves, towards gateways and providers.
pub const OURSELVES: &str = concat!("moonrelay/", env!("CARGO_PKG_VERSION"));

/// One of the two.
pub struct Exchange {
    place: Place,
    settings: Arc<Settings>,
}

enum Place {
    Gateway(Gateway),
    Local(Local),
}

/// An answer that has begun.
pub(super) struct Reply {
    /// The request's id.
    pub(super) id: String,
    /// The events.
    pub(super) body: ByteStream,
    /// What its head says of the request; all that is known where nobody tells more.
    pub(super) head: Told,
}

/// Why none has.
#[derive(Debug)]
pub(super) struct Refused {
    /// As in contract 2's error objects.
    pub(super) kind: &'static str,
    /// For people.
    pub(super) message: String,
    /// The request's id, where it became one.
    pub(super) id: Option<String>,
    /// What the refusal itself says of the request.
    pub(super) head: Told,
}

impl Exchange {
    /// Through the gateway that listens there.
    #[must_use]
    pub fn gateway(settings: Arc<Settings>, address: Address, connector: Arc<dyn Connector>) -> Self {
        let gateway = Gateway::new(address, &settings, connector);
        Self { place: Place::Gateway(gateway), settings }
    }

    /// Through a relay of our own; `also` takes each record beside us.
    #[must_use]
    pub fn local(settings: Arc<Settings>, connector: Arc<dyn Connector>, also: Sink) -> Self {
        let local = Local::new(settings.clone(), connector, also);
        Self { place: Place::Local(local), settings }
    }

    /// Whether providers are called from this process.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self.place, Place::Local(_))
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
    pub(super) async fn ready(&self) -> Result<(), Refused> {
        match &self.place {
            Place::Gateway(gateway) => gateway.ready().await,
            Place::Local(_) => Ok(()),
        }
    }

    /// Asks in the name of a session: a messages request, streamed. Dropping the future, or the answer, cancels it.
    pub(super) async fn ask(&self, body: Bytes, session: &str) -> Result<Reply, Refused> {
        let headers = self.headers(session);
        match &self.place {
            Place::Gateway(gateway) => gateway.ask(body, headers).await,
            Place::Local(local) => local.ask(body, headers).await,
        }
    }

    /// What became of a request whose answer is over, or was dropped; `None` asks for the last one.
    pub(super) async fn told(&self, id: Option<&str>) -> Option<Told> {
        match &self.place {
            Place::Gateway(gateway) => gateway.told(id?).await,
            Place::Local(local) => local.told(id),
        }
    }

    fn headers(&self, session: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(OURSELVES));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // It goes on to the provider, so it is told only where it says who answers.
        if self.settings.failover.return_at_session_end
            && let Ok(name) = HeaderValue::from_str(session)
        {
            headers.insert(HeaderName::from_static("x-session-id"), name);
        }
        headers
    }
}
