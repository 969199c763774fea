//! A streamed answer: the head at the right moment, the bytes as they come, an end that the client can trust.

mod client_encoder;
mod coalescer;
mod drive;
mod pump;
mod slot;
pub(super) mod translator;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use http::HeaderMap;
use tokio::time::{Instant, Sleep, sleep_until};

use self::client_encoder::ClientEncoder;
use self::drive::{drive_stream, send_comment};
use self::slot::ItemSlot;
use super::attempt::RequestExecution;
use super::shutdown::ShutdownPhase;
use super::{Answer, RequestError};
use crate::failure::Reason;
use crate::future::{PollOnWake, box_in_place};
use crate::protocol::translate::encoder::Encoder;

/// What the run sends to the body. Small, because each future that passes one reserves space for it.
enum StreamItem {
    /// The first meaningful event is there.
    Started { model: String, headers: Box<HeaderMap> },
    /// For the client.
    Data(Bytes),
    /// No target answered.
    Failed(Box<RequestError>),
}

/// The events of a streamed answer. It drives the request itself: nothing runs on when it is dropped.
pub struct StreamBody {
    driver: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    slot: ItemSlot,
    /// When the client got something last.
    last_sent_at: Instant,
    /// Rings when nothing has been said for `keep_alive`, or earlier: it is set again only then.
    keep_alive_timer: PollOnWake<Sleep>,
    keep_alive: Duration,
    /// The head went out before the outcome was known; shared with the run, which then ends with a comment.
    is_head_early: Arc<AtomicBool>,
    /// What the client has; shared with the run, which may be gone when there is something to add.
    client_encoder: Arc<Mutex<ClientEncoder>>,
    /// A keep-alive for the client: the client ignores it, and every timeout on the path sees it.
    ping_event: Bytes,
}

/// Answers a streamed request: with the head as soon as the first meaningful event or the refusal is known, or when
/// the client has waited for `keepAliveSeconds`.
pub(super) async fn start_stream(run: Arc<RequestExecution>) -> Result<Answer, RequestError> {
    let keep_alive = run.settings.failover.keep_alive_interval;
    let (pieces, said) = (ItemSlot::default(), Instant::now());
    let late = Arc::new(AtomicBool::new(false));
    let outlet = Arc::new(Mutex::new(ClientEncoder::new(&run)));
    let way = StreamContext {
        execution: run.clone(),
        client_encoder: outlet.clone(),
        is_head_early: late.clone(),
        slot: pieces.clone(),
    };
    let mut body = StreamBody {
        driver: Some(box_in_place(|| drive_until_shutdown(way))),
        slot: pieces,
        last_sent_at: said,
        keep_alive_timer: PollOnWake::new(sleep_until(said + keep_alive)),
        keep_alive,
        is_head_early: late,
        client_encoder: outlet,
        ping_event: Bytes::from_static(Encoder::keep_alive(run.request.api)),
    };
    // One clock for that and for the pings behind it.
    let first = poll_fn(|context| match body.poll_item(context) {
        Poll::Ready(piece) => Poll::Ready(Some(piece)),
        Poll::Pending if body.is_ping_due(context) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    match first.await {
        Some(Some(StreamItem::Started { model, headers })) => {
            let headers = *headers;
            Ok(Answer::Stream { model: Some(model), attempts: run.tracker.attempts(), headers, body })
        }
        Some(Some(StreamItem::Failed(refusal))) => Err(*refusal),
        Some(Some(StreamItem::Data(_)) | None) => {
            Err(RequestError::NoUsableTarget { attempts: run.tracker.attempts() })
        }
        None => {
            body.is_head_early.store(true, Ordering::Relaxed);
            // It rings again at once: a ping goes with the head.
            body.keep_alive_timer.update(|pause| pause.reset(said + keep_alive));
            let attempts = run.tracker.attempts();
            Ok(Answer::Stream { model: None, attempts, headers: HeaderMap::new(), body })
        }
    }
}

impl StreamBody {
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<StreamItem>> {
        if let Some(run) = &mut self.driver
            && run.poll_unpin(context).is_ready()
        {
            self.driver = None;
        }
        match self.slot.take() {
            Some(piece) => Poll::Ready(Some(piece)),
            None if self.driver.is_none() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Whether nothing was sent for so long that the client must get a ping.
    fn is_ping_due(&mut self, context: &mut Context<'_>) -> bool {
        while self.keep_alive_timer.poll_unpin(context).is_ready() {
            let next = self.last_sent_at + self.keep_alive;
            if Instant::now() >= next {
                // Set again by what is said now.
                self.keep_alive_timer.update(|pause| pause.reset(Instant::now() + self.keep_alive));
                return true;
            }
            self.keep_alive_timer.update(|pause| pause.reset(next));
        }
        false
    }
}

impl Stream for StreamBody {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let ready = match self.poll_item(context) {
            Poll::Ready(Some(StreamItem::Data(bytes))) => Some(bytes),
            // The head is out: what else there is to say is a comment, or an error event.
            Poll::Ready(Some(StreamItem::Started { .. })) => Some(self.ping_event.clone()),
            Poll::Ready(Some(StreamItem::Failed(refusal))) => {
                Some(refusal.encode_error(&mut lock_encoder(&self.client_encoder)))
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => self.is_ping_due(context).then(|| self.ping_event.clone()),
        };
        match ready {
            Some(bytes) => {
                self.last_sent_at = Instant::now();
                Poll::Ready(Some(bytes))
            }
            None => Poll::Pending,
        }
    }
}

/// What a streamed request takes along.
pub(super) struct StreamContext {
    execution: Arc<RequestExecution>,
    client_encoder: Arc<Mutex<ClientEncoder>>,
    is_head_early: Arc<AtomicBool>,
    slot: ItemSlot,
}

impl StreamContext {
    fn client_encoder(&self) -> MutexGuard<'_, ClientEncoder> {
        lock_encoder(&self.client_encoder)
    }
}

/// Never held across an await.
fn lock_encoder(outlet: &Mutex<ClientEncoder>) -> MutexGuard<'_, ClientEncoder> {
    outlet.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The whole request, unless the process ends first: then what was sent ends with an error event.
async fn drive_until_shutdown(way: StreamContext) {
    let run = &way.execution;
    let mut ending = run.state.watch_shutdown();
    let cut = PollOnWake::new(ending.wait_for(ShutdownPhase::Interrupting));
    tokio::select! {
        biased;
        () = drive_stream(&way) => {}
        () = cut => {
            // What is over is not cut off any more, though its upstream may not have closed.
            if run.tracker.is_finished() {
                return;
            }
            way.slot.put(StreamItem::Failed(Box::new(run.interrupt()))).await;
            send_comment(&way, run.tracker.answering_model().as_deref()).await;
        }
    }
}

impl RequestError {
    /// The refusal as the last events of a stream whose head is out.
    fn encode_error(&self, outlet: &mut ClientEncoder) -> Bytes {
        let (reason, attempts) = match self {
            Self::AttemptsFailed { failure, attempts, .. } => (failure.reason, attempts.as_slice()),
            Self::NoUsableTarget { attempts } | Self::ShuttingDown { attempts } => {
                (Reason::Server, attempts.as_slice())
            }
            Self::UnknownModel { .. } => (Reason::ModelNotFound, [].as_slice()),
            Self::Malformed(_) | Self::InvalidModel | Self::UnsupportedState { .. } => {
                (Reason::BadRequest, [].as_slice())
            }
        };
        outlet.encode_error(&self.to_string(), reason, attempts, false)
    }
}
