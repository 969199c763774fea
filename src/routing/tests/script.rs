//! A connector that answers from a list.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};

use crate::failure::{Failure, Reason};
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse};

/// What a provider does with a call.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// A whole answer, or an error.
    Body(u16, &'static str),
    /// An error with a Retry-After in seconds.
    Wait(u16, &'static str, &'static str),
    /// A whole answer, or an error, after this many seconds.
    Late(u64, u16, &'static str),
    /// Events, each after a pause in seconds; the end is clean.
    Events(Vec<(u64, &'static str)>),
    /// Events, then the connection is closed.
    Cut(Vec<(u64, &'static str)>),
    /// The head of an error with a Retry-After in seconds, and never a body.
    Stalled(u16, &'static str),
    /// No connection.
    Refused,
    /// Never a head.
    Silent,
}

/// Answers calls in order, and stores them.
#[derive(Default)]
pub(super) struct Script {
    replies: Mutex<VecDeque<Reply>>,
    pub(super) calls: Mutex<Vec<UpstreamRequest>>,
    /// Calls without a response yet: now, and the most there were.
    open: Arc<Mutex<(usize, usize)>>,
}

/// A call without a response yet.
struct Open(Arc<Mutex<(usize, usize)>>);

impl Open {
    fn new(open: &Arc<Mutex<(usize, usize)>>) -> Self {
        let mut counts = open.lock().unwrap();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
        Self(open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}

impl Script {
    pub(super) fn then(&self, reply: Reply) -> &Self {
        self.replies.lock().unwrap().push_back(reply);
        self
    }

    /// The most calls that waited for a response at the same time.
    pub(super) fn most_at_once(&self) -> usize {
        self.open.lock().unwrap().1
    }

    /// Hosts of the calls so far.
    pub(super) fn hosts(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|call| call.url.split('/').nth(2).unwrap().to_owned()).collect()
    }
}

fn response(
    status: u16,
    headers: &[(&'static str, &str)],
    body: Vec<(u64, &'static str)>,
    cut: bool,
) -> UpstreamResponse {
    let headers: HeaderMap = headers
        .iter()
        .map(|&(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
    let events = futures_util::stream::iter(body).then(|(pause, text)| async move {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        Ok(Bytes::from_static(text.as_bytes()))
    });
    let end = cut.then(|| Err(Failure::new(Reason::Truncated, "the connection broke")));
    let body = Box::pin(events.chain(futures_util::stream::iter(end)));
    UpstreamResponse { status: StatusCode::from_u16(status).unwrap(), headers, body }
}

impl Connector for Script {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        self.calls.lock().unwrap().push(call);
        let reply = self.replies.lock().unwrap().pop_front().expect("no call was expected");
        let open = Open::new(&self.open);
        let json = ("content-type", "application/json");
        let events = [("content-type", "text/event-stream")];
        Box::pin(async move {
            let _open = open;
            match reply {
                Reply::Body(status, body) => Ok(response(status, &[json], vec![(0, body)], false)),
                Reply::Late(seconds, status, body) => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    Ok(response(status, &[json], vec![(0, body)], false))
                }
                Reply::Wait(status, seconds, body) => {
                    Ok(response(status, &[json, ("retry-after", seconds)], vec![(0, body)], false))
                }
                Reply::Stalled(status, seconds) => {
                    let never = vec![(1_000_000, "")];
                    Ok(response(status, &[json, ("retry-after", seconds)], never, false))
                }
                Reply::Events(list) => Ok(response(200, &events, list, false)),
                Reply::Cut(list) => Ok(response(200, &events, list, true)),
                Reply::Refused => Err(Failure::new(Reason::Network, "cannot connect")),
                Reply::Silent => std::future::pending().await,
            }
        })
    }
}
