//! The gateway probes itself with a request through the accept loop, the connection's protocol, the admission
//! check and the router. The probe takes no connection slot, so a gateway at its connection limit does not look
//! dead.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

const PROBE_REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const PIPE_BYTES: usize = 4096;

/// Sends probes.
#[derive(Clone, Debug)]
pub struct ProbeSender {
    connections: mpsc::Sender<DuplexStream>,
}

/// The source of probes for the accept loop.
#[derive(Debug)]
pub struct ProbeReceiver {
    connections: mpsc::Receiver<DuplexStream>,
}

/// Both ends.
#[must_use]
pub fn channel() -> (ProbeSender, ProbeReceiver) {
    let (sender, receiver) = mpsc::channel(1);
    (ProbeSender { connections: sender }, ProbeReceiver { connections: receiver })
}

impl ProbeSender {
    /// Resolves when the serving loop has answered. The caller sets the timeout.
    ///
    /// # Errors
    /// If the loop is gone, or answers with any status but 200.
    pub async fn check(&self) -> io::Result<()> {
        let (mut near, far) = duplex(PIPE_BYTES);
        self.connections.send(far).await.map_err(|_| io::ErrorKind::NotConnected)?;
        near.write_all(PROBE_REQUEST).await?;
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await?;
        if answer.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

impl ProbeReceiver {
    /// Waits for the next probe. Never resolves once every sender is gone.
    pub(super) async fn next(&mut self) -> DuplexStream {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::extract::Request;
    use axum::response::Response;
    use axum::routing::get;
    use tokio::time::timeout;
    use tower::ServiceExt;

    use super::channel;
    use crate::gateway::listener::ListenerInfo;
    use crate::gateway::server::{self, Handler};
    use crate::routing::shutdown::ShutdownWatch;

    impl Handler for Router {
        async fn handle(self, request: &mut Request, _: ListenerInfo) -> Response {
            let Ok(response) = self.oneshot(std::mem::take(request)).await;
            response
        }
    }

    async fn asked(router: Router) -> Option<std::io::Result<()>> {
        let (probe, probes) = channel();
        let (nowhere, _mover) = server::ListenerSet::new(Vec::new());
        let serving = tokio::spawn(server::run(
            nowhere,
            router,
            std::sync::Arc::default(),
            probes,
            ShutdownWatch::never(),
        ));
        let answer = timeout(Duration::from_secs(5), probe.check()).await.ok();
        serving.abort();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_loop_that_answers_is_well() {
        assert!(matches!(asked(Router::new().route("/health", get(async || "well"))).await, Some(Ok(()))));
        assert!(matches!(asked(Router::new()).await, Some(Err(_))), "a 404 is not well");
        let hangs = Router::new().route("/health", get(std::future::pending::<&str>));
        assert!(asked(hangs).await.is_none(), "no answer is none");
    }

    #[tokio::test]
    async fn a_loop_that_is_gone_is_an_error() {
        let (probe, probes) = channel();
        drop(probes);
        assert_eq!(probe.check().await.unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    }
}
