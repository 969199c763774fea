//! What the simulator received, and what became of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::provider::{Api, Provider};
use crate::rate_limit::ConcurrencyPermit;

/// How many requests are remembered; the oldest go first.
const MAX_REQUESTS: usize = 1000;

/// A request that reached one of the providers. A test double stores all of it, including the key: do not use
/// real keys.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Counts from 1.
    pub seq: u64,
    /// The provider that it was sent to.
    pub provider: Provider,
    /// The API of the request; none if it has no prompt.
    pub api: Option<Api>,
    /// HTTP method.
    pub method: String,
    /// Path with query, as it was sent.
    pub path: String,
    /// Headers with lower-case names. Values that are not text are shown lossily.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent.
    pub body: Bytes,
    /// The requested model, empty when there is none.
    pub model: String,
    /// The faults that applied to it.
    pub fault: Option<String>,
    /// The status of the answer; none if no head was sent.
    pub status: Option<u16>,
    /// Whether it has ended.
    pub is_done: bool,
    /// Whether the client disconnected before the end of the answer.
    pub is_cancelled: bool,
    /// From the request's head to the end.
    pub duration: Option<Duration>,
}

impl RecordedRequest {
    /// A header's first value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn to_json(&self) -> Value {
        json!({
            "seq": self.seq,
            "provider": self.provider.as_str(),
            "face": self.api.map(Api::as_str),
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body": String::from_utf8_lossy(&self.body),
            "bodyBytes": self.body.len(),
            "model": self.model,
            "fault": self.fault,
            "status": self.status,
            "done": self.is_done,
            "cancelled": self.is_cancelled,
            "ms": self.duration.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        })
    }
}

/// Counters since the start, or since they were last cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Requests that are being answered.
    pub in_flight: u64,
    /// Requests recorded.
    pub total: u64,
    /// Of those, given up by the client.
    pub cancelled: u64,
    /// Open connections, those of the questions about it included.
    pub connections: u64,
}

/// The record. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestLog {
    entries: Arc<Mutex<LogEntries>>,
    stats: Arc<watch::Sender<Stats>>,
}

#[derive(Debug, Default)]
struct LogEntries {
    last_seq: u64,
    requests: VecDeque<RecordedRequest>,
}

impl RequestLog {
    /// Records a request; its body follows when it was read.
    pub(super) fn start_request(
        &self,
        provider: Provider,
        api: Option<Api>,
        parts: &Parts,
    ) -> InFlightRequest {
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let mut received = RecordedRequest {
            seq: 0,
            provider,
            api,
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: headers.collect(),
            body: Bytes::new(),
            model: String::new(),
            fault: None,
            status: None,
            is_done: false,
            is_cancelled: false,
            duration: None,
        };
        let seq = {
            let mut entries = self.lock();
            entries.last_seq += 1;
            received.seq = entries.last_seq;
            received.seq
        };
        self.stats.send_modify(|stats| stats.in_flight += 1);
        InFlightRequest {
            request_log: self.clone(),
            seq,
            started_at: Instant::now(),
            pending: Some(received),
            is_over: false,
            permit: None,
        }
    }

    /// All that is remembered.
    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    /// The record as JSON.
    pub(super) fn to_json(&self) -> Value {
        let requests: Vec<Value> = self.lock().requests.iter().map(RecordedRequest::to_json).collect();
        json!({ "count": requests.len(), "requests": requests })
    }

    /// Forgets the requests and the counters, but not what is being answered.
    pub(super) fn clear(&self) {
        self.lock().requests.clear();
        self.stats.send_modify(|stats| (stats.total, stats.cancelled) = (0, 0));
    }

    /// The counters now.
    pub(super) fn stats(&self) -> Stats {
        *self.stats.borrow()
    }

    /// Waits until `reached` holds or `limit` has passed. Returns whether `reached` holds.
    pub(super) async fn wait_for(&self, limit: Duration, reached: impl FnMut(&Stats) -> bool) -> bool {
        let mut changes = self.stats.subscribe();
        tokio::time::timeout(limit, changes.wait_for(reached)).await.is_ok_and(|waited| waited.is_ok())
    }

    /// Counts a connection for as long as the result lives.
    pub(super) fn count_connection(&self) -> OpenConnection {
        self.stats.send_modify(|stats| stats.connections += 1);
        OpenConnection { request_log: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, LogEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, seq: u64, change: impl FnOnce(&mut RecordedRequest)) {
        if let Some(entry) = self.lock().requests.iter_mut().rev().find(|entry| entry.seq == seq) {
            change(entry);
        }
    }
}

/// An open connection.
pub(super) struct OpenConnection {
    request_log: RequestLog,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.request_log.stats.send_modify(|stats| stats.connections = stats.connections.saturating_sub(1));
    }
}

/// A request that is being answered. Dropped without [`Ticket::finish`], it was given up by its client.
pub(super) struct InFlightRequest {
    request_log: RequestLog,
    seq: u64,
    started_at: Instant,
    /// Until the body was read.
    pending: Option<RecordedRequest>,
    is_over: bool,
    permit: Option<ConcurrencyPermit>,
}

impl InFlightRequest {
    /// The request's number.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Puts the request into the record; from here on it counts.
    pub(super) fn record_body(&mut self, body: Bytes, model: &str) {
        let Some(mut received) = self.pending.take() else { return };
        received.body = body;
        model.clone_into(&mut received.model);
        {
            let mut entries = self.request_log.lock();
            if entries.requests.len() == MAX_REQUESTS {
                entries.requests.pop_front();
            }
            entries.requests.push_back(received);
        }
        self.request_log.stats.send_modify(|stats| stats.total += 1);
    }

    /// Holds the request's share of the concurrency until the request ends.
    pub(super) fn hold_permit(&mut self, permit: ConcurrencyPermit) {
        self.permit = Some(permit);
    }

    /// Records the faults that applied.
    pub(super) fn record_faults(&self, words: Option<String>) {
        if words.is_some() {
            self.request_log.update(self.seq, |entry| entry.fault = words);
        }
    }

    /// Notes the status that is sent.
    pub(super) fn record_status(&self, status: u16) {
        self.request_log.update(self.seq, |entry| entry.status = Some(status));
    }

    /// The answer was sent as far as intended.
    pub(super) fn finish(mut self) {
        self.close(false);
    }

    fn close(&mut self, cancelled: bool) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        self.permit = None;
        self.record_body(Bytes::new(), "");
        let took = self.started_at.elapsed();
        self.request_log.update(self.seq, |entry| {
            entry.is_done = true;
            entry.is_cancelled = cancelled;
            entry.duration = Some(took);
        });
        self.request_log.stats.send_modify(|stats| {
            stats.in_flight = stats.in_flight.saturating_sub(1);
            stats.cancelled += u64::from(cancelled);
        });
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.close(true);
    }
}
