//! Accepts connections and serves them until told to stop; then answers that are under way run to their end.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::connection::serve;
use super::probe::Probes;

/// Personal use has tens of connections; a thousand is a leak or an attack, and costs 64 KiB of head each.
const CONNECTIONS: usize = 1024;
/// When accepting fails (no file descriptors), trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// UNIX.
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Serves `router` on `listeners` until `shutdown` resolves, then waits for the answers under way, at most `drain`.
/// What connects from then on stays in the backlog: it is for the next process where the sockets were handed over.
/// Returns how many connections were still busy at the end of that.
pub async fn run(
    listeners: Vec<Listener>,
    router: Router,
    mut probes: Probes,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) -> usize {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            // In this order: who connects once the end was told is the next process's.
            biased;
            () = &mut shutdown => break,
            probe = probes.next() => {
                spawn(serve(probe, router.clone(), None), None);
                continue;
            }
            accepted = accept(&listeners, &places) => accepted,
        };
        let watcher = Some(graceful.watcher());
        match accepted {
            Some((Stream::Tcp(stream), place)) => spawn(serve(stream, router.clone(), watcher), Some(place)),
            Some((Stream::Unix(stream), place)) => spawn(serve(stream, router.clone(), watcher), Some(place)),
            None => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listeners);
    let busy = graceful.count();
    let mut drained = std::pin::pin!(timeout(drain, graceful.shutdown()));
    loop {
        tokio::select! {
            ended = &mut drained => {
                if ended.is_err() {
                    warn!(busy, "answers were still under way at the end of the drain time");
                    return busy;
                }
                return 0;
            }
            probe = probes.next() => spawn(serve(probe, router.clone(), None), None),
        }
    }
}

fn spawn(
    connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
    place: Option<OwnedSemaphorePermit>,
) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "a connection ended badly");
        }
        drop(place);
    });
}

async fn accept(listeners: &[Listener], places: &Arc<Semaphore>) -> Option<(Stream, OwnedSemaphorePermit)> {
    // The place comes first: beyond the cap clients wait in the kernel's backlog.
    let place = places.clone().acquire_owned().await.ok()?;
    let any = |context: &mut Context<'_>| {
        let mut accepted = listeners.iter().map(|listener| listener.poll_accept(context));
        accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
    };
    match poll_fn(any).await {
        Ok(stream) => Some((stream, place)),
        Err(error) => {
            warn!(%error, "cannot accept a connection");
            None
        }
    }
}

impl Listener {
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(context).map_ok(|(stream, _)| {
                // Without it a chunk waits for the acknowledgement of the one before, 34 ms on Linux.
                let _ = stream.set_nodelay(true);
                Stream::Tcp(stream)
            }),
            Self::Unix(listener) => listener.poll_accept(context).map_ok(|(stream, _)| Stream::Unix(stream)),
        }
    }
}
