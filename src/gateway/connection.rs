//! One connection: HTTP/1.1 only, no upgrades, and a timeout for everything that a client can leave incomplete.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep};
use tower::Service;
use tracing::debug;

use super::connection_limit::ConnectionLimit;
use super::listener::ListenerInfo;
use super::protocol_error::ProtocolError;
use crate::state::{ShutdownPhase, ShutdownWatch};

/// The largest request head.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// A request head arrives in one packet or a few. A connection that takes longer is not a client.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is closed after this time.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_mins(2);
/// A client that reads nothing for this long holds an upstream response that it will not read.
const WRITE_TIMEOUT: Duration = Duration::from_mins(2);
/// A client that has just connected when draining begins is about to send a request.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How HTTP/2 with prior knowledge begins (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2";

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// No request head has begun, and no response is pending.
    #[default]
    Idle,
    /// A request head has begun.
    Head,
    /// A request is being read or answered.
    Request,
    /// The response is complete, but the socket has not accepted all of it yet.
    Flushing,
}

impl Stage {
    /// Whether no response is pending. A connection with half a head may be closed for a new one.
    const fn is_idle(self) -> bool {
        matches!(self, Self::Idle | Self::Head)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ActivityState {
    stage: Stage,
    /// The client does not read what is written.
    is_write_blocked: bool,
    /// How many requests have begun.
    requests: u64,
}

impl ActivityState {
    /// How long the connection may stay in this state. `None`: other timeouts apply.
    const fn timeout(self) -> Option<Duration> {
        match self.stage {
            _ if self.is_write_blocked => Some(WRITE_TIMEOUT),
            Stage::Idle => Some(IDLE_TIMEOUT),
            Stage::Head => Some(HEAD_TIMEOUT),
            Stage::Request | Stage::Flushing => None,
        }
    }
}

/// The activity of one connection, shared by its socket, its service and its task.
#[derive(Debug, Default)]
struct Activity(Mutex<ActivityState>);

impl Activity {
    fn lock(&self) -> MutexGuard<'_, ActivityState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> ActivityState {
        *self.lock()
    }

    fn begin_request(&self) {
        let mut state = self.lock();
        state.stage = Stage::Request;
        state.requests += 1;
    }
}

/// How a connection ended.
enum ConnectionEnd {
    /// hyper is done with it.
    Closed(Result<(), hyper::Error>),
    /// The gateway drops it, for this reason.
    Dropped(&'static str),
    /// The request head was not complete in time.
    HeadTooSlow,
}

/// Serves one connection until it closes, or until draining begins and the current response is sent. If it ended
/// with input that is not a request, returns the error for the client, and its stream.
pub(super) async fn serve_connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    info: ListenerInfo,
    router: Router,
    limit: &ConnectionLimit,
    shutdown: ShutdownWatch,
) -> Option<(ProtocolError, S)> {
    let activity = Arc::<Activity>::default();
    let io = TokioIo::new(ClientIo { stream, activity: activity.clone(), protocol_error: None });
    let service_activity = activity.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        service_activity.begin_request();
        let activity = service_activity.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(info);
        let response = router.clone().call(request);
        async move {
            let Ok(response) = response.await;
            let mark = ResponseMark(activity);
            let keep_mark = move |error| {
                let _ = &mark;
                error
            };
            Ok::<_, Infallible>(response.map(|body| body.map_err(keep_mark)))
        }
    });
    // hyper's own timeout for a head also ends idle connections, and closes without a response.
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD_BYTES)
        .serve_connection(io, service);
    let end = drive(&mut connection, &activity, limit, shutdown).await;
    let parts = connection.into_parts();
    let client = parts.io.into_inner();
    let error = match end {
        ConnectionEnd::HeadTooSlow => Some(ProtocolError::HeadTooSlow),
        ConnectionEnd::Dropped(reason) => {
            debug!("{reason}");
            None
        }
        ConnectionEnd::Closed(Ok(())) => client.protocol_error,
        ConnectionEnd::Closed(Err(error)) => {
            debug!(%error, "connection failed");
            let is_http2 = parts.read_buf.starts_with(HTTP2_PREFACE) && activity.state().stage.is_idle();
            if is_http2 { Some(ProtocolError::Http2) } else { client.protocol_error }
        }
    };
    error.map(|error| (error, client.stream))
}

/// Drives a connection, with the timeout of each state.
async fn drive<C>(
    connection: &mut C,
    activity: &Activity,
    limit: &ConnectionLimit,
    shutdown: ShutdownWatch,
) -> ConnectionEnd
where
    C: GracefulConnection<Error = hyper::Error> + Unpin,
{
    let (mut drain, mut end) = (shutdown.clone(), shutdown);
    let mut draining = pin!(drain.wait_for(ShutdownPhase::Draining));
    let mut terminated = pin!(end.wait_for(ShutdownPhase::Terminated));
    let mut is_draining = false;
    let mut known = activity.state();
    let mut timer = pin!(sleep(IDLE_TIMEOUT));
    let mut _idle_mark = Some(limit.mark_idle());
    let mut eviction = pin!(limit.wait_for_eviction());
    loop {
        let progress = poll_fn(|context| match Pin::new(&mut *connection).poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if activity.state() != known => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        tokio::select! {
            // A request that has arrived takes precedence over the shutdown and the eviction.
            biased;
            ended = progress => if let Some(result) = ended {
                return ConnectionEnd::Closed(result);
            },
            () = &mut draining, if !is_draining => {
                is_draining = true;
                if known.requests > 0 {
                    // An idle connection closes at once. A response in progress is the last one.
                    Pin::new(&mut *connection).graceful_shutdown();
                } else {
                    timer.as_mut().reset(Instant::now() + FIRST_HEAD_TIMEOUT);
                }
                continue;
            }
            () = &mut terminated => return ConnectionEnd::Dropped("client was too slow for the shutdown"),
            () = &mut eviction, if known.stage.is_idle() => {
                return ConnectionEnd::Dropped("idle connection closed for a new one");
            }
            () = &mut timer, if known.timeout().is_some() => return match known.stage {
                Stage::Head => ConnectionEnd::HeadTooSlow,
                Stage::Idle => ConnectionEnd::Dropped("idle connection closed"),
                Stage::Request | Stage::Flushing => ConnectionEnd::Dropped("the client has stopped reading"),
            },
        }
        let state = activity.state();
        if is_draining && state.requests > 0 && known.requests == 0 {
            Pin::new(&mut *connection).graceful_shutdown();
        }
        if state.stage.is_idle() != known.stage.is_idle() || state.requests != known.requests {
            _idle_mark = state.stage.is_idle().then(|| limit.mark_idle());
            eviction.set(limit.wait_for_eviction());
        }
        if let Some(timeout) = state.timeout() {
            timer.as_mut().reset(Instant::now() + timeout);
        }
        known = state;
    }
}

/// The client's socket. It observes when a head begins, when a response is flushed and when the client stops
/// reading, and it withholds the bare responses that hyper writes without a request.
struct ClientIo<S> {
    stream: S,
    activity: Arc<Activity>,
    protocol_error: Option<ProtocolError>,
}

impl<S> ClientIo<S> {
    /// Bytes that are written without a request are hyper's own response, which has no body. They are replaced
    /// by an error with a message.
    fn withholds(&mut self, bytes: &[u8]) -> bool {
        if self.protocol_error.is_none() && self.activity.state().stage.is_idle() {
            self.protocol_error = Some(ProtocolError::from_response(bytes));
        }
        self.protocol_error.is_some()
    }

    fn observe_write<T>(&self, outcome: Poll<T>) -> Poll<T> {
        self.activity.lock().is_write_blocked = outcome.is_pending();
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let mut state = self.activity.lock();
        if state.stage == Stage::Idle && buffer.filled().len() > before {
            state.stage = Stage::Head;
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.withholds(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.observe_write(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.withholds(buffers.first().map_or(&[], |first| first)) {
            return Poll::Ready(Ok(buffers.iter().map(|buffer| buffer.len()).sum()));
        }
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.observe_write(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        let mut state = self.activity.lock();
        if state.stage == Stage::Flushing {
            state.stage = Stage::Idle;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.protocol_error.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Belongs to a response body. When the body is dropped, the response is complete.
struct ResponseMark(Arc<Activity>);

impl Drop for ResponseMark {
    fn drop(&mut self) {
        self.0.lock().stage = Stage::Flushing;
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    fn connect(router: Router) -> (DuplexStream, JoinHandle<Option<ProtocolError>>) {
        let (client, server) = duplex(1024);
        let serving = tokio::spawn(async move {
            let limit = ConnectionLimit::new(1);
            let ended =
                serve_connection(server, ListenerInfo::INTERNAL, router, &limit, ShutdownWatch::never())
                    .await;
            let (error, stream) = ended?;
            error.send(stream).await;
            Some(error)
        });
        (client, serving)
    }

    async fn read_all(client: &mut DuplexStream) -> String {
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test(start_paused = true)]
    async fn incomplete_head_times_out_with_a_response() {
        let (mut client, serving) = connect(Router::new());
        tokio::time::sleep(HEAD_TIMEOUT * 3).await;
        let began = Instant::now();
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let response = read_all(&mut client).await;
        assert_eq!(began.elapsed(), HEAD_TIMEOUT, "time without a head does not count");
        assert!(response.starts_with("HTTP/1.1 408 ") && response.contains("head_too_slow"), "{response}");
        drop(client);
        assert_eq!(serving.await.unwrap(), Some(ProtocolError::HeadTooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_is_closed_without_a_response() {
        let (mut client, serving) = connect(Router::new().route("/", get(async || "ok")));
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        client.write_all(request).await.unwrap();
        tokio::time::sleep(IDLE_TIMEOUT / 2).await;
        client.write_all(request).await.unwrap();
        let began = Instant::now();
        let responses = read_all(&mut client).await;
        assert_eq!(responses.matches("HTTP/1.1 200 OK").count(), 2, "{responses}");
        assert_eq!(began.elapsed(), IDLE_TIMEOUT, "counted from the last request");
        assert_eq!(serving.await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_waits_for_its_response_is_not_idle() {
        let (mut client, _serving) = connect(Router::new().route("/", get(std::future::pending::<&str>)));
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let waiting = tokio::time::timeout(IDLE_TIMEOUT * 3, client.read(&mut [0; 8])).await;
        assert!(waiting.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_stops_reading_is_dropped() {
        let chunks = || futures_util::stream::repeat(Ok::<_, Infallible>("x".repeat(512))).boxed();
        let (mut client, serving) =
            connect(Router::new().route("/", get(async move || Body::from_stream(chunks()))));
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let began = Instant::now();
        assert_eq!(serving.await.unwrap(), None);
        assert_eq!(began.elapsed(), WRITE_TIMEOUT);
    }
}
