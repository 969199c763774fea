//! State that handlers share, and the identity of the client.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::dashboard;
use super::rejections::RejectionLog;
use crate::assistant::search::cache::SearchCache;
use crate::record::RequestId;
use crate::routing::Engine;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::record_queue::{GATHER_DELAY, RecordQueue};
use crate::telemetry::traces::Traces;
use crate::usage::UsageStore;

/// State shared by all handlers.
pub struct AppState {
    /// Routes requests to targets.
    pub engine: Arc<Engine>,
    /// The outcomes of requests.
    pub usage: Arc<UsageStore>,
    /// Counters of requests.
    pub metrics: Arc<Metrics>,
    /// Records that the usage database and the metrics have not received yet.
    pub record_queue: Arc<RecordQueue>,
    /// Requests that were rejected before the engine saw them.
    pub rejections: Arc<RejectionLog>,
    /// The span exporter, for its count of lost spans.
    pub traces: Option<Arc<Traces>>,
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
    /// Creates a state with an in-memory usage store, its own metrics, no traces and no host name.
    #[must_use]
    pub fn new(engine: Arc<Engine>, address: String) -> Self {
        let (usage, metrics) = (Arc::new(UsageStore::in_memory()), Arc::<Metrics>::default());
        let rejections = Arc::new(RejectionLog::new(metrics.clone()));
        let search_cache = Arc::<SearchCache>::default();
        let record_queue = RecordQueue::new(Box::new(drop), GATHER_DELAY);
        let (viewer_slots, address) = (dashboard::create_viewer_slots(), ArcSwap::from_pointee(address));
        Self {
            engine,
            usage,
            metrics,
            record_queue,
            rejections,
            traces: None,
            search_cache,
            hostname: None,
            address,
            viewer_slots,
        }
    }
}

/// The client of a request, and the request's id.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) request_id: RequestId,
    pub(super) client: Option<String>,
}
