//! The load generator: requests on a schedule, from many connections at once, or as many streams at a time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

mod answer;
mod body;
mod closed;
mod cold;
mod connection;
mod open;
mod streams;

pub use closed::closed;
pub use cold::cold;
pub use connection::{Connection, Reply};
pub use open::{Schedule, open};
pub use streams::{Burst, streams};

/// The request, and the expected response.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address.
    pub address: SocketAddr,
    /// The whole request, head and body.
    pub request: Arc<[u8]>,
    /// The number of chunks of text where the answer is a stream.
    pub chunks: Option<u32>,
}

/// The results; times are nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// From when a request was due to the end of its answer.
    pub whole: Vec<u64>,
    /// From when it was due to the first text of its stream.
    pub first: Vec<u64>,
    /// From the mock to here, for each chunk with a time inside.
    pub chunks: Vec<u64>,
    /// Right answers.
    pub right: u64,
    /// Right answers beside these: while it warmed up, and behind the end.
    pub uncounted: u64,
    /// Others.
    pub wrong: u64,
    /// What was wrong with the first of them.
    pub fault: Option<String>,
    /// How long the counted part took.
    pub elapsed: u64,
}

impl Samples {
    /// Counts requests without a response as wrong.
    fn missing(&mut self, asked: u64) {
        let missing = asked.saturating_sub(self.right + self.wrong);
        self.wrong += missing;
        if missing > 0 {
            self.fault.get_or_insert_with(|| "no answer in time".to_owned());
        }
    }

    /// Notes an answer to a request that was due at `due`.
    fn add(&mut self, due: u64, reply: Result<Reply, String>) {
        match reply {
            Ok(reply) => {
                self.right += 1;
                self.whole.push(reply.end.saturating_sub(due));
                self.first.extend(reply.first.map(|first| first.saturating_sub(due)));
                self.chunks.extend(reply.delays);
            }
            Err(fault) => {
                self.wrong += 1;
                self.fault.get_or_insert(fault);
            }
        }
    }
}

/// Sends a request over this connection, or over a new one, and keeps it for the next request if allowed.
async fn ask(target: &Target, kept: &mut Option<Connection>) -> Result<Reply, String> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(target.address).await.map_err(|error| error.to_string())?,
    };
    let reply = connection.ask(target).await?;
    if reply.keeps {
        *kept = Some(connection);
    }
    Ok(reply)
}

/// Samples that tasks fill together.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Samples>>);

impl Shared {
    fn add(&self, due: u64, reply: Result<Reply, String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(due, reply);
    }

    fn take(&self) -> Samples {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
