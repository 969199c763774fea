//! A streamed answer: the head at the right moment, the bytes as they come, an end that the client can trust.

mod drive;
mod joined;
mod outlet;
mod pump;
mod slot;
pub(super) mod speech;

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

use self::drive::{comment, drive};
use self::outlet::Outlet;
use self::slot::Slot;
use super::attempt::Run;
use super::ending::Stage;
use super::{Answer, Refusal};
use crate::failure::Reason;
use crate::future::{Dormant, boxed};
use crate::protocol::translate::encoder::Encoder;

/// What the run tells the body. Small: each future that hands one over has room for it.
enum Piece {
    /// The first meaningful event is there.
    Begun { model: String, headers: Box<HeaderMap> },
    /// For the client.
    Data(Bytes),
    /// Nobody answered.
    Refused(Box<Refusal>),
}

/// The events of a streamed answer. It drives the request itself: nothing runs on when it is dropped.
pub struct StreamBody {
    run: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pieces: Slot,
    /// When the client got something last.
    said: Instant,
    /// Rings when nothing has been said for `keep_alive`, or earlier: it is set again only then.
    pause: Dormant<Sleep>,
    keep_alive: Duration,
    /// The head went out before the outcome was known; shared with the run, which then ends with a comment.
    late: Arc<AtomicBool>,
    /// What the client has; shared with the run, which may be gone when there is something to add.
    outlet: Arc<Mutex<Outlet>>,
    /// What keeps the client waiting: it ignores it, and every clock on the way sees it.
    ping: Bytes,
}

/// Answers a streamed request: with the head as soon as the first meaningful event or the refusal is known, or when
/// the client has waited for `keepAliveSeconds`.
pub(super) async fn answer(run: Arc<Run>) -> Result<Answer, Refusal> {
    let keep_alive = run.settings.failover.keep_alive;
    let (pieces, said) = (Slot::default(), Instant::now());
    let late = Arc::new(AtomicBool::new(false));
    let outlet = Arc::new(Mutex::new(Outlet::new(&run)));
    let way = Way { run: run.clone(), outlet: outlet.clone(), late: late.clone(), pieces: pieces.clone() };
    let mut body = StreamBody {
        run: Some(boxed(|| drive_or_cut(way))),
        pieces,
        said,
        pause: Dormant::new(sleep_until(said + keep_alive)),
        keep_alive,
        late,
        outlet,
        ping: Bytes::from_static(Encoder::ping(run.request.face)),
    };
    // One clock for that and for the pings behind it.
    let first = poll_fn(|context| match body.poll_piece(context) {
        Poll::Ready(piece) => Poll::Ready(Some(piece)),
        Poll::Pending if body.is_silent(context) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    match first.await {
        Some(Some(Piece::Begun { model, headers })) => {
            let headers = *headers;
            Ok(Answer::Stream { model: Some(model), attempts: run.track.attempts(), headers, body })
        }
        Some(Some(Piece::Refused(refusal))) => Err(*refusal),
        Some(Some(Piece::Data(_)) | None) => Err(Refusal::Unservable { attempts: run.track.attempts() }),
        None => {
            body.late.store(true, Ordering::Relaxed);
            // It rings again at once: a ping goes with the head.
            body.pause.change(|pause| pause.reset(said + keep_alive));
            let attempts = run.track.attempts();
            Ok(Answer::Stream { model: None, attempts, headers: HeaderMap::new(), body })
        }
    }
}

impl StreamBody {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        if let Some(run) = &mut self.run
            && run.poll_unpin(context).is_ready()
        {
            self.run = None;
        }
        match self.pieces.take() {
            Some(piece) => Poll::Ready(Some(piece)),
            None if self.run.is_none() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Whether nothing has been said for so long that the client shall get a ping.
    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        while self.pause.poll_unpin(context).is_ready() {
            let next = self.said + self.keep_alive;
            if Instant::now() >= next {
                // Set again by what is said now.
                self.pause.change(|pause| pause.reset(Instant::now() + self.keep_alive));
                return true;
            }
            self.pause.change(|pause| pause.reset(next));
        }
        false
    }
}

impl Stream for StreamBody {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let ready = match self.poll_piece(context) {
            Poll::Ready(Some(Piece::Data(bytes))) => Some(bytes),
            // The head is out: what else there is to say is a comment, or an error event.
            Poll::Ready(Some(Piece::Begun { .. })) => Some(self.ping.clone()),
            Poll::Ready(Some(Piece::Refused(refusal))) => Some(refusal.said(&mut locked(&self.outlet))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => self.is_silent(context).then(|| self.ping.clone()),
        };
        match ready {
            Some(bytes) => {
                self.said = Instant::now();
                Poll::Ready(Some(bytes))
            }
            None => Poll::Pending,
        }
    }
}

/// What a streamed request takes along.
pub(super) struct Way {
    run: Arc<Run>,
    outlet: Arc<Mutex<Outlet>>,
    late: Arc<AtomicBool>,
    pieces: Slot,
}

impl Way {
    fn outlet(&self) -> MutexGuard<'_, Outlet> {
        locked(&self.outlet)
    }
}

/// Never held across an await.
fn locked(outlet: &Mutex<Outlet>) -> MutexGuard<'_, Outlet> {
    outlet.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The whole request, unless the process ends first: then what was sent ends with an error event.
async fn drive_or_cut(way: Way) {
    let run = &way.run;
    let mut ending = run.state.ending();
    let cut = Dormant::new(ending.reached(Stage::Cut));
    tokio::select! {
        biased;
        () = drive(&way) => {}
        () = cut => {
            // What is over is not cut off any more, though its upstream may not have closed.
            if run.track.is_finished() {
                return;
            }
            way.pieces.put(Piece::Refused(Box::new(run.cut()))).await;
            comment(&way, run.track.model().as_deref()).await;
        }
    }
}

impl Refusal {
    /// The refusal as the last events of a stream whose head is out.
    fn said(&self, outlet: &mut Outlet) -> Bytes {
        let (reason, attempts) = match self {
            Self::Failed { failure, attempts, .. } => (failure.reason, attempts.as_slice()),
            Self::Unservable { attempts } | Self::Stopping { attempts } => {
                (Reason::Server, attempts.as_slice())
            }
            Self::UnknownModel { .. } => (Reason::ModelNotFound, [].as_slice()),
            Self::Malformed(_) | Self::NoModel | Self::NotKept { .. } => (Reason::BadRequest, [].as_slice()),
        };
        outlet.fail(&self.to_string(), reason, attempts, false)
    }
}
