//! Puts the rooms together. [`build`] binds nothing that it was not given; [`App::run`] ends when it is told to.

mod collector;
mod observers;
mod place;
mod reload;
mod status;
mod watchdog;

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{info, warn};

pub use self::observers::Observers;
use self::observers::{Told, Work};
pub use self::place::Flags;
use self::place::{Place, Wish};
use self::reload::{Reloading, Running};
use crate::config::settings::{Gateway, Settings};
use crate::gateway::gate::Gate;
use crate::gateway::listener::Listener;
use crate::gateway::probe;
use crate::gateway::refusals::Refusals;
use crate::gateway::server::{self, Listeners};
use crate::gateway::shared::Shared;
use crate::routing::Relay;
use crate::routing::ending::Stage;
use crate::routing::plan::Link;
use crate::routing::state::State;
use crate::service::notify::Manager;
use crate::service::signals::{Hangup, Termination};
use crate::telemetry::log;
use crate::upstream::Connector;

/// With the last words of what is cut off then, under the 100 s that the unit gives a stop.
const DRAIN: Duration = Duration::from_secs(90);
/// Each message while draining asks for this much more time; the last one ends under the 100 s.
const EXTENSION: Duration = Duration::from_secs(8);

/// What tells the gateway to stop: once in order, twice without waiting for answers, three times at once.
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

/// What is dropped at the end is recorded at once; no stop waits longer for that.
const GONE: Duration = Duration::from_secs(1);

/// How serving ended.
enum End {
    InOrder {
        /// Connections that were still busy.
        busy: usize,
    },
    /// Nobody shall wait for anything any more.
    AtOnce,
}

/// The gateway, ready to serve.
pub struct App {
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
    manager: Manager,
    reloading: Option<Reloading>,
    told: Told,
    work: Option<Work>,
}

/// Composes a gateway on bound listeners; the first is the one that clients are told of.
#[must_use]
pub fn build(
    settings: Arc<Settings>,
    listeners: Vec<Listener>,
    connector: Arc<dyn Connector>,
    hostname: Option<String>,
    observers: Observers,
) -> App {
    let address = listeners.first().map(|first| first.address().to_owned()).unwrap_or_default();
    let (told, outbox, work) = observers.compose(connector.clone(), &settings);
    let sink = {
        let outbox = outbox.clone();
        Arc::new(move |record| outbox.put(record))
    };
    let relay = Arc::new(Relay::new(settings, connector, sink));
    let Told { ledger, metrics, traces } = told.clone();
    let refusals = Arc::new(Refusals::new(metrics.clone()));
    let shared =
        Shared { ledger, metrics, outbox, refusals, traces, hostname, ..Shared::new(relay, address) };
    let (shared, manager) = (Arc::new(shared), Manager::default());
    App { listeners, shared, manager, reloading: None, told, work: Some(work) }
}

/// Where a gateway that can reload stands at its start.
pub struct Origin {
    /// The file that the settings came from, watched where `gateway.reload` is set.
    pub file: Option<PathBuf>,
    /// `gateway` as the file has it, without the flags.
    pub gateway: Gateway,
    /// What stands over the file.
    pub flags: Flags,
    /// Whether the listeners are somebody else's: then no reload moves them.
    pub handed_over: bool,
}

impl App {
    /// Tells this service manager how it goes.
    #[must_use]
    pub fn managed_by(self, manager: Manager) -> Self {
        Self { manager, ..self }
    }

    /// Reads the configuration again with `load` at each hangup, and when a file changes.
    #[must_use]
    pub fn reloading(self, hangup: Hangup, origin: Origin, load: impl reload::Load) -> Self {
        let first = Wish::of(&origin.gateway);
        let place = if origin.handed_over {
            Place::HandedOver(self.listeners.iter().filter_map(Listener::ip).collect())
        } else {
            Place::Own { flags: origin.flags, now: Wish::of(&self.shared.relay.settings().gateway) }
        };
        let reloading = Reloading::new(hangup, origin.file, load, place, first);
        Self { reloading: Some(reloading), ..self }
    }

    /// Serves until the first signal, and then until the answers under way are out, or the second signal. It returns
    /// when the ledger has all that was asked; after a third signal traces are not waited for.
    pub async fn run(mut self, signals: impl Signals) {
        let (manager, ledger) = (self.manager, self.told.ledger.clone());
        let working = self.work.take().map(Work::begin);
        let relay = self.shared.relay.clone();
        let end = self.serve(signals).await;
        manager.extend(EXTENSION);
        // Whoever does not read what was said last is dropped, so that it is recorded.
        relay.state().advance(Stage::Gone);
        let _ = tokio::time::timeout(GONE, relay.state().under_way().over()).await;
        if let Some(working) = working {
            working.finish(&ledger, end).await;
        }
    }

    async fn serve(self, mut signals: impl Signals) -> End {
        let (manager, shared) = (self.manager, self.shared.clone());
        self.announce();
        let (probe, probes) = probe::pair();
        let (listeners, mover) = Listeners::new(self.listeners);
        let state = shared.relay.state();
        let mut serving = std::pin::pin!(server::run(
            listeners,
            Gate::new(self.shared),
            shared.refusals.clone(),
            probes,
            state.ending()
        ));
        // Both end with this function.
        let (mut telling, mut watchdog) = (JoinSet::new(), JoinSet::new());
        if let Some(limit) = manager.watchdog() {
            watchdog.spawn(watchdog::feed(manager, limit, probe));
        }
        let mut reloading = JoinSet::new();
        let keeper = match self.reloading {
            // Before READY=1: who changes a file from then on is heard.
            Some(keeper) => Some((keeper.watch(None, &shared.relay).await, keeper)),
            None => None,
        };
        if manager.listens() {
            let words = status::words(&shared.relay.snapshot());
            manager.ready(&words);
            telling.spawn(status::keep_telling(manager, shared.relay.clone(), words));
        }
        if let Some((watch, keeper)) = keeper {
            reloading.spawn(
                keeper
                    .keep_current(watch, Running { manager, shared: shared.clone(), mover, told: self.told }),
            );
        }
        tokio::select! {
            busy = &mut serving => return End::InOrder { busy },
            () = signals.next() => {}
            Some(_) = reloading.join_next() => info!("the terminal is gone"),
        }
        reloading.abort_all();
        telling.abort_all();
        state.advance(Stage::Draining);
        info!("stopping: answers under way run to their end; a second signal cuts them off");
        manager.stopping(&format!("stopping: {} answers under way", state.in_flight()));
        drained(serving, state, signals, manager).await
    }

    fn announce(&self) {
        for warning in &self.shared.relay.settings().warnings {
            warn!("{}: {}", warning.path, warning.message);
        }
        let snapshot = self.shared.relay.snapshot();
        let told = |link: &Link| match link.standing.why_not() {
            Some(why) => format!("{} ({why})", link.reference),
            None => link.reference.to_string(),
        };
        let chain: Vec<String> = snapshot.links.iter().map(told).collect();
        info!(target: log::ANNOUNCEMENT, "chain: {}", chain.join(" → "));
        info!(target: log::ANNOUNCEMENT, "listening on {}", self.shared.address.load());
    }
}

/// Lets what is under way come to its end, as far as the signals let it.
async fn drained(
    mut serving: Pin<&mut impl Future<Output = usize>>,
    state: &State,
    mut signals: impl Signals,
    manager: Manager,
) -> End {
    tokio::select! {
        busy = &mut serving => End::InOrder { busy },
        () = cut_off(state, &mut signals) => {
            warn!("stopped at once");
            End::AtOnce
        }
        never = ask_for_time(manager) => match never {},
    }
}

/// Lets answers run for [`DRAIN`], or until the next signal; resolves at the one behind it.
async fn cut_off(state: &State, signals: &mut impl Signals) {
    // Whichever comes first.
    let _ = tokio::time::timeout(DRAIN, signals.next()).await;
    // Told first: some have nothing more to say, and the process may end with them.
    warn!(busy = state.in_flight(), "answers still under way are cut off");
    state.advance(Stage::Cut);
    signals.next().await;
}

/// While answers run to their end the manager waits, whatever its limit for a stop is; [`DRAIN`] ends that.
async fn ask_for_time(manager: Manager) -> Infallible {
    let mut beat = tokio::time::interval(EXTENSION / 2);
    loop {
        beat.tick().await;
        manager.extend(EXTENSION);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{DRAIN, EXTENSION, Stage, State, cut_off};

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_has_its_time_and_no_more() {
        let state = State::new();
        let (_nobody, mut signals) = tokio::sync::mpsc::channel(1);
        let (mut ending, began) = (state.ending(), Instant::now());
        state.advance(Stage::Draining);
        tokio::select! {
            () = cut_off(&state, &mut signals) => panic!("nobody asked for that"),
            () = ending.reached(Stage::Cut) => {}
        }
        assert_eq!(began.elapsed(), DRAIN);
        // systemd waits for the last extension that was asked for.
        assert!(DRAIN + EXTENSION < std::time::Duration::from_secs(100));
    }
}
