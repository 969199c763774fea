//! Reads a provider's body: whole within the memory budget, or in chunks within the idle timeout.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::time::{Duration, Instant, timeout_at};

use crate::config::settings::MAX_BUFFERED_RESPONSE;
use crate::failure::{Failure, Reason, TimeoutKind};
use crate::protocol::memory_budget::{BodyBuffer, BudgetExceeded, MemoryReservation};

/// The bytes of a provider's response as they arrive; an error ends them.
pub(super) type ByteStream = BoxStream<'static, Result<Bytes, Failure>>;

/// A write of this size, in bytes, is not extended: the client must see progress.
pub(super) const MAX_COALESCED_BYTES: usize = 32 * 1024;

/// How often the reader looks for another chunk before it passes on what it has. hyper's server polls a body
/// twice before other tasks run, and the task of the connection must run to deliver the next chunk.
const MAX_EMPTY_POLLS: u8 = 2;

/// One of the timeouts of `failover.timeouts`, limited by the deadline of the whole request.
pub struct Timeout {
    started: Instant,
    limit: Duration,
    kind: TimeoutKind,
    deadline: Option<Instant>,
}

impl Timeout {
    /// Creates a timeout that expires `limit` after `started`, or at the deadline.
    #[must_use]
    pub const fn new(
        started: Instant,
        limit: Duration,
        kind: TimeoutKind,
        deadline: Option<Instant>,
    ) -> Self {
        Self { started, limit, kind, deadline }
    }

    /// The timeout without the deadline.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs `work` until the timeout expires.
    ///
    /// # Errors
    /// With a failure that names the timeout.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let own = self.started + self.limit;
        let end = self.deadline.map_or(own, |deadline| deadline.min(own));
        timeout_at(end, work).await.map_err(|_| self.failure())
    }

    fn failure(&self) -> Failure {
        let is_past_deadline = self.deadline.is_some_and(|deadline| deadline < self.started + self.limit);
        let kind = if is_past_deadline { TimeoutKind::Total } else { self.kind };
        Failure { is_gateway_limit: is_past_deadline, ..Failure::timed_out(kind, self.started.elapsed()) }
    }
}

/// The chunks of a body. Chunks that are available together are joined: one scan and one write for many events.
pub(super) struct ChunkReader<'s> {
    body: &'s mut ByteStream,
    idle_limit: Duration,
    deadline: Option<Instant>,
    /// The end that came after the chunks that were returned last.
    pending_end: Option<Option<Result<Bytes, Failure>>>,
}

impl<'s> ChunkReader<'s> {
    pub(super) const fn new(
        body: &'s mut ByteStream,
        idle_limit: Duration,
        deadline: Option<Instant>,
    ) -> Self {
        Self { body, idle_limit, deadline, pending_end: None }
    }

    /// Returns the next chunks; `None` at the end. It waits for the first one only.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        if let Some(end) = self.pending_end.take() {
            return end;
        }
        let idle = Timeout::new(Instant::now(), self.idle_limit, TimeoutKind::Idle, self.deadline);
        let first = match idle.run(self.body.next()).await {
            Ok(Some(Ok(first))) => first,
            Ok(end) => return end,
            Err(expired) => return Some(Err(expired)),
        };
        let mut joined = Vec::new();
        while first.len().max(joined.len()) < MAX_COALESCED_BYTES {
            match self.next_available().await {
                Some(Some(Ok(chunk))) => {
                    if joined.is_empty() {
                        joined.extend_from_slice(&first);
                    }
                    joined.extend_from_slice(&chunk);
                }
                Some(end) => {
                    self.pending_end = Some(end);
                    break;
                }
                None => break,
            }
        }
        Some(Ok(if joined.is_empty() { first } else { joined.into() }))
    }

    /// The next item, if it arrives while other tasks run once.
    async fn next_available(&mut self) -> Option<Option<Result<Bytes, Failure>>> {
        let mut empty_polls = 0;
        poll_fn(|context| match self.body.poll_next_unpin(context) {
            Poll::Ready(item) => Poll::Ready(Some(item)),
            Poll::Pending if empty_polls == MAX_EMPTY_POLLS => Poll::Ready(None),
            Poll::Pending => {
                empty_polls += 1;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await
    }
}

/// Reads a body to its end.
///
/// # Errors
/// With the body's failure, or when it is larger than the gateway buffers.
pub async fn read_within_budget(mut whole: BodyBuffer, mut body: ByteStream) -> Result<Bytes, Failure> {
    while let Some(chunk) = body.next().await.transpose()? {
        if whole.len() + chunk.len() > MAX_BUFFERED_RESPONSE {
            let message = format!("the response is larger than {MAX_BUFFERED_RESPONSE} bytes");
            return Err(Failure::new(Reason::Server, message));
        }
        whole.push(&chunk).map_err(|_| budget_exceeded())?;
    }
    Ok(whole.into_bytes())
}

/// Buffers at most this many bytes of one stream: not more than of a whole response, and not more than the
/// memory limit allows.
pub(super) fn reserve(reservation: &mut MemoryReservation, bytes: usize) -> Result<(), BudgetExceeded> {
    if bytes > MAX_BUFFERED_RESPONSE {
        return Err(BudgetExceeded);
    }
    reservation.resize(bytes)
}

/// The memory limit is reached. This is the gateway's failure and causes no cooldown.
#[must_use]
pub fn budget_exceeded() -> Failure {
    Failure {
        retry_after: Some(Duration::from_secs(1)),
        is_gateway_limit: true,
        ..Failure::new(Reason::Overloaded, "buffer memory limit reached; retry later")
    }
}
