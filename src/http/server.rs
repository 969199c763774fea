//! Accepts connections and serves them until told to stop; then answers that are under way run to their end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::connection::serve;

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

/// Serves `router` on `listener` until `shutdown` resolves, then waits for the answers under way, at most `drain`.
/// Returns how many connections were still busy at the end of that.
pub async fn run(
    listener: Listener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) -> usize {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Some((Stream::Tcp(stream), place)) => {
                spawn(serve(stream, router.clone(), graceful.watcher()), place)
            }
            Some((Stream::Unix(stream), place)) => {
                spawn(serve(stream, router.clone(), graceful.watcher()), place)
            }
            None => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    let busy = graceful.count();
    if timeout(drain, graceful.shutdown()).await.is_err() {
        warn!(busy, "answers were still under way at the end of the drain time");
        return busy;
    }
    0
}

fn spawn(
    connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
    place: OwnedSemaphorePermit,
) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "a connection ended badly");
        }
        drop(place);
    });
}

async fn accept(listener: &Listener, places: &Arc<Semaphore>) -> Option<(Stream, OwnedSemaphorePermit)> {
    // The place comes first: beyond the cap clients wait in the kernel's backlog.
    let place = places.clone().acquire_owned().await.ok()?;
    let accepted = match listener {
        Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
            // Without it a chunk waits for the acknowledgement of the one before, 34 ms on Linux.
            let _ = stream.set_nodelay(true);
            Stream::Tcp(stream)
        }),
        Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
    };
    match accepted {
        Ok(stream) => Some((stream, place)),
        Err(error) => {
            warn!(%error, "cannot accept a connection");
            None
        }
    }
}
