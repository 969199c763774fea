//! A reload: the configuration is read again and checked as a whole; then it serves, or the old one serves on.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{debug, error, info, warn};

use super::status;
use crate::config::settings::{Bind, Settings};
use crate::http::server::Listener;
use crate::observe::log;
use crate::relay::Relay;
use crate::service::notify::{Manager, REFUSED};
use crate::service::signals::Hangup;
use crate::service::watch::Watch;

/// Reads the configuration as the start did; everything that is wrong with it, in words, otherwise.
pub trait Load: Fn() -> Result<Settings, String> + Send + Sync + 'static {}

impl<F: Fn() -> Result<Settings, String> + Send + Sync + 'static> Load for F {}

/// What asks for reloads, and what they read.
pub(super) struct Reloading {
    hangup: Hangup,
    file: Option<PathBuf>,
    watch: Option<Watch>,
    load: Arc<dyn Load>,
    /// Where TCP clients reach it, whatever a new configuration says.
    bound: Vec<IpAddr>,
}

impl Reloading {
    pub(super) fn new(hangup: Hangup, file: Option<&Path>, load: impl Load, listeners: &[Listener]) -> Self {
        let bound = listeners.iter().filter_map(|listener| match listener {
            Listener::Tcp(listener) => listener.local_addr().ok().map(|address| address.ip()),
            Listener::Unix(_) => None,
        });
        let (watch, file) = (file.and_then(watch), file.map(Path::to_owned));
        Self { hangup, file, watch, load: Arc::new(load), bound: bound.collect() }
    }

    /// Reloads whenever it is asked for, one after the other.
    pub(super) async fn keep_current(mut self, manager: Manager, relay: Arc<Relay>) {
        let start = relay.settings();
        loop {
            let changed = async {
                match &mut self.watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Directories may have come, gone or changed places, which their watches do not tell.
                () = self.hangup.received() => self.watch = self.file.as_deref().and_then(watch),
                () = changed => if !relay.settings().gateway.reload { continue },
            }
            manager.reloading();
            match self.read().await {
                Ok(settings) => replace(&relay, &start, settings),
                Err(why) => {
                    error!("{REFUSED}{why}");
                    relay.refuse(why);
                }
            }
            manager.reloaded(&status::words(&relay));
        }
    }

    /// Files, credentials included, are read where they may block.
    async fn read(&self) -> Result<Settings, String> {
        let load = self.load.clone();
        let read = tokio::task::spawn_blocking(move || load());
        let settings = read.await.map_err(|error| format!("it could not be read: {error}"))??;
        for ip in &self.bound {
            settings.gateway.check(&Bind::Address(*ip))?;
        }
        Ok(settings)
    }
}

fn watch(file: &Path) -> Option<Watch> {
    match Watch::new(file) {
        Ok(watch) => Some(watch),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            debug!(file = %file.display(), "there is no directory to watch yet; SIGHUP reloads");
            None
        }
        Err(error) => {
            warn!(%error, file = %file.display(), "the file is not watched; SIGHUP reloads");
            None
        }
    }
}

fn replace(relay: &Relay, start: &Settings, settings: Settings) {
    for warning in &settings.warnings {
        warn!("{}: {}", warning.path, warning.message);
    }
    if (&settings.gateway.bind, settings.gateway.port) != (&start.gateway.bind, start.gateway.port) {
        warn!("gateway.bind and gateway.port count at the next start: the sockets stay as they are");
    }
    log::change(&settings.logging.level);
    relay.replace(Arc::new(settings));
    let chain: Vec<String> = relay.links().into_iter().map(|link| link.reference.to_string()).collect();
    info!(target: log::ANNOUNCEMENT, "reloaded; chain: {}", chain.join(" → "));
}
