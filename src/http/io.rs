//! The socket with two clocks that hyper lacks: from a head's first byte to its last, and for a client that stops
//! reading.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A head comes in one packet or a few; who takes longer is not a client.
const HEAD: Duration = Duration::from_secs(10);
/// A client that reads nothing for this long holds an upstream answer that nobody will see.
const STALLED: Duration = Duration::from_mins(2);

/// Whether the connection is between requests.
#[derive(Debug, Default)]
pub(super) struct Phase {
    in_request: AtomicBool,
}

impl Phase {
    pub(super) fn head_is_complete(&self) {
        self.in_request.store(true, Ordering::Relaxed);
    }

    pub(super) fn answer_is_out(&self) {
        self.in_request.store(false, Ordering::Relaxed);
    }
}

/// A socket with the clocks.
pub(super) struct TimedIo<S> {
    stream: S,
    phase: Arc<Phase>,
    head: Option<Pin<Box<Sleep>>>,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedIo<S> {
    pub(super) const fn new(stream: S, phase: Arc<Phase>) -> Self {
        Self { stream, phase, head: None, stalled: None }
    }

    /// Fails when the head has been coming for too long. `progress`: bytes of it have just been read.
    fn watch_head(&mut self, context: &mut Context<'_>, progress: bool) -> io::Result<()> {
        if self.phase.in_request.load(Ordering::Relaxed) {
            self.head = None;
            return Ok(());
        }
        if progress && self.head.is_none() {
            self.head = Some(Box::pin(sleep(HEAD)));
        }
        elapsed(self.head.as_mut(), context, "the request head took too long")
    }

    /// Fails when a write has been waiting for too long.
    fn watch_write<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let until = Instant::now() + STALLED;
        let clock = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        match elapsed(Some(clock), context, "the client has stopped reading") {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

fn elapsed(
    clock: Option<&mut Pin<Box<Sleep>>>,
    context: &mut Context<'_>,
    what: &'static str,
) -> io::Result<()> {
    match clock.map(|clock| clock.poll_unpin(context)) {
        Some(Poll::Ready(())) => Err(io::Error::new(io::ErrorKind::TimedOut, what)),
        _ => Ok(()),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let progress = buffer.filled().len() > before;
        if let Err(error) = self.watch_head(context, progress) {
            return Poll::Ready(Err(error));
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.watch_write(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.watch_write(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_cut_and_an_idle_connection_is_not() {
        let (mut client, server) = duplex(64);
        let mut io = TimedIo::new(server, Arc::new(Phase::default()));
        let mut buffer = [0; 64];
        let idle = tokio::time::timeout(HEAD * 3, io.read(&mut buffer)).await;
        assert!(idle.is_err(), "nothing was sent, so no head is late");
        client.write_all(b"GET ").await.unwrap();
        assert_eq!(io.read(&mut buffer).await.unwrap(), 4);
        let began = Instant::now();
        let error = io.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_complete_head_ends_its_clock() {
        let (mut client, server) = duplex(64);
        let phase = Arc::new(Phase::default());
        let mut io = TimedIo::new(server, phase.clone());
        let mut buffer = [0; 64];
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_ne!(io.read(&mut buffer).await.unwrap(), 0);
        phase.head_is_complete();
        let answering = tokio::time::timeout(HEAD * 3, io.read(&mut buffer)).await;
        assert!(answering.is_err(), "the client waits for its answer");
        phase.answer_is_out();
        client.write_all(b"GET").await.unwrap();
        assert_ne!(io.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(io.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_cut() {
        let (_client, server) = duplex(8);
        let mut io = TimedIo::new(server, Arc::new(Phase::default()));
        let began = Instant::now();
        let error = io.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), STALLED.as_secs());
    }
}
