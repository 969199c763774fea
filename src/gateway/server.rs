//! Accepts connections and serves them until shutdown; then responses in progress run to their end.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use super::connection::{reject_connection, serve};
use super::connection_slots::{ConnectionSlot, ConnectionSlots};
use super::listener::{ClientStream, Listener, ListenerInfo};
use super::phase::Phase;
use super::probe::ProbeReceiver;
use super::protocol_error::ProtocolError;
use super::rejections::RejectionLog;
use crate::future::PollOnWake;
use crate::routing::shutdown::{ShutdownPhase, ShutdownWatch};

/// This many clients at a time receive an error that no connection slot is free. Further clients wait in the
/// kernel's backlog.
const TURNED_AWAY: usize = 64;
/// When accepting fails (no file descriptors), an immediate retry would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// An idle connection is kept at least this long; it closes at the next sweep.
const IDLE: Duration = Duration::from_mins(2);
const IDLE_TURN: Duration = Duration::from_secs(10);
/// How long an interrupted response has to report that to its client.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Handles the requests of a connection. Clones share the same handler.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request from the given listener, and may take the request apart. (By reference: it would be
    /// copied at each step.)
    fn handle(self, request: &mut Request, door: ListenerInfo) -> impl Future<Output = Response> + Send;
}

/// The current listeners, and their replacements.
#[derive(Debug)]
pub struct ListenerSet {
    open: Vec<Arc<Listener>>,
    moves: mpsc::Receiver<Arc<Listener>>,
}

/// Moves the gateway to another listener.
#[derive(Debug)]
pub struct ListenerHandle {
    moves: mpsc::Sender<Arc<Listener>>,
    current: Option<Weak<Listener>>,
}

impl ListenerSet {
    /// Creates a set of these listeners, and the handle that can replace them.
    #[must_use]
    pub fn new(listeners: Vec<Listener>) -> (Self, ListenerHandle) {
        let open: Vec<Arc<Listener>> = listeners.into_iter().map(Arc::new).collect();
        let current = open.first().map(Arc::downgrade);
        let (sender, moves) = mpsc::channel(1);
        (Self { open, moves }, ListenerHandle { moves: sender, current })
    }
}

/// Waits for the next listener to use. Never resolves if the handle is gone.
async fn next(moves: &mut mpsc::Receiver<Arc<Listener>>) -> Arc<Listener> {
    match moves.recv().await {
        Some(listener) => listener,
        None => std::future::pending().await,
    }
}

impl ListenerHandle {
    /// The listener that a move would replace.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Listener>> {
        self.current.as_ref().and_then(Weak::upgrade)
    }

    /// Accepts clients on this listener from now on. Clients that are already connected are served to the end.
    pub async fn replace(&mut self, listener: Listener) {
        let listener = Arc::new(listener);
        self.current = Some(Arc::downgrade(&listener));
        // Has no receiver if shutdown has begun.
        let _ = self.moves.send(listener).await;
    }
}

/// Serves `front` on `listeners` until shutdown begins, then waits for responses in progress until they are cut
/// off. Later connections stay in the backlog: they are for the next process where the sockets were handed
/// over. Returns how many connections were still busy at the end of that.
pub async fn run(
    listeners: ListenerSet,
    front: impl Handler,
    refusals: Arc<RejectionLog>,
    mut probes: ProbeReceiver,
    mut ending: ShutdownWatch,
) -> usize {
    let house = Server::new(front, refusals, ending.clone());
    let ListenerSet { mut open, mut moves } = listeners;
    let mut idle_turn = interval(IDLE_TURN);
    idle_turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // In this order: a client that connects after shutdown began is left to the next process.
            biased;
            () = ending.wait_for(ShutdownPhase::Draining) => break,
            probe = probes.next() => house.probed(probe),
            _ = idle_turn.tick() => house.places.sweep(IDLE),
            next = next(&mut moves) => house.close(std::mem::replace(&mut open, vec![next])),
            accepted = accept(&open, &house.entrance) => match accepted {
                Some((stream, door, entry)) => house.spawn(stream, door, Some(entry)),
                None => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    house.close(open);
    drop(moves);
    let mut empty = std::pin::pin!(house.empty());
    loop {
        tokio::select! {
            () = &mut empty => return 0,
            () = ending.wait_for(ShutdownPhase::Interrupting) => break,
            probe = probes.next() => house.probed(probe),
        }
    }
    match timeout(LAST_WORDS, empty).await {
        Ok(()) => 0,
        Err(_) => house.busy(),
    }
}

/// The connections.
struct Server<F> {
    front: F,
    refusals: Arc<RejectionLog>,
    places: Arc<ConnectionSlots>,
    /// One permit for each connection, including those that get no slot.
    entrance: Arc<Semaphore>,
    /// Whether clients have been turned away since the last one that got a slot.
    full: AtomicBool,
    ending: ShutdownWatch,
}

impl<F: Handler> Server<F> {
    fn new(front: F, refusals: Arc<RejectionLog>, ending: ShutdownWatch) -> Self {
        let places = ConnectionSlots::new();
        let entrance = Arc::new(Semaphore::new(places.limit() + TURNED_AWAY));
        Self { front, refusals, places, entrance, full: AtomicBool::new(false), ending }
    }

    fn spawn(&self, stream: ClientStream, door: ListenerInfo, entry: Option<OwnedSemaphorePermit>) {
        let place = self.places.take();
        let (front, refusals, ending) = (self.front.clone(), self.refusals.clone(), self.ending.clone());
        // Once, so that many clients cannot flood the log.
        if !self.full.swap(place.is_none(), Ordering::Relaxed) && place.is_none() {
            warn!("every place is taken by a request under way: clients are turned away");
        }
        tokio::spawn(async move {
            match stream {
                ClientStream::Tcp(stream) => take_in(stream, door, place, front, refusals, ending).await,
                ClientStream::Unix(stream) => take_in(stream, door, place, front, refusals, ending).await,
            }
            drop(entry);
        });
    }

    /// Serves a probe. It takes no slot, and shutdown does not wait for it.
    fn probed(&self, probe: DuplexStream) {
        let connection = serve(
            probe,
            ListenerInfo::INTERNAL,
            Arc::<Phase>::default(),
            self.front.clone(),
            self.refusals.clone(),
            ShutdownWatch::never(),
        );
        tokio::spawn(async move { told(connection.await) });
    }

    /// Closes listeners. Clients that are connected to the gateway's own sockets are still served, because no
    /// other process would serve them.
    fn close(&self, listeners: Vec<Arc<Listener>>) {
        for listener in listeners.into_iter().filter_map(Arc::into_inner) {
            let door = listener.info();
            for stream in listener.close() {
                // At most the backlog. Beyond the limit, clients at least receive an error that no connection
                // slot is free.
                self.spawn(stream, door, self.entrance.clone().try_acquire_owned().ok());
            }
        }
    }

    fn busy(&self) -> usize {
        // Each permit holds one more reference to the semaphore.
        Arc::strong_count(&self.entrance) - 1
    }

    /// Resolves when every connection has ended.
    async fn empty(&self) {
        let all = u32::try_from(self.places.limit() + TURNED_AWAY).unwrap_or(u32::MAX);
        // It fails only when the semaphore is closed.
        let _ = self.entrance.acquire_many(all).await;
    }
}

/// Serves one client, or answers that no connection slot is free.
async fn take_in(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: ListenerInfo,
    place: Option<ConnectionSlot>,
    front: impl Handler,
    refusals: Arc<RejectionLog>,
    ending: ShutdownWatch,
) {
    match place {
        Some(place) => {
            let mut end = ending.clone();
            let (lost, gone) = (
                PollOnWake::new(place.wait_until_closed()),
                PollOnWake::new(end.wait_for(ShutdownPhase::Terminated)),
            );
            tokio::select! {
                biased;
                ended = serve(stream, door, place.phase(), front, refusals, ending) => told(ended),
                () = lost => debug!("an idle connection was closed"),
                () = gone => debug!("a connection is dropped: its client was too slow for the end"),
            }
        }
        None => {
            refusals.record_protocol_error(ProtocolError::Busy);
            reject_connection(stream).await;
        }
    }
}

fn told(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        debug!(%error, "a connection ended badly");
    }
}

async fn accept(
    listeners: &[Arc<Listener>],
    entrance: &Arc<Semaphore>,
) -> Option<(ClientStream, ListenerInfo, OwnedSemaphorePermit)> {
    // The permit comes first: beyond the limit, clients wait in the kernel's backlog.
    let entry = entrance.clone().acquire_owned().await.ok()?;
    let any = |context: &mut Context<'_>| {
        let accepted = listeners.iter().find_map(|listener| match listener.poll_accept(context) {
            Poll::Ready(accepted) => Some(accepted.map(|stream| (stream, listener.info()))),
            Poll::Pending => None,
        });
        accepted.map_or(Poll::Pending, Poll::Ready)
    };
    match poll_fn(any).await {
        Ok((stream, door)) => Some((stream, door, entry)),
        Err(error) => {
            warn!(%error, "cannot accept a connection");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::Instant;

    use super::*;
    use crate::config::settings::Bind;
    use crate::gateway::probe;

    #[tokio::test(start_paused = true)]
    async fn who_does_nothing_for_long_is_sent_away_and_who_waits_for_an_answer_is_not() {
        let listener = Listener::bind(&Bind::Loopback, 0, None).await.unwrap();
        let address = listener.address().strip_prefix("http://").unwrap().to_owned();
        let (listeners, _mover) = ListenerSet::new(vec![listener]);
        let (_probe, probes) = probe::channel();
        let router = Router::new().route("/", get(std::future::pending::<&str>));
        let serving = tokio::spawn(run(listeners, router, Arc::default(), probes, ShutdownWatch::never()));
        let began = Instant::now();
        let mut busy = TcpStream::connect(&address).await.unwrap();
        busy.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut idle = TcpStream::connect(&address).await.unwrap();
        assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0);
        let took = began.elapsed();
        assert!((IDLE..IDLE + 3 * IDLE_TURN).contains(&took), "{took:?}");
        assert!(timeout(IDLE, busy.read(&mut [0; 8])).await.is_err(), "its answer is under way");
        serving.abort();
    }
}
