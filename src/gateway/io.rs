//! The client socket with what hyper lacks: a timeout from a head's first byte to its last, one for a client
//! that stops reading, and error responses to input that never became a request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::phase::Phase;
use super::protocol_error::ProtocolError;
use super::rejections::RejectionLog;

/// A request head arrives in one packet or a few. A connection that takes longer is not a client.
const HEAD: Duration = Duration::from_secs(10);
/// A client that reads nothing for this long holds an upstream response that it will not read.
const STALLED: Duration = Duration::from_mins(2);
/// After a final error response, further input is read and discarded for this long. Closing with unread bytes
/// makes the kernel discard the response (RST).
const LINGER: Duration = Duration::from_secs(2);
/// How HTTP/2 with prior knowledge begins (RFC 9113, 3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2";

/// A socket with timeouts.
pub(super) struct TimedIo<S> {
    stream: S,
    phase: Arc<Phase>,
    refusals: Arc<RejectionLog>,
    /// When the current head began to arrive.
    head: Option<Instant>,
    /// The timer of the head.
    late: Option<Pin<Box<Sleep>>>,
    stalled: Option<Pin<Box<Sleep>>>,
    /// The unsent part of the final error response.
    last: Option<Bytes>,
    linger: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedIo<S> {
    pub(super) const fn new(stream: S, phase: Arc<Phase>, refusals: Arc<RejectionLog>) -> Self {
        Self { stream, phase, refusals, head: None, late: None, stalled: None, last: None, linger: None }
    }

    /// Fails when the head takes too long. `progress`: bytes of it have just been read.
    fn watch_head(&mut self, context: &mut Context<'_>, progress: bool) -> io::Result<()> {
        if self.phase.in_request() {
            (self.head, self.late) = (None, None);
            return Ok(());
        }
        let Some(since) = self.head else {
            // Nearly every head is complete with its first bytes, so the timer is set only when more is read.
            self.head = progress.then(Instant::now);
            return Ok(());
        };
        let late = self.late.get_or_insert_with(|| Box::pin(sleep_until(since + HEAD)));
        elapsed(late, context, "the request head took too long")
    }

    /// Fails when a write has been pending for too long.
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
        let clock = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(until)));
        match elapsed(clock, context, "the client has stopped reading") {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Bytes that are written without a request are hyper's own response, which has no message. The gateway's
    /// own error replaces it.
    fn speaks_for_hyper(&mut self, answer: &[u8]) -> bool {
        if self.last.is_none() && self.phase.is_idle() {
            self.say(ProtocolError::from_response(answer));
        }
        self.last.is_some()
    }

    fn say(&mut self, what: ProtocolError) {
        self.refusals.record_protocol_error(what);
        self.last = Some(what.response_bytes());
    }
}

fn elapsed(clock: &mut Pin<Box<Sleep>>, context: &mut Context<'_>, what: &'static str) -> io::Result<()> {
    match clock.poll_unpin(context) {
        Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, what)),
        Poll::Pending => Ok(()),
    }
}

impl<S: AsyncWrite + Unpin> TimedIo<S> {
    /// Sends the unsent part of the final error response.
    fn poll_last(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(last) = self.last.as_mut().filter(|last| !last.is_empty()) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, last))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            last.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TimedIo<S> {
    /// Reads and discards what a client still sends, so that it receives the final error response.
    fn poll_away(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if clock.poll_unpin(context).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [0; 8 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().get(before..).unwrap_or_default();
        let progress = !read.is_empty();
        if self.head.is_none() && read.starts_with(HTTP2) && self.phase.is_idle() {
            // For hyper the connection ends here; the shutdown that follows sends the error response.
            self.say(ProtocolError::Http2);
            buffer.set_filled(before);
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = self.watch_head(context, progress) {
            self.say(ProtocolError::HeadTooSlow);
            // Nothing else was sent on this connection, so the socket takes all of it, or the client is gone.
            let _ = self.poll_last(context);
            return Poll::Ready(Err(error));
        }
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.speaks_for_hyper(buffer) {
            return Poll::Ready(Ok(buffer.len()));
        }
        let outcome = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.watch_write(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.speaks_for_hyper(buffers.first().map_or(&[], |first| first)) {
            return Poll::Ready(Ok(buffers.iter().map(|buffer| buffer.len()).sum()));
        }
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.watch_write(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.poll_last(context);
        ready!(self.watch_write(context, sent))?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.phase.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.poll_last(context);
        ready!(self.watch_write(context, sent))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if self.last.is_some() {
            ready!(self.poll_away(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_cut_and_an_idle_connection_is_not() {
        let (mut client, server) = duplex(1024);
        let mut io = TimedIo::new(server, Arc::new(Phase::default()), Arc::default());
        let mut buffer = [0; 64];
        let idle = tokio::time::timeout(HEAD * 3, io.read(&mut buffer)).await;
        assert!(idle.is_err(), "nothing was sent, so no head is late");
        client.write_all(b"GET ").await.unwrap();
        assert_eq!(io.read(&mut buffer).await.unwrap(), 4);
        let began = Instant::now();
        let error = io.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), HEAD.as_secs());
        drop(io);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("head_too_slow"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_complete_head_ends_its_clock() {
        let (mut client, server) = duplex(64);
        let phase = Arc::new(Phase::default());
        let mut io = TimedIo::new(server, phase.clone(), Arc::default());
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
        let phase = Arc::new(Phase::default());
        phase.head_is_complete();
        let mut io = TimedIo::new(server, phase, Arc::default());
        let began = Instant::now();
        let error = io.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), STALLED.as_secs());
    }
}
