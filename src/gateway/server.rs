//! Accepts connections and serves them until shutdown; then responses in progress run to their end.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::connection::serve_connection;
use super::connection_limit::ConnectionLimit;
use super::listener::{ClientStream, Listener, ListenerInfo};
use super::protocol_error::ProtocolError;
use super::rejections::RejectionLog;
use crate::state::{ShutdownPhase, ShutdownWatch};

/// This many clients at a time receive an error that no connection slot is free. Further clients wait in the
/// kernel's backlog.
const REJECTED_AT_ONCE: usize = 64;
/// When accepting fails (no file descriptors), an immediate retry would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long an interrupted response has to report that to its client.
const INTERRUPTED_TIMEOUT: Duration = Duration::from_secs(3);

/// The current listeners, and their replacements.
#[derive(Debug)]
pub struct ListenerSet {
    open: Vec<Arc<Listener>>,
    replacements: mpsc::Receiver<Arc<Listener>>,
}

/// Moves the gateway to another listener.
#[derive(Debug)]
pub struct ListenerHandle {
    replacements: mpsc::Sender<Arc<Listener>>,
    current: Option<Weak<Listener>>,
}

impl ListenerSet {
    /// Creates a set of these listeners, and the handle that can replace them.
    #[must_use]
    pub fn new(listeners: Vec<Listener>) -> (Self, ListenerHandle) {
        let open: Vec<Arc<Listener>> = listeners.into_iter().map(Arc::new).collect();
        let current = open.first().map(Arc::downgrade);
        let (sender, replacements) = mpsc::channel(1);
        (Self { open, replacements }, ListenerHandle { replacements: sender, current })
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
        let _ = self.replacements.send(listener).await;
    }
}

/// Serves `router` on `listeners` and `probes` until shutdown begins, then waits for responses in progress until they are
/// interrupted. Later connections stay in the backlog, for the next process where the sockets were handed over. Returns
/// how many connections were still open at the end.
pub async fn run(
    listeners: ListenerSet,
    router: Router,
    rejections: Arc<RejectionLog>,
    mut probes: mpsc::Receiver<DuplexStream>,
    mut shutdown: ShutdownWatch,
) -> usize {
    let server = Server::new(router, rejections, shutdown.clone());
    let ListenerSet { mut open, mut replacements } = listeners;
    loop {
        tokio::select! {
            // In this order: a client that connects after shutdown began is left to the next process.
            biased;
            () = shutdown.wait_for(ShutdownPhase::Draining) => break,
            Some(probe) = probes.recv() => server.spawn_probe(probe),
            Some(listener) = replacements.recv() => {
                server.close(std::mem::replace(&mut open, vec![listener]));
            }
            accepted = accept(&open, &server.entrance) => match accepted {
                Some((stream, info, permit)) => server.spawn(stream, info, Some(permit)),
                None => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    server.close(open);
    drop(replacements);
    server.connections.close();
    loop {
        tokio::select! {
            () = server.connections.wait() => return 0,
            () = shutdown.wait_for(ShutdownPhase::Interrupting) => break,
            Some(probe) = probes.recv() => server.spawn_probe(probe),
        }
    }
    // The number of open connections shows whether they all ended in time.
    let _ = timeout(INTERRUPTED_TIMEOUT, server.connections.wait()).await;
    server.connections.len()
}

/// The connections.
#[derive(Clone)]
struct Server {
    router: Router,
    rejections: Arc<RejectionLog>,
    limit: Arc<ConnectionLimit>,
    /// One permit for each connection, including those that get no slot.
    entrance: Arc<Semaphore>,
    connections: TaskTracker,
    /// Whether clients have been rejected since the last one that got a slot.
    is_full: Arc<AtomicBool>,
    shutdown: ShutdownWatch,
}

impl Server {
    fn new(router: Router, rejections: Arc<RejectionLog>, shutdown: ShutdownWatch) -> Self {
        let limit = Arc::new(ConnectionLimit::from_process());
        let entrance = Arc::new(Semaphore::new(limit.max() + REJECTED_AT_ONCE));
        let (connections, is_full) = (TaskTracker::new(), Arc::default());
        Self { router, rejections, limit, entrance, connections, is_full, shutdown }
    }

    fn spawn(&self, stream: ClientStream, info: ListenerInfo, permit: Option<OwnedSemaphorePermit>) {
        let server = self.clone();
        self.connections.spawn(async move {
            server.serve(stream, info).await;
            drop(permit);
        });
    }

    /// Serves one client, or responds that no connection slot is free.
    async fn serve(self, stream: ClientStream, info: ListenerInfo) {
        let slot = self.limit.acquire().await;
        // Once, so that many clients cannot flood the log.
        if !self.is_full.swap(slot.is_none(), Ordering::Relaxed) && slot.is_none() {
            warn!("every connection slot is in use by an active request: new clients are rejected");
        }
        let rejected = if slot.is_some() {
            serve_connection(stream, info, self.router, &self.limit, self.shutdown).await
        } else {
            Some((ProtocolError::Busy, stream))
        };
        if let Some((error, stream)) = rejected {
            self.rejections.record_protocol_error(error.code());
            error.send(stream).await;
        }
    }

    /// Serves a probe. It takes no slot, and shutdown does not wait for it.
    fn spawn_probe(&self, probe: DuplexStream) {
        let router = self.router.clone();
        tokio::spawn(async move {
            let limit = ConnectionLimit::new(1);
            serve_connection(probe, ListenerInfo::INTERNAL, router, &limit, ShutdownWatch::never()).await;
        });
    }

    /// Closes listeners. Clients that are connected to the gateway's own sockets are still served, because no
    /// other process would serve them.
    fn close(&self, listeners: Vec<Arc<Listener>>) {
        for listener in listeners.into_iter().filter_map(Arc::into_inner) {
            let info = listener.info();
            for stream in listener.close() {
                // At most the backlog. Beyond the limit, clients at least receive an error that no connection
                // slot is free.
                self.spawn(stream, info, self.entrance.clone().try_acquire_owned().ok());
            }
        }
    }
}

async fn accept(
    listeners: &[Arc<Listener>],
    entrance: &Arc<Semaphore>,
) -> Option<(ClientStream, ListenerInfo, OwnedSemaphorePermit)> {
    // The permit comes first: beyond the limit, clients wait in the kernel's backlog.
    let permit = entrance.clone().acquire_owned().await.ok()?;
    let any = |context: &mut Context<'_>| {
        let accepted = listeners.iter().find_map(|listener| match listener.poll_accept(context) {
            Poll::Ready(accepted) => Some(accepted.map(|stream| (stream, listener.info()))),
            Poll::Pending => None,
        });
        accepted.map_or(Poll::Pending, Poll::Ready)
    };
    match poll_fn(any).await {
        Ok((stream, info)) => Some((stream, info, permit)),
        Err(error) => {
            warn!(%error, "cannot accept a connection");
            None
        }
    }
}

/// The gateway probes itself with a request through the accept loop, the connection and the router. It takes no
/// connection slot, so a gateway at its connection limit does not look dead.
const PROBE_REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const PIPE_BYTES: usize = 4096;

/// Sends a probe, and resolves when the serving loop has answered. The caller sets the timeout.
///
/// # Errors
/// If the loop is gone, or answers with any status but 200.
pub async fn probe(connections: &mpsc::Sender<DuplexStream>) -> io::Result<()> {
    let (mut near, far) = duplex(PIPE_BYTES);
    connections.send(far).await.map_err(|_| io::ErrorKind::NotConnected)?;
    near.write_all(PROBE_REQUEST).await?;
    let mut response = Vec::new();
    near.read_to_end(&mut response).await?;
    if response.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    async fn probe_server(router: Router) -> Option<std::io::Result<()>> {
        let (sender, probes) = mpsc::channel(1);
        let (listeners, _handle) = ListenerSet::new(Vec::new());
        let serving = tokio::spawn(run(listeners, router, Arc::default(), probes, ShutdownWatch::never()));
        let answer = timeout(Duration::from_secs(5), probe(&sender)).await.ok();
        serving.abort();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn probe_succeeds_only_with_status_200() {
        let healthy = Router::new().route("/health", get(async || "ok"));
        assert!(matches!(probe_server(healthy).await, Some(Ok(()))));
        assert!(matches!(probe_server(Router::new()).await, Some(Err(_))), "a 404 is a failure");
        let hanging = Router::new().route("/health", get(std::future::pending::<&str>));
        assert!(probe_server(hanging).await.is_none());
    }

    #[tokio::test]
    async fn probe_without_a_server_is_an_error() {
        let (sender, probes) = mpsc::channel(1);
        drop(probes);
        assert_eq!(probe(&sender).await.unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    }
}
