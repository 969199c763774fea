//! Composes the modules. [`build`] binds nothing that it was not given; [`App::run`] ends on a shutdown signal.

mod bind;
mod status;
#[cfg(feature = "otel")]
mod otlp_client;
mod telemetry;
mod reload;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{info, warn};

pub use self::bind::BindFlags;
use self::bind::{BindConfig, BindSource};
use self::reload::{MAX_PENDING_READS, ReloadTargets, Reloader};
pub use self::telemetry::TelemetryBuilder;
use self::telemetry::{ServeOutcome, Telemetry, TelemetryTasks};
use crate::config::settings::{GatewaySettings, Settings};
use crate::gateway::app_state::AppState;
use crate::gateway::listener::Listener;
use crate::gateway::rejections::RejectionLog;
use crate::gateway::router::build_router;
use crate::gateway::server::{self, ListenerSet};
use crate::routing::Engine;
use crate::routing::snapshot::ChainEntry;
use crate::service::notify::ServiceManager;
use crate::service::signals::{HangupSignal, TerminationSignals};
use crate::state::{ShutdownPhase, State};
use crate::telemetry::log;
use crate::upstream::Connector;

/// Together with the last messages of interrupted responses this is under the 100 s that the unit allows for a
/// stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(90);
/// Each message while draining requests this much more time; the last one ends under the 100 s.
const STOP_EXTENSION: Duration = Duration::from_secs(8);

/// Signals that stop the gateway: one drains it, a second stops waiting for responses, a third stops it at
/// once.
pub trait ShutdownSignals: Send {
    /// Resolves at the next signal.
    fn next(&mut self) -> impl Future<Output = ()> + Send;
}

impl ShutdownSignals for TerminationSignals {
    async fn next(&mut self) {
        self.recv().await;
    }
}

/// One signal, from another task.
impl ShutdownSignals for tokio::sync::mpsc::Receiver<()> {
    async fn next(&mut self) {
        if self.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// Requests that are dropped at the end are recorded at once. A stop waits at most this long for that.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);

/// The gateway, ready to serve.
pub struct App {
    listeners: Vec<Listener>,
    state: Arc<AppState>,
    manager: ServiceManager,
    reloader: Option<Reloader>,
    telemetry: Telemetry,
    telemetry_tasks: Option<TelemetryTasks>,
}

/// Composes a gateway on bound listeners, within a Tokio runtime. The first one is the address that clients are given.
#[must_use]
pub fn build(
    settings: Arc<Settings>,
    listeners: Vec<Listener>,
    connector: Arc<dyn Connector>,
    hostname: Option<String>,
    telemetry_builder: TelemetryBuilder,
) -> App {
    let address = listeners.first().map(|first| first.address().to_owned()).unwrap_or_default();
    let (telemetry, tasks) = telemetry_builder.build(connector.clone(), &settings);
    let sink = {
        let telemetry = telemetry.clone();
        Arc::new(move |record| telemetry.record(record))
    };
    let engine = Arc::new(Engine::new(settings, connector, sink));
    let state = AppState {
        usage: telemetry.usage.clone(),
        metrics: telemetry.metrics.clone(),
        rejections: Arc::new(RejectionLog::new(telemetry.metrics.clone())),
        hostname,
        ..AppState::new(engine, address)
    };
    let (state, manager) = (Arc::new(state), ServiceManager::default());
    App { listeners, state, manager, reloader: None, telemetry, telemetry_tasks: Some(tasks) }
}

/// The initial configuration of a gateway that can reload.
pub struct ConfigSource {
    /// The file that the settings came from, watched where `gateway.reload` is set.
    pub file: Option<PathBuf>,
    /// `gateway` of the file, without the flags.
    pub gateway: GatewaySettings,
    /// Flags that override the file.
    pub flags: BindFlags,
    /// Whether the listeners were inherited: then no reload moves them.
    pub has_inherited_sockets: bool,
}

impl App {
    /// Reports the gateway's status to this service manager.
    #[must_use]
    pub fn with_manager(self, manager: ServiceManager) -> Self {
        Self { manager, ..self }
    }

    /// Reloads the configuration with `load` at each hangup, and when a file changes.
    #[must_use]
    pub fn with_reload(
        self,
        hangup: HangupSignal,
        origin: ConfigSource,
        load: impl Fn() -> Result<Settings, String> + Send + Sync + 'static,
    ) -> Self {
        let bind_source = if origin.has_inherited_sockets {
            BindSource::Inherited(self.listeners.iter().filter_map(Listener::ip).collect())
        } else {
            BindSource::Owned {
                flags: origin.flags,
                current: BindConfig::from_gateway(&self.state.engine.settings().gateway),
            }
        };
        let reloader = Reloader {
            hangup,
            file: origin.file,
            load: Arc::new(load),
            read_permits: Arc::new(Semaphore::new(MAX_PENDING_READS)),
            bind_source,
            initial_bind: BindConfig::from_gateway(&origin.gateway),
        };
        Self { reloader: Some(reloader), ..self }
    }

    /// Serves until the first signal, and then until the responses in progress are sent, or the second signal.
    /// It returns when the usage database has every request. After a third signal it does not wait for traces.
    pub async fn run(mut self, signals: impl ShutdownSignals) {
        let (manager, usage) = (self.manager, self.telemetry.usage.clone());
        let tasks = self.telemetry_tasks.take();
        let engine = self.state.engine.clone();
        let end = self.serve(signals).await;
        manager.extend_timeout(STOP_EXTENSION);
        // A client that does not read the end of its response is dropped, so that the request is recorded.
        engine.state().advance_shutdown(ShutdownPhase::Terminated);
        let _ = tokio::time::timeout(DROP_TIMEOUT, engine.state().active_requests().wait_until_empty()).await;
        if let Some(tasks) = tasks {
            tasks.finish(&usage, end).await;
        }
    }

    async fn serve(self, mut signals: impl ShutdownSignals) -> ServeOutcome {
        let (manager, shared) = (self.manager, self.state.clone());
        self.announce();
        let (probe, probes) = tokio::sync::mpsc::channel(1);
        let (listeners, mover) = ListenerSet::new(self.listeners);
        let state = shared.engine.state();
        let mut serving = std::pin::pin!(server::run(
            listeners,
            build_router(self.state),
            shared.rejections.clone(),
            probes,
            state.watch_shutdown()
        ));
        // All end with this function.
        let (mut reporting, mut watchdog, mut reloading) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        if let Some(limit) = manager.watchdog() {
            watchdog.spawn(status::feed_watchdog(manager, limit, probe));
        }
        let reloader = match self.reloader {
            // Before READY=1, so that every later change of a file is noticed.
            Some(reloader) => Some((reloader.watch(None, &shared.engine).await, reloader)),
            None => None,
        };
        if manager.is_listening() {
            let status = status::describe_status(&shared.engine.snapshot());
            manager.notify_ready(&status);
            reporting.spawn(status::report_status_changes(manager, shared.engine.clone(), status));
        }
        if let Some((watch, reloader)) = reloader {
            let (state, telemetry) = (shared.clone(), self.telemetry);
            let targets = ReloadTargets { manager, state, listener_handle: mover, telemetry };
            reloading.spawn(reloader.run(watch, targets));
        }
        tokio::select! {
            busy = &mut serving => return ServeOutcome::Graceful { busy },
            () = signals.next() => {}
            Some(_) = reloading.join_next() => info!("terminal closed"),
        }
        reloading.abort_all();
        reporting.abort_all();
        state.advance_shutdown(ShutdownPhase::Draining);
        info!("shutting down: active requests run to their end; a second signal interrupts them");
        manager.notify_stopping(&format!("shutting down: {} active requests", state.in_flight()));
        drain(serving, state, signals, manager).await
    }

    fn announce(&self) {
        for warning in &self.state.engine.settings().warnings {
            warn!("{}: {}", warning.path, warning.message);
        }
        let snapshot = self.state.engine.snapshot();
        let describe = |entry: &ChainEntry| match entry.status.unavailable_reason() {
            Some(reason) => format!("{} ({reason})", entry.reference),
            None => entry.reference.to_string(),
        };
        let chain: Vec<String> = snapshot.chain_entries.iter().map(describe).collect();
        info!(target: log::ANNOUNCEMENT, "chain: {}", chain.join(" → "));
        info!(target: log::ANNOUNCEMENT, "listening on {}", self.state.address.load());
    }
}

/// Lets active requests run to their end, as far as the signals allow. While they run the manager waits, whatever its
/// limit for a stop is; [`DRAIN_TIMEOUT`] ends that.
async fn drain(
    mut serving: Pin<&mut impl Future<Output = usize>>,
    state: &State,
    mut signals: impl ShutdownSignals,
    manager: ServiceManager,
) -> ServeOutcome {
    let mut extension = tokio::time::interval(STOP_EXTENSION / 2);
    let mut cutoff = std::pin::pin!(wait_for_cutoff(state, &mut signals));
    loop {
        tokio::select! {
            busy = &mut serving => return ServeOutcome::Graceful { busy },
            () = &mut cutoff => {
                warn!("stopped immediately");
                return ServeOutcome::Immediate;
            }
            _ = extension.tick() => manager.extend_timeout(STOP_EXTENSION),
        }
    }
}

/// Lets responses run for [`DRAIN_TIMEOUT`], or until the next signal. Resolves at the signal after that.
async fn wait_for_cutoff(state: &State, signals: &mut impl ShutdownSignals) {
    // Whichever comes first.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, signals.next()).await;
    // Log first: some requests have nothing more to send, and the process may end with them.
    warn!(busy = state.in_flight(), "active requests are cut off");
    state.advance_shutdown(ShutdownPhase::Interrupting);
    signals.next().await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{DRAIN_TIMEOUT, STOP_EXTENSION, ShutdownPhase, State, wait_for_cutoff};

    #[tokio::test(start_paused = true)]
    async fn active_requests_are_interrupted_after_the_drain_timeout() {
        let state = State::new();
        let (_sender, mut signals) = tokio::sync::mpsc::channel(1);
        let (mut ending, began) = (state.watch_shutdown(), Instant::now());
        state.advance_shutdown(ShutdownPhase::Draining);
        tokio::select! {
            () = wait_for_cutoff(&state, &mut signals) => panic!("no signal was sent"),
            () = ending.wait_for(ShutdownPhase::Interrupting) => {}
        }
        assert_eq!(began.elapsed(), DRAIN_TIMEOUT);
        // systemd waits for the last extension that was requested.
        assert!(DRAIN_TIMEOUT + STOP_EXTENSION < std::time::Duration::from_secs(100));
    }
}
