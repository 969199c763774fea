//! One connection: HTTP/1.1 only, no upgrades, a timeout for everything that a client can leave incomplete.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::io::TimedIo;
use super::listener::ListenerInfo;
use super::phase::Phase;
use super::protocol_error::ProtocolError;
use super::rejections::RejectionLog;
use super::server::Handler;
use crate::future::{PollOnWake, box_in_place};
use crate::routing::shutdown::{ShutdownPhase, ShutdownWatch};

/// The largest request head.
const HEAD_BYTES: usize = 64 * 1024;

/// How long a rejected client has to read the error.
const TURNING_AWAY: Duration = Duration::from_secs(2);

/// Responds that the connection limit is reached.
pub(super) async fn reject_connection(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let telling = async {
        stream.write_all(&ProtocolError::Busy.response_bytes()).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would make the kernel discard the response (RST).
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    let _ = timeout(TURNING_AWAY, telling).await;
}

/// A client that has just connected when draining begins is about to send a request.
const FIRST_HEAD: Duration = Duration::from_secs(5);

/// Serves one connection until it closes, or until draining begins and the current response is sent.
pub(super) async fn serve<S, F>(
    stream: S,
    door: ListenerInfo,
    phase: Arc<Phase>,
    front: F,
    refusals: Arc<RejectionLog>,
    mut ending: ShutdownWatch,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Handler,
{
    let io = TokioIo::new(TimedIo::new(stream, phase.clone(), refusals));
    let asked = phase.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        phase.head_is_complete();
        let (front, phase) = (front.clone(), phase.clone());
        // hyper reserves memory for this future for as long as the connection lasts.
        box_in_place(|| async move {
            let mut request = request.map(Body::new);
            let response = front.handle(&mut request, door).await;
            Ok::<_, Infallible>(response.map(|body| Answering { body, phase }))
        })
    });
    // No timeout of hyper's, which would restart for each request. The socket has a timeout for the request
    // head, and the connection slots close idle connections.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let draining = PollOnWake::new(ending.wait_for(ShutdownPhase::Draining));
    tokio::select! {
        // A request that has arrived takes precedence over the shutdown.
        biased;
        ended = connection.as_mut() => return ended,
        () = draining => {}
    }
    let first_head = poll_fn(|context| match connection.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if asked.has_begun() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    if let Ok(Some(ended)) = timeout(FIRST_HEAD, first_head).await {
        return ended;
    }
    // An idle connection closes at once. A response in progress is the last one, and its head announces that if
    // it was not sent yet.
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// A response body. When it is dropped, the connection waits for the next head.
struct Answering {
    body: Body,
    phase: Arc<Phase>,
}

impl hyper::body::Body for Answering {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.phase.answer_is_out();
    }
}
