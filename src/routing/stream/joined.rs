//! What waits already goes on in one piece: one scan, one write and one wake for many small chunks.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::failure::Failure;
use crate::upstream::ByteStream;

/// From here on nothing is added, in bytes: a client shall see something move.
const ENOUGH: usize = 32 * 1024;

/// hyper's server looks at a body twice before it lets other tasks run; behind that is another turn.
const LOOKS: u8 = 2;

/// A provider's bytes, those that are there together joined.
///
/// The HTTP client hands over one chunk at a time, and reads the next out of its buffer when that is taken. So who has
/// taken one lets the other task run once, and goes on when that brought nothing. Nothing is waited for. Where chunks come
/// one by one, those turns bring nothing each time: then a chunk goes on as it came, until two come together again. Those
/// two are two writes, and so is an end behind the last chunk.
pub(super) struct Joined<'s> {
    bytes: &'s mut ByteStream,
    first: Bytes,
    /// With the first, where there is more than one.
    all: Vec<u8>,
    /// How often nothing was there since the last chunk.
    looks: u8,
    /// Whether others are looked for behind the first.
    company: Company,
    thread: RuntimeMetrics,
    /// What came behind them: the end.
    ended: Option<Option<Failure>>,
}

impl<'s> Joined<'s> {
    pub(super) fn new(bytes: &'s mut ByteStream) -> Self {
        let thread = Handle::current().metrics();
        let company = Company::new();
        Self { bytes, first: Bytes::new(), all: Vec::new(), looks: 0, company, thread, ended: None }
    }

    fn add(&mut self, chunk: Bytes) {
        self.looks = 0;
        if self.first.is_empty() {
            // The first thread, where there are several: those serve nobody, and guess worse.
            self.company.begin(self.thread.worker_park_count(0));
            self.first = chunk;
            return;
        }
        self.company.is_likely = true;
        if self.all.is_empty() {
            // As much as hyper reads at first.
            self.all.reserve(8 * 1024);
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&chunk);
    }

    /// What it has while it looks for more.
    pub(super) fn in_hand(&mut self) -> Option<Bytes> {
        let first = std::mem::take(&mut self.first);
        let all = if self.all.is_empty() { first } else { std::mem::take(&mut self.all).into() };
        (!all.is_empty()).then_some(all)
    }
}

impl Stream for Joined<'_> {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(ended) = this.ended.take() {
            return Poll::Ready(ended.map(Err));
        }
        while this.first.len().max(this.all.len()) < ENOUGH {
            match this.bytes.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(chunk))) => this.add(chunk),
                Poll::Ready(ended) if this.first.is_empty() => return Poll::Ready(ended),
                Poll::Ready(ended) => {
                    this.ended = Some(ended.and_then(Result::err));
                    break;
                }
                Poll::Pending if this.first.is_empty() => return Poll::Pending,
                Poll::Pending if !this.company.is_likely => break,
                Poll::Pending if this.looks == LOOKS => {
                    if this.all.is_empty() {
                        this.company.failed();
                    }
                    break;
                }
                Poll::Pending => {
                    this.looks += 1;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(this.in_hand().map(Ok))
    }
}

/// Whether a chunk is likely to have others with it.
struct Company {
    is_likely: bool,
    /// The chunk came before the thread was out of tasks since the one before: as far as can be told they were together.
    has_followed: bool,
    /// How often the thread had been out of tasks when the last chunk came.
    slept: Option<u64>,
}

impl Company {
    const fn new() -> Self {
        Self { is_likely: true, has_followed: false, slept: None }
    }

    /// A chunk came after so many sleeps, with no other in hand.
    fn begin(&mut self, slept: u64) {
        self.has_followed = self.slept.replace(slept) == Some(slept);
        self.is_likely |= self.has_followed;
    }

    /// It was looked for, and there was none.
    const fn failed(&mut self) {
        self.is_likely = self.has_followed;
    }
}

#[cfg(test)]
mod tests;
