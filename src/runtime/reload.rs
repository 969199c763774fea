//! A reload: the configuration is read again and checked as a whole; then it serves, or the old one serves on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use super::observers::Told;
use super::place::{Place, Wish};
use super::status;
use crate::config::settings::Settings;
use crate::gateway::listener::Listener;
use crate::gateway::server::Mover;
use crate::gateway::shared::Shared;
use crate::routing::Relay;
use crate::service::notify::{Manager, REFUSED};
use crate::service::signals::{Hangup, Hung};
use crate::service::watch::Watch;
use crate::telemetry::log;

/// A read that takes longer waits for something that may never come: a pipe, a mount whose server is gone.
const READ: Duration = Duration::from_secs(5);
/// A log that nobody takes in holds up no reload for longer.
const TELL: Duration = Duration::from_secs(1);
/// Each read that hangs holds a thread.
const READS: usize = 4;

/// Reads the file as the start did, without what the flags say over it; everything that is wrong with it, in words,
/// otherwise.
pub trait Load: Fn() -> Result<Settings, String> + Send + Sync + 'static {}

impl<F: Fn() -> Result<Settings, String> + Send + Sync + 'static> Load for F {}

/// What asks for reloads, and what they read.
pub(super) struct Reloading {
    hangup: Hangup,
    file: Option<PathBuf>,
    load: Arc<dyn Load>,
    /// One a read that has not come back.
    reads: Arc<Semaphore>,
    place: Place,
    /// Where the file of the start wanted the gateway.
    first: Wish,
}

/// What a reload changes.
pub(super) struct Running {
    pub(super) manager: Manager,
    pub(super) shared: Arc<Shared>,
    pub(super) mover: Mover,
    pub(super) told: Told,
}

impl Reloading {
    pub(super) fn new(
        hangup: Hangup,
        file: Option<PathBuf>,
        load: impl Load,
        place: Place,
        first: Wish,
    ) -> Self {
        Self { hangup, file, load: Arc::new(load), reads: Arc::new(Semaphore::new(READS)), place, first }
    }

    /// Reloads whenever it is asked for, one after the other. Returns when the terminal of a gateway in the foreground
    /// is gone.
    pub(super) async fn keep_current(mut self, mut watch: Option<Watch>, mut running: Running) {
        loop {
            let changed = async {
                match &mut watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            let asked = tokio::select! {
                hung = self.hangup.received() => match hung {
                    Hung::TerminalGone if !running.manager.listens() => return,
                    _ => true,
                },
                seen = changed => match seen {
                    Ok(()) => false,
                    Err(error) => {
                        watch = None;
                        warn!(%error, "the configuration is not watched any more; SIGHUP reloads");
                        continue;
                    }
                },
            };
            running.manager.reloading();
            // Before the files are read: what changes while they are is news.
            if let Some(known) = &mut watch
                && let Err(error) = known.catch_up().await
            {
                watch = None;
                warn!(%error, "the configuration is not watched until the next reload");
            }
            if let Err(why) = self.reload(&mut running).await {
                refuse(&running.shared.relay, why, asked);
            }
            watch = self.watch(watch, &running.shared.relay).await;
            running.manager.ready(&status::words(&running.shared.relay.snapshot()));
        }
    }

    async fn reload(&mut self, running: &mut Running) -> Result<(), String> {
        let mut settings = self.read().await?;
        let change = self.place.change(&self.first, &mut settings.gateway)?;
        let listener = match &change.go_to {
            Some(wish) => {
                let old = running.mover.current();
                Some(Listener::bind(&wish.bind, wish.port, old.as_deref()).await?)
            }
            None => None,
        };
        // From here on nothing fails.
        for warning in &settings.warnings {
            warn!("{}: {}", warning.path, warning.message);
        }
        if let Some(note) = &change.note {
            warn!("{note}");
        }
        // What ended before is told as the settings of then want it.
        let _ = timeout(TELL, running.shared.outbox.told()).await;
        log::change(&settings.logging.level);
        running.told.follow(&settings);
        let relay = &running.shared.relay;
        relay.replace(Arc::new(settings), change.note);
        let snapshot = relay.snapshot();
        let chain: Vec<String> = snapshot.links.iter().map(|link| link.reference.to_string()).collect();
        info!(target: log::ANNOUNCEMENT, "reloaded; chain: {}", chain.join(" → "));
        if let (Some(listener), Some(wish)) = (listener, change.go_to) {
            let address = listener.address().to_owned();
            // Behind the new settings: their token guards the new place.
            running.mover.go(listener).await;
            info!(target: log::ANNOUNCEMENT, "listening on {address}");
            running.shared.address.store(Arc::new(address));
            if let Place::Own { now, .. } = &mut self.place {
                *now = wish;
            }
        }
        Ok(())
    }

    /// Files, credentials included, are read where they may block.
    async fn read(&self) -> Result<Settings, String> {
        let place = self.reads.clone().try_acquire_owned();
        let place = place.map_err(|_| format!("{READS} reads of it hang: nothing is read until one ends"))?;
        let load = self.load.clone();
        let read = tokio::task::spawn_blocking(move || {
            let settings = load();
            drop(place);
            settings
        });
        match timeout(READ, read).await {
            Ok(read) => read.map_err(|error| format!("it could not be read: {error}"))?,
            Err(_) => Err(format!("it could not be read within {} s", READ.as_secs())),
        }
    }

    /// Watches what the settings of now were read from.
    pub(super) async fn watch(&self, watch: Option<Watch>, relay: &Relay) -> Option<Watch> {
        let settings = relay.settings();
        let file = self.file.clone().filter(|_| settings.gateway.reload)?;
        let files = std::iter::once(file).chain(settings.files.iter().cloned()).collect();
        let watched = match watch {
            Some(mut watch) => watch.follow(files).await.map(|()| watch),
            None => Watch::new(files).await,
        };
        watched.inspect_err(|error| warn!(%error, "the configuration is not watched; SIGHUP reloads")).ok()
    }
}

fn refuse(relay: &Relay, why: String, asked: bool) {
    let again = relay.last_reload().is_some_and(|last| last.message.as_ref() == Some(&why));
    // A file that is written in many steps is wrong in the same way at each of them.
    if again && !asked {
        debug!("the new configuration is refused still: {why}");
    } else {
        error!("{REFUSED}{why}");
    }
    relay.refuse(why);
}
