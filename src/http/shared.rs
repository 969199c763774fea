//! What handlers get: the gateway, and who is calling.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::relay::Relay;

/// What the handlers share.
pub struct Shared {
    /// The way of requests.
    pub relay: Arc<Relay>,
    /// The machine's own name, which a Host may be.
    pub hostname: Option<String>,
    /// Where the gateway listens, for the status; a reload can move it.
    pub address: ArcSwap<String>,
}

/// Who sends a request, and its id.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) request_id: String,
    pub(super) client: Option<String>,
}
