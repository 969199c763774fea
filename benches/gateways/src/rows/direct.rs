//! No gateway: the load generator sends requests to the mock.

use crate::case::Case;
use crate::row::{Api, Launch, Place, Request, Row, UPSTREAM_KEY};

/// The row that the others are measured against.
pub struct Direct;

impl Row for Direct {
    fn name(&self) -> &'static str {
        "direct"
    }

    fn launch(&self, _: &Place<'_>) -> Result<Launch, String> {
        Ok(Launch { nothing: true, ..Launch::default() })
    }

    fn request(&self, case: Case, _: &Place<'_>) -> Option<Request> {
        through(case)
    }
}

/// The mock's own path and key: for rows that pass a request through as it is.
pub(super) fn through(case: Case) -> Option<Request> {
    // For the overhead of translation and failover, the direct case is the response without them.
    let lane = if case == Case::Fallback { crate::case::Lane::Json } else { case.lane() };
    Some(Request {
        path: format!("/{}/v1/chat/completions", lane.path()),
        headers: vec![("authorization".to_owned(), format!("Bearer {UPSTREAM_KEY}"))],
        model: "kimi-k2.6".to_owned(),
        api: Api::Chat,
    })
}
