//! A relay of our own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;

use super::outcome::RequestOutcome;
use super::{BackendError, BackendResponse};
use crate::config::settings::Settings;
use crate::protocol::api::Api;
use crate::record::{Record, RequestId};
use crate::routing::{Answer, ClientRequest, Engine, RecordSink, RequestError};
use crate::upstream::Connector;

/// See the module.
pub(super) struct LocalBackend {
    engine: Engine,
    /// Records of requests not yet fetched; a turn fetches each of its own.
    records: Arc<Mutex<Vec<Record>>>,
}

impl LocalBackend {
    pub(super) fn new(settings: Arc<Settings>, connector: Arc<dyn Connector>, also: RecordSink) -> Self {
        let records: Arc<Mutex<Vec<Record>>> = Arc::default();
        let kept = records.clone();
        let sink: RecordSink = Arc::new(move |record: Record| {
            lock_records(&kept).push(record.clone());
            also(record);
        });
        Self { engine: Engine::new(settings, connector, sink), records }
    }

    pub(super) async fn send_request(
        &self,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<BackendResponse, BackendError> {
        let id = RequestId::now();
        let request = ClientRequest {
            id,
            api: Api::Messages,
            client: None,
            headers,
            body,
            is_fallback_disabled: false,
        };
        // Boxed, because the future of a request is large.
        match Box::pin(self.engine.answer(request)).await {
            Ok(Answer::Stream { model, attempts, body, .. }) => {
                let head = RequestOutcome::from_head(model.as_deref(), &attempts);
                Ok(BackendResponse { id: id.to_string(), body: Box::pin(body.map(Ok)), header_outcome: head })
            }
            Ok(Answer::Complete { body, model, attempts, .. }) => {
                let head = RequestOutcome::from_head(Some(&model), &attempts);
                let body = futures_util::stream::iter([Ok(body.to_bytes())]);
                Ok(BackendResponse { id: id.to_string(), body: Box::pin(body), header_outcome: head })
            }
            Err(refusal) => Err(to_backend_error(id, &refusal)),
        }
    }

    pub(super) fn take_outcome(&self, id: Option<&str>) -> Option<RequestOutcome> {
        let mut records = lock_records(&self.records);
        let place = match id {
            Some(id) => {
                let id = id.parse().ok()?;
                records.iter().position(|record| record.request_id == id)?
            }
            None => records.len().checked_sub(1)?,
        };
        Some(RequestOutcome::from_record(&records.swap_remove(place)))
    }
}

fn lock_records(records: &Mutex<Vec<Record>>) -> MutexGuard<'_, Vec<Record>> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

fn to_backend_error(id: RequestId, refusal: &RequestError) -> BackendError {
    let kind = match refusal {
        RequestError::UnknownModel { .. } => "unknown_model",
        _ => refusal.reason().as_str(),
    };
    let attempts = match refusal {
        RequestError::NoUsableTarget { attempts }
        | RequestError::AttemptsFailed { attempts, .. }
        | RequestError::ShuttingDown { attempts } => attempts.as_slice(),
        _ => &[],
    };
    BackendError {
        kind,
        message: refusal.to_string(),
        id: Some(id.to_string()),
        header_outcome: RequestOutcome::from_head(None, attempts),
    }
}
