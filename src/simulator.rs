//! The upstreams, faithfully, with faults on order: Moonshot, Kimi Code and OpenRouter on one port.
//!
//! It shares nothing with the gateway, on purpose: a shape that both had wrong would look right. What it enforces and says
//! is documented or was seen (each rule names its source); what nobody knows it leaves alone. Each of them speaks Chat
//! Completions, Messages and Responses, at the paths of the real ones.
//!
//! A prompt orders the answer: `call NAME` and `Run echo …` (with tools) a tool call, `reply with 300 words` or `… bytes` a
//! long text; anything else is repeated as `MODEL via PROVIDER: …`. Beside the providers it has routes of its own, for tests:
//! `GET|POST|DELETE /_faults`, `GET /_faults/kinds`, `GET|DELETE /_requests` (`?wait=N&timeoutMs=…` until N requests came) and
//! `GET /_stats` (`?waitCancelled=N`, `?waitTotal=N`, `?waitIdle`), and `GET|DELETE /_tally`: what the answers used. Kimi Code's
//! device login stands under `/oauth`, and `GET|POST /_oauth` is for tests of it.

mod account;
mod admin;
mod chat;
mod engine;
mod face;
mod fault;
mod header;
mod journal;
mod limit;
mod messages;
mod oauth;
mod provider;
mod refusal;
mod render;
mod responses;
mod roster;
mod route;
mod rules;
mod script;
mod server;
mod tally;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub use face::Face;
pub use fault::{Fault, FaultError, FaultKind, fault_kinds};
pub use journal::{Received, Stats};
pub use limit::Limits;
pub use provider::Provider;
pub use tally::Used;

use fault::Board;
use journal::Journal;
use limit::Meter;
use oauth::Office;
use tally::Tally;

/// What a simulator is started with.
#[derive(Clone)]
pub struct Options {
    /// The only key that is taken, on all providers; without one the prefix decides (`sk-kimi-…` for Kimi Code, any other
    /// `sk-…` for the others).
    pub key: Option<String>,
    /// Faults that are on order from the start.
    pub faults: Vec<Fault>,
    /// Rate limits and sizes.
    pub limits: Limits,
    /// Whether the providers' rules are enforced. On by default.
    pub strict: bool,
    /// Whether any client is let in and any model answers, the provider's first one for an id that it does not have: for
    /// configurations of users. Off by default.
    pub open: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { key: None, faults: Vec::new(), limits: Limits::default(), strict: true, open: false }
    }
}

/// A simulator that listens and does not serve yet.
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<State>,
}

impl Simulator {
    /// Listens on `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// Those of binding.
    pub async fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let board = Board::new(options.faults.clone());
        let (journal, tally) = (Journal::default(), Tally::default());
        let (meters, office) = Default::default();
        let state = State { options, board, journal, tally, meters, office };
        Ok(Self { listener, address, state: Arc::new(state) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A provider's base URL, without a trailing slash; [`Provider::base_of`] has the faces that stand elsewhere.
    #[must_use]
    pub fn base_url(&self, provider: Provider) -> String {
        format!("http://{}{}", self.address, provider.base())
    }

    /// A handle for orders and questions while it runs.
    #[must_use]
    pub fn control(&self) -> Control {
        Control { state: self.state.clone() }
    }

    /// Serves until `shutdown` is done; what is open then is cut off.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        server::serve(self.listener, self.state, shutdown).await;
    }
}

/// What the routes `/_faults`, `/_requests`, `/_stats` and `/_tally` offer, within the process.
#[derive(Clone)]
pub struct Control {
    state: Arc<State>,
}

impl Control {
    /// Orders a fault, behind those that are on order.
    pub fn order(&self, fault: Fault) {
        self.state.board.add(fault);
    }

    /// Takes back all faults.
    pub fn clear_faults(&self) {
        self.state.board.clear();
    }

    /// The last 1,000 requests that came, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.state.journal.requests()
    }

    /// Forgets the requests and sets the counters to zero.
    pub fn clear_requests(&self) {
        self.state.journal.clear();
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.journal.stats()
    }

    /// What the answers to requests for this model used.
    #[must_use]
    pub fn used(&self, provider: Provider, model: &str, face: Face) -> Used {
        self.state.tally.of(provider, model, face)
    }

    /// Waits until `reached` holds for the counters; false when it does not within `limit`.
    pub async fn wait(&self, limit: Duration, reached: impl FnMut(&Stats) -> bool) -> bool {
        self.state.journal.wait(limit, reached).await
    }
}

/// What all connections share.
struct State {
    options: Options,
    board: Board,
    journal: Journal,
    tally: Tally,
    meters: [Meter; 3],
    office: Office,
}

impl State {
    fn meter(&self, provider: Provider) -> &Meter {
        let [moonshot, kimi, openrouter] = &self.meters;
        match provider {
            Provider::Moonshot => moonshot,
            Provider::Kimi => kimi,
            Provider::OpenRouter => openrouter,
        }
    }
}
