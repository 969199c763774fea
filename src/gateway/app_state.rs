//! State that handlers share, and the identity of the client.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::rejections::RejectionLog;
use crate::assistant::search::cache::SearchCache;
use crate::record::RequestId;
use crate::routing::Engine;
use crate::telemetry::metrics::Metrics;
use crate::usage::UsageStore;

/// The number of dashboards that are kept up to date at a time. A person has one page open, or a few.
pub(super) const MAX_VIEWERS: usize = 8;

/// State shared by all handlers.
pub struct AppState {
    /// Routes requests to targets.
    pub engine: Arc<Engine>,
    /// The outcomes of requests.
    pub usage: Arc<UsageStore>,
    /// Counters of requests.
    pub metrics: Arc<Metrics>,
    /// Requests that were rejected before the engine saw them.
    pub rejections: Arc<RejectionLog>,
    /// Recent web search results.
    pub search_cache: Arc<SearchCache>,
    /// The machine's host name, accepted in `Host`.
    pub hostname: Option<String>,
    /// The address of the gateway, for the status. A reload can change it.
    pub address: ArcSwap<String>,
    /// Limits the number of open dashboards.
    pub viewer_slots: Arc<Semaphore>,
}

impl AppState {
    /// Creates a state with an in-memory usage store, its own metrics and no host name.
    #[must_use]
    pub fn new(engine: Arc<Engine>, address: String) -> Self {
        let (usage, metrics) = (Arc::new(UsageStore::in_memory()), Arc::<Metrics>::default());
        let rejections = Arc::new(RejectionLog::new(metrics.clone()));
        let search_cache = Arc::<SearchCache>::default();
        let (viewer_slots, address) = (Arc::new(Semaphore::new(MAX_VIEWERS)), ArcSwap::from_pointee(address));
        Self { engine, usage, metrics, rejections, search_cache, hostname: None, address, viewer_slots }
    }
}

/// The client of a request, and the request's id.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) request_id: RequestId,
    pub(super) client: Option<String>,
}
