//! Puts the rooms together. [`build`] binds nothing that it was not given; [`App::run`] ends when it is told to.

mod reload;
mod status;
mod watchdog;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{info, warn};

use self::reload::Reloading;
use crate::config::settings::Settings;
use crate::http::probe;
use crate::http::router::router;
use crate::http::server::{self, Listener};
use crate::http::shared::Shared;
use crate::observe::log;
use crate::relay::{Relay, Sink};
use crate::service::notify::Manager;
use crate::service::signals::{Hangup, Termination};
use crate::upstream::Connector;

/// Under the 100 s that the unit gives a stop.
const DRAIN: Duration = Duration::from_secs(90);
/// Each message while draining asks for this much more time; the last one ends under the 100 s.
const EXTENSION: Duration = Duration::from_secs(8);

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
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
    manager: Manager,
    reloading: Option<Reloading>,
}

/// Composes a gateway on bound listeners that logs its requests; `address` is how clients reach it.
#[must_use]
pub fn build(
    settings: Arc<Settings>,
    listeners: Vec<Listener>,
    address: String,
    connector: Arc<dyn Connector>,
    hostname: Option<String>,
) -> App {
    recording(settings, listeners, address, connector, hostname, Arc::new(|record| log::request(&record)))
}

/// As [`build`], with another place for the records of its requests.
#[must_use]
pub fn recording(
    settings: Arc<Settings>,
    listeners: Vec<Listener>,
    address: String,
    connector: Arc<dyn Connector>,
    hostname: Option<String>,
    sink: Sink,
) -> App {
    let relay = Arc::new(Relay::new(settings, connector, sink));
    let shared = Arc::new(Shared { relay, hostname, address });
    App { listeners, shared, manager: Manager::default(), reloading: None }
}

impl App {
    /// Tells this service manager how it goes.
    #[must_use]
    pub fn managed_by(self, manager: Manager) -> Self {
        Self { manager, ..self }
    }

    /// Reads the configuration again with `load` at each hangup, and when `file` changes and `gateway.reload` is set.
    #[must_use]
    pub fn reloading(self, hangup: Hangup, file: Option<PathBuf>, load: impl reload::Load) -> Self {
        let reloading = Reloading::new(hangup, file.as_deref(), load, &self.listeners);
        Self { reloading: Some(reloading), ..self }
    }

    /// How clients reach it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Serves until the first signal, and then until the answers under way are out, or the second signal.
    pub async fn run(self, mut signals: impl Signals) {
        let (manager, relay) = (self.manager, self.shared.relay.clone());
        self.announce();
        let (probe, probes) = probe::pair();
        let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
        let stopping = async {
            let _ = stopping.await;
        };
        let serving = server::run(self.listeners, router(self.shared), probes, stopping, DRAIN);
        let mut serving = std::pin::pin!(serving);
        // Both end with this function.
        let (mut telling, mut watchdog) = (JoinSet::new(), JoinSet::new());
        if let Some(limit) = manager.watchdog() {
            watchdog.spawn(watchdog::feed(manager, limit, probe));
        }
        if let Some(reloading) = self.reloading {
            telling.spawn(reloading.keep_current(manager, relay.clone()));
        }
        if manager.listens() {
            let words = status::words(&relay);
            manager.ready(&words);
            telling.spawn(status::keep_telling(manager, relay.clone(), words));
        }
        tokio::select! {
            _ = &mut serving => return,
            () = signals.next() => {}
        }
        let _ = stop.send(());
        info!("stopping: answers under way run to their end; a second signal cuts them off");
        telling.abort_all();
        manager.stopping(&format!("stopping: {} answers under way", relay.state().in_flight()));
        tokio::select! {
            busy = &mut serving => info!(busy, "stopped"),
            () = signals.next() => warn!("stopped at once"),
            () = ask_for_time(manager) => {}
        }
    }

    fn announce(&self) {
        for warning in &self.shared.relay.settings().warnings {
            warn!("{}: {}", warning.path, warning.message);
        }
        let links = self.shared.relay.chain_state().into_iter();
        let chain: Vec<String> = links
            .map(|(name, why)| why.map_or_else(|| name.clone(), |why| format!("{name} ({why})")))
            .collect();
        info!(target: log::ANNOUNCEMENT, "chain: {}", chain.join(" → "));
        info!(target: log::ANNOUNCEMENT, "listening on {}", self.shared.address);
    }
}

/// While answers run to their end the manager waits, whatever its limit for a stop is; [`DRAIN`] ends that.
async fn ask_for_time(manager: Manager) {
    let mut beat = tokio::time::interval(EXTENSION / 2);
    loop {
        beat.tick().await;
        manager.extend(EXTENSION);
    }
}
