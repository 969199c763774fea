//! What handlers get: the gateway, and who is calling.

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

/// What the handlers share.
pub struct AppState {
    /// The way of requests.
    pub engine: Arc<Engine>,
    /// What became of requests.
    pub usage: Arc<UsageStore>,
    /// What is counted of them.
    pub metrics: Arc<Metrics>,
    /// What both of them are about to be told.
    pub record_queue: Arc<RecordQueue>,
    /// What never became a request of the relay's.
    pub rejections: Arc<RejectionLog>,
    /// Where spans of them go, for what is lost of those.
    pub traces: Option<Arc<Traces>>,
    /// What was found on the web lately.
    pub search_cache: Arc<SearchCache>,
    /// The machine's own name, which a Host may be.
    pub hostname: Option<String>,
    /// Where the gateway listens, for the status; a reload can move it.
    pub address: ArcSwap<String>,
    /// Room for open dashboards.
    pub viewer_slots: Arc<Semaphore>,
}

impl AppState {
    /// With a ledger that forgets, metrics of its own, no traces, and no name of the machine.
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

/// Who sends a request, and its id.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) request_id: RequestId,
    pub(super) client: Option<String>,
}
