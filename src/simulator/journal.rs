//! What the simulator received, and what became of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::face::Face;
use super::limit::Slot;
use super::provider::Provider;

/// How many requests are remembered; the oldest go first.
const KEPT: usize = 1000;

/// A request that reached one of the providers. A test double keeps all of it, the key too: only use keys that are none.
#[derive(Clone, Debug)]
pub struct Received {
    /// Counts from 1.
    pub seq: u64,
    /// Whom it was for.
    pub provider: Provider,
    /// The face that was asked; none for what is no prompt.
    pub face: Option<Face>,
    /// HTTP method.
    pub method: String,
    /// Path with query, as it was sent.
    pub path: String,
    /// Headers with lower-case names; values that are no text are shown lossily.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent.
    pub body: Bytes,
    /// The requested model, empty when there is none.
    pub model: String,
    /// The faults that hit it.
    pub fault: Option<String>,
    /// The status of the answer; none when no head was sent yet, or ever.
    pub status: Option<u16>,
    /// Whether it is over.
    pub done: bool,
    /// Whether the client went away before the answer's end.
    pub cancelled: bool,
    /// From the request's head to the end.
    pub took: Option<Duration>,
}

impl Received {
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
            "face": self.face.map(Face::as_str),
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body": String::from_utf8_lossy(&self.body),
            "bodyBytes": self.body.len(),
            "model": self.model,
            "fault": self.fault,
            "status": self.status,
            "done": self.done,
            "cancelled": self.cancelled,
            "ms": self.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
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
pub(super) struct Journal {
    entries: Arc<Mutex<Entries>>,
    stats: Arc<watch::Sender<Stats>>,
}

#[derive(Debug, Default)]
struct Entries {
    last_seq: u64,
    kept: VecDeque<Received>,
}

impl Journal {
    /// Records a request; its body follows when it was read.
    pub(super) fn begin(&self, provider: Provider, face: Option<Face>, parts: &Parts) -> Ticket {
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let mut received = Received {
            seq: 0,
            provider,
            face,
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: headers.collect(),
            body: Bytes::new(),
            model: String::new(),
            fault: None,
            status: None,
            done: false,
            cancelled: false,
            took: None,
        };
        let seq = {
            let mut entries = self.lock();
            entries.last_seq += 1;
            received.seq = entries.last_seq;
            received.seq
        };
        self.stats.send_modify(|stats| stats.in_flight += 1);
        Ticket {
            journal: self.clone(),
            seq,
            begun: Instant::now(),
            pending: Some(received),
            over: false,
            slot: None,
        }
    }

    /// All that is remembered.
    pub(super) fn requests(&self) -> Vec<Received> {
        self.lock().kept.iter().cloned().collect()
    }

    /// The record as JSON.
    pub(super) fn to_json(&self) -> Value {
        let requests: Vec<Value> = self.lock().kept.iter().map(Received::to_json).collect();
        json!({ "count": requests.len(), "requests": requests })
    }

    /// Forgets the requests and the counters, but not what is being answered.
    pub(super) fn clear(&self) {
        self.lock().kept.clear();
        self.stats.send_modify(|stats| (stats.total, stats.cancelled) = (0, 0));
    }

    /// The counters now.
    pub(super) fn stats(&self) -> Stats {
        *self.stats.borrow()
    }

    /// Returns when `reached` holds, or after `limit`; says which.
    pub(super) async fn wait(&self, limit: Duration, reached: impl FnMut(&Stats) -> bool) -> bool {
        let mut changes = self.stats.subscribe();
        tokio::time::timeout(limit, changes.wait_for(reached)).await.is_ok_and(|waited| waited.is_ok())
    }

    /// Counts a connection for as long as the result lives.
    pub(super) fn connection(&self) -> Connection {
        self.stats.send_modify(|stats| stats.connections += 1);
        Connection { journal: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, seq: u64, change: impl FnOnce(&mut Received)) {
        if let Some(entry) = self.lock().kept.iter_mut().rev().find(|entry| entry.seq == seq) {
            change(entry);
        }
    }
}

/// An open connection.
pub(super) struct Connection {
    journal: Journal,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.journal.stats.send_modify(|stats| stats.connections = stats.connections.saturating_sub(1));
    }
}

/// A request that is being answered. Dropped without [`Ticket::finish`], it was given up by its client.
pub(super) struct Ticket {
    journal: Journal,
    seq: u64,
    begun: Instant,
    /// Until the body was read.
    pending: Option<Received>,
    over: bool,
    slot: Option<Slot>,
}

impl Ticket {
    /// The request's number.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Puts the request into the record; from here on it counts.
    pub(super) fn record(&mut self, body: Bytes, model: &str) {
        let Some(mut received) = self.pending.take() else { return };
        received.body = body;
        model.clone_into(&mut received.model);
        {
            let mut entries = self.journal.lock();
            if entries.kept.len() == KEPT {
                entries.kept.pop_front();
            }
            entries.kept.push_back(received);
        }
        self.journal.stats.send_modify(|stats| stats.total += 1);
    }

    /// Keeps the request's share of the concurrency until it is over.
    pub(super) fn keep(&mut self, slot: Slot) {
        self.slot = Some(slot);
    }

    /// Notes the faults that hit.
    pub(super) fn fault(&self, words: Option<String>) {
        if words.is_some() {
            self.journal.change(self.seq, |entry| entry.fault = words);
        }
    }

    /// Notes the status that is sent.
    pub(super) fn status(&self, status: u16) {
        self.journal.change(self.seq, |entry| entry.status = Some(status));
    }

    /// The answer went out as far as it was meant to.
    pub(super) fn finish(mut self) {
        self.close(false);
    }

    fn close(&mut self, cancelled: bool) {
        if self.over {
            return;
        }
        self.over = true;
        self.slot = None;
        self.record(Bytes::new(), "");
        let took = self.begun.elapsed();
        self.journal.change(self.seq, |entry| {
            entry.done = true;
            entry.cancelled = cancelled;
            entry.took = Some(took);
        });
        self.journal.stats.send_modify(|stats| {
            stats.in_flight = stats.in_flight.saturating_sub(1);
            stats.cancelled += u64::from(cancelled);
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.close(true);
    }
}
