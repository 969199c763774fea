//! Puts the rooms together. [`build`] binds nothing that it was not given; [`App::run`] ends when it is told to.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::config::settings::Settings;
use crate::http::router::router;
use crate::http::server::{self, Listener};
use crate::http::shared::Shared;
use crate::observe::log;
use crate::relay::Relay;
use crate::service::signals::Termination;
use crate::upstream::Connector;

/// Under the 100 s that the unit gives a stop.
const DRAIN: Duration = Duration::from_secs(90);

/// What tells the gateway to stop: once in order, twice at once.
pub trait Signals: Send {
    /// Resolves at the next one.
    fn next(&mut self) -> impl Future<Output = ()> + Send;
}

impl Signals for Termination {
    async fn next(&mut self) {
        self.received().await;
    }
}

/// One signal, from another task.
impl Signals for tokio::sync::mpsc::Receiver<()> {
    async fn next(&mut self) {
        if self.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// The gateway, ready to serve.
pub struct App {
    listener: Listener,
    shared: Arc<Shared>,
}

/// Composes a gateway on a bound listener; `address` is how clients reach it.
#[must_use]
pub fn build(
    settings: Arc<Settings>,
    listener: Listener,
    address: String,
    connector: Arc<dyn Connector>,
    hostname: Option<String>,
) -> App {
    let relay = Arc::new(Relay::new(settings, connector, Arc::new(|record| log::request(&record))));
    App { listener, shared: Arc::new(Shared { relay, hostname, address }) }
}

impl App {
    /// How clients reach it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Serves until the first signal, and then until the answers under way are out, or the second signal.
    pub async fn run(self, mut signals: impl Signals) {
        let settings = self.shared.relay.settings();
        for warning in &settings.warnings {
            warn!("{}: {}", warning.path, warning.message);
        }
        let chain: Vec<String> = self
            .shared
            .relay
            .chain_state()
            .into_iter()
            .map(|(name, why)| why.map_or_else(|| name.clone(), |why| format!("{name} ({why})")))
            .collect();
        info!(target: log::ANNOUNCEMENT, "chain: {}", chain.join(" → "));
        info!(target: log::ANNOUNCEMENT, "listening on {}", self.shared.address);
        let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
        let stopping = async {
            let _ = stopping.await;
        };
        let mut serving = std::pin::pin!(server::run(self.listener, router(self.shared), stopping, DRAIN));
        tokio::select! {
            _ = &mut serving => return,
            () = signals.next() => info!("stopping: answers under way run to their end; a second signal cuts them off"),
        }
        let _ = stop.send(());
        tokio::select! {
            busy = &mut serving => info!(busy, "stopped"),
            () = signals.next() => warn!("stopped at once"),
        }
    }
}
