//! Accepts connections and serves them until told to stop; then answers that are under way run to their end.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::connection::serve;
use super::listener::{Door, Listener, Stream};
use super::probe::Probes;
use crate::relay::ending::{Ending, Stage};

/// Personal use has tens of connections; a thousand is a leak or an attack, and costs 64 KiB of head each.
const CONNECTIONS: u32 = 1024;
/// When accepting fails (no file descriptors), trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What was cut off has this long to say so to its client.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Where it listens, and how that changes.
#[derive(Debug)]
pub struct Listeners {
    open: Vec<Arc<Listener>>,
    moves: mpsc::Receiver<Arc<Listener>>,
}

/// Moves the gateway to another place.
#[derive(Debug)]
pub struct Mover {
    moves: mpsc::Sender<Arc<Listener>>,
    current: Option<Weak<Listener>>,
}

impl Listeners {
    /// These, and who can put another one in their place.
    #[must_use]
    pub fn new(listeners: Vec<Listener>) -> (Self, Mover) {
        let open: Vec<Arc<Listener>> = listeners.into_iter().map(Arc::new).collect();
        let current = open.first().map(Arc::downgrade);
        let (sender, moves) = mpsc::channel(1);
        (Self { open, moves }, Mover { moves: sender, current })
    }
}

/// The next one to listen on; never where nobody moves anything.
async fn next(moves: &mut mpsc::Receiver<Arc<Listener>>) -> Arc<Listener> {
    match moves.recv().await {
        Some(listener) => listener,
        None => std::future::pending().await,
    }
}

impl Mover {
    /// The one that a move would replace.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Listener>> {
        self.current.as_ref().and_then(Weak::upgrade)
    }

    /// From now on clients are taken there. Who came another way is served to the end.
    pub async fn go(&mut self, listener: Listener) {
        let listener = Arc::new(listener);
        self.current = Some(Arc::downgrade(&listener));
        // Nobody takes it where the end has come.
        let _ = self.moves.send(listener).await;
    }
}

/// Serves `router` on `listeners` until the end is told, then waits for the answers under way, until they are cut off.
/// What connects from then on stays in the backlog: it is for the next process where the sockets were handed over.
/// Returns how many connections were still busy at the end of that.
pub async fn run(listeners: Listeners, router: Router, mut probes: Probes, mut ending: Ending) -> usize {
    let house =
        House { router, places: Arc::new(Semaphore::new(CONNECTIONS as usize)), ending: ending.clone() };
    let Listeners { mut open, mut moves } = listeners;
    loop {
        tokio::select! {
            // In this order: who connects once the end was told is the next process's.
            biased;
            () = ending.reached(Stage::Draining) => break,
            probe = probes.next() => house.probed(probe),
            next = next(&mut moves) => house.close(std::mem::replace(&mut open, vec![next])),
            accepted = accept(&open, &house.places) => match accepted {
                Some((stream, door, place)) => house.spawn(stream, door, place),
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
            () = ending.reached(Stage::Cut) => break,
            probe = probes.next() => house.probed(probe),
        }
    }
    warn!(busy = house.busy(), "answers still under way are cut off");
    match timeout(LAST_WORDS, empty).await {
        Ok(()) => 0,
        Err(_) => house.busy(),
    }
}

/// The connections.
struct House {
    router: Router,
    /// One a connection.
    places: Arc<Semaphore>,
    ending: Ending,
}

impl House {
    fn spawn(&self, stream: Stream, door: Door, place: OwnedSemaphorePermit) {
        let (router, ending) = (self.router.clone(), self.ending.clone());
        tokio::spawn(async move {
            let ended = match stream {
                Stream::Tcp(stream) => serve(stream, door, router, ending).await,
                Stream::Unix(stream) => serve(stream, door, router, ending).await,
            };
            told(ended);
            drop(place);
        });
    }

    /// Takes no place, and is not waited for.
    fn probed(&self, probe: tokio::io::DuplexStream) {
        let connection = serve(probe, Door::OWN, self.router.clone(), Ending::never());
        tokio::spawn(async move { told(connection.await) });
    }

    /// Closes listeners. Who has connected to our own is served still: nobody else would.
    fn close(&self, listeners: Vec<Arc<Listener>>) {
        for listener in listeners.into_iter().filter_map(Arc::into_inner) {
            let door = listener.door();
            for stream in listener.give_up() {
                let Ok(place) = self.places.clone().try_acquire_owned() else { break };
                self.spawn(stream, door, place);
            }
        }
    }

    fn busy(&self) -> usize {
        // Each place that is taken holds the semaphore once more.
        Arc::strong_count(&self.places) - 1
    }

    /// Resolves when every connection has ended.
    async fn empty(&self) {
        // It fails only when the semaphore is closed.
        let _ = self.places.acquire_many(CONNECTIONS).await;
    }
}

fn told(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        debug!(%error, "a connection ended badly");
    }
}

async fn accept(
    listeners: &[Arc<Listener>],
    places: &Arc<Semaphore>,
) -> Option<(Stream, Door, OwnedSemaphorePermit)> {
    // The place comes first: beyond the cap clients wait in the kernel's backlog.
    let place = places.clone().acquire_owned().await.ok()?;
    let any = |context: &mut Context<'_>| {
        let accepted = listeners.iter().find_map(|listener| match listener.poll_accept(context) {
            Poll::Ready(accepted) => Some(accepted.map(|stream| (stream, listener.door()))),
            Poll::Pending => None,
        });
        accepted.map_or(Poll::Pending, Poll::Ready)
    };
    match poll_fn(any).await {
        Ok((stream, door)) => Some((stream, door, place)),
        Err(error) => {
            warn!(%error, "cannot accept a connection");
            None
        }
    }
}
