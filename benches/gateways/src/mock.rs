//! The upstream: raw HTTP/1.1, as cheap as it can be on one core, in the shapes that Moonshot and Anthropic send.
//!
//! The first part of the path is the lane (`json`, `stream-CHUNKS-MILLISECONDS`, `fail-STATUS`); where a gateway cannot
//! have a base URL for each, the header `x-lane` says it. Each event is an HTTP chunk of its own. At full speed they are
//! written as one, as a server's buffer does when a model is faster than the wire; paced, each is its own write with
//! the time inside.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpListener;

mod answer;
mod connection;
mod stream;

/// What is in the text of every whole answer.
pub const ANSWER: &str = "This is the answer of the mock upstream";

/// A running mock; it ends with its runtime.
pub struct Mock {
    /// Where it listens.
    pub address: SocketAddr,
    counters: Arc<Counters>,
}

/// What it did since it was started.
#[derive(Debug, Default)]
struct Counters {
    whole: AtomicU64,
    streams: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

/// What it did until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whole answers.
    pub whole: u64,
    /// Streams that were begun.
    pub streams: u64,
    /// Failures on order.
    pub failed: u64,
    /// Requests without the key, or to a place that is not.
    pub refused: u64,
}

impl Mock {
    /// Begins to serve on the runtime that this is called on.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = listener(address)?;
        let address = listener.local_addr()?;
        let counters = Arc::<Counters>::default();
        let shared = Arc::clone(&counters);
        tokio::spawn(async move {
            loop {
                // Out of descriptors: those that are open go on.
                let Ok((socket, _)) = listener.accept().await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                tokio::spawn(connection::serve(socket, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, counters })
    }

    /// What it did until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Counters { whole, streams, failed, refused } = &*self.counters;
        let [whole, streams, failed, refused] =
            [whole, streams, failed, refused].map(|counter| counter.load(Ordering::Relaxed));
        Counts { whole, streams, failed, refused }
    }
}

/// With room for thousands of connections that come at once.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(8192)
}
