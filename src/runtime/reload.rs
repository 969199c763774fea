//! A reload reads the configuration again and checks it as a whole. If it is valid it is used, otherwise the
//! old one stays.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use super::bind::{BindConfig, BindSource};
use super::status;
use super::telemetry::Telemetry;
use crate::config::settings::Settings;
use crate::gateway::app_state::AppState;
use crate::gateway::listener::Listener;
use crate::gateway::server::ListenerHandle;
use crate::routing::Engine;
use crate::service::notify::{RELOAD_REJECTED, ServiceManager};
use crate::service::signals::{HangupCause, HangupSignal};
use crate::service::watch::FileWatcher;
use crate::telemetry::log;

/// A read that takes longer waits for something that may never arrive: a pipe, a mount whose server is gone.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Each read that hangs holds a thread.
pub(super) const MAX_PENDING_READS: usize = 4;

/// Reads the file as at the start, without the flags that override it. Otherwise returns a message with
/// everything that is wrong with it.
pub(super) type LoadSettings = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// The triggers of reloads, and what a reload reads.
pub(super) struct Reloader {
    pub(super) hangup: HangupSignal,
    pub(super) file: Option<PathBuf>,
    pub(super) load: LoadSettings,
    /// One for each read that has not returned.
    pub(super) read_permits: Arc<Semaphore>,
    pub(super) bind_source: BindSource,
    /// The address in the file at the start.
    pub(super) initial_bind: BindConfig,
}

/// The parts that a reload changes.
pub(super) struct ReloadTargets {
    pub(super) manager: ServiceManager,
    pub(super) state: Arc<AppState>,
    pub(super) listener_handle: ListenerHandle,
    pub(super) telemetry: Telemetry,
}

impl Reloader {
    /// Reloads at each trigger, one after the other. Returns when the terminal of a gateway in the foreground
    /// is gone.
    pub(super) async fn run(mut self, mut watch: Option<FileWatcher>, mut running: ReloadTargets) {
        loop {
            let changed = async {
                match &mut watch {
                    Some(watch) => watch.wait_for_change().await,
                    None => std::future::pending().await,
                }
            };
            let is_requested = tokio::select! {
                hung = self.hangup.recv() => match hung {
                    HangupCause::TerminalGone if !running.manager.is_listening() => return,
                    _ => true,
                },
                seen = changed => match seen {
                    Ok(()) => false,
                    Err(error) => {
                        watch = None;
                        warn!(%error, "configuration no longer watched; SIGHUP reloads");
                        continue;
                    }
                },
            };
            running.manager.notify_reloading();
            // Before the files are read, so that a change during the read is noticed.
            if let Some(known) = &mut watch
                && let Err(error) = known.mark_current().await
            {
                watch = None;
                warn!(%error, "configuration not watched until the next reload");
            }
            if let Err(why) = self.reload(&mut running).await {
                report_failure(&running.state.engine, why, is_requested);
            }
            watch = self.watch(watch, &running.state.engine).await;
            running.manager.notify_ready(&status::describe_status(&running.state.engine.snapshot()));
        }
    }

    async fn reload(&mut self, running: &mut ReloadTargets) -> Result<(), String> {
        let mut settings = self.read().await?;
        let change = self.bind_source.plan_change(&self.initial_bind, &mut settings.gateway)?;
        let listener = match &change.rebind_to {
            Some(wanted) => {
                let old = running.listener_handle.current();
                Some(Listener::bind(&wanted.bind, wanted.port, old.as_deref()).await?)
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
        log::set_level(&settings.logging.level);
        running.telemetry.apply_settings(&settings);
        let engine = &running.state.engine;
        engine.replace_settings(Arc::new(settings), change.note);
        let snapshot = engine.snapshot();
        let chain: Vec<String> =
            snapshot.chain_entries.iter().map(|link| link.reference.to_string()).collect();
        info!(target: log::ANNOUNCEMENT, "reloaded; chain: {}", chain.join(" → "));
        if let (Some(listener), Some(wanted)) = (listener, change.rebind_to) {
            let address = listener.address().to_owned();
            // After the new settings, because their token protects the new listener.
            running.listener_handle.replace(listener).await;
            info!(target: log::ANNOUNCEMENT, "listening on {address}");
            running.state.address.store(Arc::new(address));
            if let BindSource::Owned { current, .. } = &mut self.bind_source {
                *current = wanted;
            }
        }
        Ok(())
    }

    /// Files, credentials included, are read where they may block.
    async fn read(&self) -> Result<Settings, String> {
        let permit = self.read_permits.clone().try_acquire_owned().map_err(|_| {
            format!(
                "{MAX_PENDING_READS} reads of the configuration hang; no other read starts until one ends"
            )
        })?;
        let load = self.load.clone();
        let read = tokio::task::spawn_blocking(move || {
            let settings = load();
            drop(permit);
            settings
        });
        match timeout(READ_TIMEOUT, read).await {
            Ok(read) => read.map_err(|error| format!("cannot read the configuration: {error}"))?,
            Err(_) => Err(format!("cannot read the configuration within {} s", READ_TIMEOUT.as_secs())),
        }
    }

    /// Watches the files from which the current settings were read.
    pub(super) async fn watch(&self, watch: Option<FileWatcher>, engine: &Engine) -> Option<FileWatcher> {
        let settings = engine.settings();
        let file = self.file.clone().filter(|_| settings.gateway.is_reload_enabled)?;
        let files = std::iter::once(file).chain(settings.watched_files.iter().cloned()).collect();
        let watched = match watch {
            Some(mut watch) => watch.set_files(files).await.map(|()| watch),
            None => FileWatcher::new(files).await,
        };
        watched.inspect_err(|error| warn!(%error, "configuration not watched; SIGHUP reloads")).ok()
    }
}

fn report_failure(engine: &Engine, reason: String, is_requested: bool) {
    let is_repeated = engine.last_reload().is_some_and(|last| last.message.as_ref() == Some(&reason));
    // A file that is written in many steps is invalid for the same reason at each step.
    if is_repeated && !is_requested {
        debug!("new configuration still rejected: {reason}");
    } else {
        error!("{RELOAD_REJECTED}{reason}");
    }
    engine.reject_reload(reason);
}
