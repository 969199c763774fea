//! A relay of our own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;

use super::told::Told;
use super::{Refused, Reply};
use crate::config::settings::Settings;
use crate::protocol::face::Face;
use crate::record::{Record, RequestId};
use crate::routing::{Answer, ClientRequest, Refusal, Relay, Sink};
use crate::upstream::Connector;

/// See the module.
pub(super) struct Local {
    relay: Relay,
    /// Of requests that nobody has asked about; a turn asks about each of its own.
    records: Arc<Mutex<Vec<Record>>>,
}

impl Local {
    pub(super) fn new(settings: Arc<Settings>, connector: Arc<dyn Connector>, also: Sink) -> Self {
        let records: Arc<Mutex<Vec<Record>>> = Arc::default();
        let kept = records.clone();
        let sink: Sink = Arc::new(move |record: Record| {
            locked(&kept).push(record.clone());
            also(record);
        });
        Self { relay: Relay::new(settings, connector, sink), records }
    }

    pub(super) async fn ask(&self, body: Bytes, headers: HeaderMap) -> Result<Reply, Refused> {
        let id = RequestId::now();
        let request =
            ClientRequest { id, face: Face::Messages, client: None, headers, body, first_target_only: false };
        // Boxed: the way of a request is long.
        match Box::pin(self.relay.answer(request)).await {
            Ok(Answer::Stream { model, attempts, body, .. }) => {
                let head = Told::of_head(model.as_deref(), &attempts);
                Ok(Reply { id: id.to_string(), body: Box::pin(body.map(Ok)), head })
            }
            Ok(Answer::Whole { body, model, attempts, .. }) => {
                let head = Told::of_head(Some(&model), &attempts);
                let body = futures_util::stream::iter([Ok(body.to_bytes())]);
                Ok(Reply { id: id.to_string(), body: Box::pin(body), head })
            }
            Err(refusal) => Err(refused(id, &refusal)),
        }
    }

    pub(super) fn told(&self, id: Option<&str>) -> Option<Told> {
        let mut records = locked(&self.records);
        let place = match id {
            Some(id) => {
                let id = id.parse().ok()?;
                records.iter().position(|record| record.request_id == id)?
            }
            None => records.len().checked_sub(1)?,
        };
        Some(Told::of(&records.swap_remove(place)))
    }
}

fn locked(records: &Mutex<Vec<Record>>) -> MutexGuard<'_, Vec<Record>> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(id: RequestId, refusal: &Refusal) -> Refused {
    let kind = match refusal {
        Refusal::UnknownModel { .. } => "unknown_model",
        _ => refusal.reason().as_str(),
    };
    let attempts = match refusal {
        Refusal::Unservable { attempts }
        | Refusal::Failed { attempts, .. }
        | Refusal::Stopping { attempts } => attempts.as_slice(),
        _ => &[],
    };
    Refused {
        kind,
        message: refusal.to_string(),
        id: Some(id.to_string()),
        head: Told::of_head(None, attempts),
    }
}
