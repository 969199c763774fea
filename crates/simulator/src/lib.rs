//! A simulator of the upstreams with configurable faults: Moonshot, Kimi Code, OpenRouter, Anthropic
//! and `OpenAI` on one port.
//!
//! The simulator shares no code with the gateway. Otherwise a shape that is wrong in both would look right.
//! Each rule that it enforces and each text that it sends is documented or was observed, and names its source.
//! It does not guess unknown behavior. Each provider serves its APIs at the paths of the real one.
//!
//! The prompt selects the answer. `call NAME` and `Run echo …` (with tools) give a tool call. `reply with 300
//! words` or `… bytes` gives a long text. Anything else is repeated as `MODEL via PROVIDER: …`.
//!
//! The simulator also has routes of its own, for tests: `GET|POST|DELETE /_faults`, `GET /_faults/kinds`,
//! `GET|DELETE /_requests` (`?wait=N&timeoutMs=…` waits until N requests came), `GET /_stats`
//! (`?waitCancelled=N`, `?waitTotal=N`, `?waitIdle`) and `GET|DELETE /_tally` (the usage of the answers). Kimi
//! Code's device login is served under `/oauth`; `GET|POST /_oauth` is for tests of it.

mod value;
mod seal;
mod provider;
mod models;
mod error_response;
mod engine;
mod api;
mod rate_limit;
mod request_log;
mod usage;
mod response;
mod fault;
mod oauth;
mod rules;
mod account;
mod admin;
mod route;
mod server;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::fault::queue::FaultQueue;
use crate::oauth::AuthServer;
use crate::rate_limit::RateLimiter;
use crate::request_log::RequestLog;
use crate::usage::UsageCounters;

pub use crate::fault::{Fault, FaultDescription, FaultError, list_faults};
pub use crate::provider::{Api, Provider};
pub use crate::rate_limit::RateLimits;
pub use crate::request_log::{RecordedRequest, Stats};
pub use crate::rules::strict::{RuleDescription, find_objection, list_rules};
pub use crate::usage::ModelUsage;

/// What a simulator is started with.
#[derive(Clone)]
pub struct SimulatorOptions {
    /// The only accepted key, on all providers. Without one the prefix decides (`sk-kimi-…` for Kimi Code, any
    /// other `sk-…` for the others).
    pub key: Option<String>,
    /// Faults that are active from the start.
    pub faults: Vec<Fault>,
    /// Rate limits and sizes.
    pub limits: RateLimits,
    /// Whether the providers' rules are enforced. On by default.
    pub is_strict: bool,
    /// Whether any client is accepted and any model id is served, an unknown one by the provider's first model:
    /// for configurations of users. Off by default.
    pub accepts_any_client: bool,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            key: None,
            faults: Vec::new(),
            limits: RateLimits::default(),
            is_strict: true,
            accepts_any_client: false,
        }
    }
}

/// A simulator that listens and does not serve yet.
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<SimulatorState>,
}

impl Simulator {
    /// Listens on `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// Those of binding.
    pub async fn bind(address: SocketAddr, options: SimulatorOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = SimulatorState {
            faults: FaultQueue::new(options.faults.clone()),
            options,
            request_log: RequestLog::default(),
            usage: UsageCounters::default(),
            rate_limiters: <[RateLimiter; 5]>::default(),
            auth_server: AuthServer::default(),
        };
        Ok(Self { listener, address, state: Arc::new(state) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A provider's base URL, without a trailing slash. [`Provider::base_path_for`] has the APIs with another
    /// base path.
    #[must_use]
    pub fn base_url(&self, provider: Provider) -> String {
        format!("http://{}{}", self.address, provider.base_path())
    }

    /// A handle to control and inspect it while it runs.
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
    state: Arc<SimulatorState>,
}

impl Control {
    /// Adds a fault after those that are active.
    pub fn add_fault(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// The last 1,000 requests, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.request_log.requests()
    }

    /// Forgets the requests and sets the counters to zero.
    pub fn clear_requests(&self) {
        self.state.request_log.clear();
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.request_log.stats()
    }

    /// What the answers to requests for this model used.
    #[must_use]
    pub fn usage(&self, provider: Provider, model: &str, api: Api) -> ModelUsage {
        self.state.usage.usage_of(provider, model, api)
    }

    /// Waits until `reached` holds for the counters; false when it does not within `limit`.
    pub async fn wait_for(&self, limit: Duration, reached: impl FnMut(&Stats) -> bool) -> bool {
        self.state.request_log.wait_for(limit, reached).await
    }
}

/// What all connections share.
struct SimulatorState {
    options: SimulatorOptions,
    faults: FaultQueue,
    request_log: RequestLog,
    usage: UsageCounters,
    rate_limiters: [RateLimiter; 5],
    auth_server: AuthServer,
}

impl SimulatorState {
    fn rate_limiter(&self, provider: Provider) -> &RateLimiter {
        let [moonshot, kimi, openrouter, anthropic, openai] = &self.rate_limiters;
        match provider {
            Provider::Moonshot => moonshot,
            Provider::Kimi => kimi,
            Provider::OpenRouter => openrouter,
            Provider::Anthropic => anthropic,
            Provider::OpenAi => openai,
        }
    }
}
