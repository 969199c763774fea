//! What handlers get: the gateway, and who is calling.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::dashboard;
use super::refusals::Refusals;
use crate::assistant::search::cache::Cache;
use crate::record::RequestId;
use crate::routing::Relay;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::outbox::{GATHER, Outbox};
use crate::telemetry::traces::Traces;
use crate::usage::Ledger;

/// What the handlers share.
pub struct Shared {
    /// The way of requests.
    pub relay: Arc<Relay>,
    /// What became of requests.
    pub ledger: Arc<Ledger>,
    /// What is counted of them.
    pub metrics: Arc<Metrics>,
    /// What both of them are about to be told.
    pub outbox: Arc<Outbox>,
    /// What never became a request of the relay's.
    pub refusals: Arc<Refusals>,
    /// Where spans of them go, for what is lost of those.
    pub traces: Option<Arc<Traces>>,
    /// What was found on the web lately.
    pub found: Arc<Cache>,
    /// The machine's own name, which a Host may be.
    pub hostname: Option<String>,
    /// Where the gateway listens, for the status; a reload can move it.
    pub address: ArcSwap<String>,
    /// Room for open dashboards.
    pub watchers: Arc<Semaphore>,
}

impl Shared {
    /// With a ledger that forgets, metrics of its own, no traces, and no name of the machine.
    #[must_use]
    pub fn new(relay: Arc<Relay>, address: String) -> Self {
        let (ledger, metrics) = (Arc::new(Ledger::forgetful()), Arc::<Metrics>::default());
        let refusals = Arc::new(Refusals::new(metrics.clone()));
        let found = Arc::<Cache>::default();
        let outbox = Outbox::new(Box::new(drop), GATHER);
        let (watchers, address) = (dashboard::room(), ArcSwap::from_pointee(address));
        Self {
            relay,
            ledger,
            metrics,
            outbox,
            refusals,
            traces: None,
            found,
            hostname: None,
            address,
            watchers,
        }
    }
}

/// Who sends a request, and its id.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) request_id: RequestId,
    pub(super) client: Option<String>,
}
