//! What waits already goes on in one piece: one scan, one write and one wake for many small chunks.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::failure::Failure;
use crate::upstream::ByteStream;

/// Above this size nothing is added, in bytes: a client must see progress.
const MAX_COALESCED_BYTES: usize = 32 * 1024;

/// hyper's server looks at a body twice before it lets other tasks run; behind that is another turn.
const MAX_EMPTY_POLLS: u8 = 2;

/// A provider's bytes. Chunks that are available together are joined.
///
/// The HTTP client passes one chunk at a time, and reads the next out of its buffer when that is taken. So
/// after a chunk the coalescer lets the other task run once, and continues if that brought nothing. It never
/// waits. Where chunks arrive one by one, those turns bring nothing: then a chunk is passed on as it came,
/// until two arrive together again. Those two are two writes, and so is an end behind the last chunk.
pub(super) struct ChunkCoalescer<'s> {
    bytes: &'s mut ByteStream,
    first: Bytes,
    /// With the first, where there is more than one.
    merged: Vec<u8>,
    /// How often nothing was there since the last chunk.
    empty_polls: u8,
    /// Whether others are looked for behind the first.
    burst_detector: BurstDetector,
    runtime_metrics: RuntimeMetrics,
    /// What came behind them: the end.
    pending_end: Option<Option<Failure>>,
}

impl<'s> ChunkCoalescer<'s> {
    pub(super) fn new(bytes: &'s mut ByteStream) -> Self {
        let runtime_metrics = Handle::current().metrics();
        let burst_detector = BurstDetector::new();
        Self {
            bytes,
            first: Bytes::new(),
            merged: Vec::new(),
            empty_polls: 0,
            burst_detector,
            runtime_metrics,
            pending_end: None,
        }
    }

    fn add_chunk(&mut self, chunk: Bytes) {
        self.empty_polls = 0;
        if self.first.is_empty() {
            // The first thread, if there are several: those serve no requests, and guess worse.
            self.burst_detector.record_chunk(self.runtime_metrics.worker_park_count(0));
            self.first = chunk;
            return;
        }
        self.burst_detector.is_likely = true;
        if self.merged.is_empty() {
            // As much as hyper reads at first.
            self.merged.reserve(8 * 1024);
            self.merged.extend_from_slice(&self.first);
        }
        self.merged.extend_from_slice(&chunk);
    }

    /// What it has while it looks for more.
    pub(super) fn take_buffered(&mut self) -> Option<Bytes> {
        let first = std::mem::take(&mut self.first);
        let all = if self.merged.is_empty() { first } else { std::mem::take(&mut self.merged).into() };
        (!all.is_empty()).then_some(all)
    }
}

impl Stream for ChunkCoalescer<'_> {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(ended) = this.pending_end.take() {
            return Poll::Ready(ended.map(Err));
        }
        while this.first.len().max(this.merged.len()) < MAX_COALESCED_BYTES {
            match this.bytes.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(chunk))) => this.add_chunk(chunk),
                Poll::Ready(ended) if this.first.is_empty() => return Poll::Ready(ended),
                Poll::Ready(ended) => {
                    this.pending_end = Some(ended.and_then(Result::err));
                    break;
                }
                Poll::Pending if this.first.is_empty() => return Poll::Pending,
                Poll::Pending if !this.burst_detector.is_likely => break,
                Poll::Pending if this.empty_polls == MAX_EMPTY_POLLS => {
                    if this.merged.is_empty() {
                        this.burst_detector.record_miss();
                    }
                    break;
                }
                Poll::Pending => {
                    this.empty_polls += 1;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(this.take_buffered().map(Ok))
    }
}

/// Whether a chunk is likely to have others with it.
struct BurstDetector {
    is_likely: bool,
    /// The chunk arrived before the thread had run out of tasks since the previous one, so they probably
    /// arrived together.
    follows_previous: bool,
    /// How often the thread had been out of tasks when the last chunk came.
    last_park_count: Option<u64>,
}

impl BurstDetector {
    const fn new() -> Self {
        Self { is_likely: true, follows_previous: false, last_park_count: None }
    }

    /// A chunk came after so many sleeps, with no other in hand.
    fn record_chunk(&mut self, slept: u64) {
        self.follows_previous = self.last_park_count.replace(slept) == Some(slept);
        self.is_likely |= self.follows_previous;
    }

    /// It was looked for, and there was none.
    const fn record_miss(&mut self) {
        self.is_likely = self.follows_previous;
    }
}

#[cfg(test)]
mod tests;
