//! `moonrelay gateway run`.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Builder;
use tracing::info;

use super::ListenOptions;
use crate::cli::command::CommandError;
use crate::config::settings::{Bind, GatewaySettings, Settings};
use crate::config::{self, Environment};
use crate::gateway::connection_limit::WANTED_DESCRIPTORS;
use crate::gateway::listener::Listener;
use crate::runtime::{BindFlags, ConfigSource, TelemetryBuilder};
use crate::service::descriptors::{self, InheritedSocket, take_inherited_sockets};
use crate::service::notify::ServiceManager;
use crate::service::signals::{HangupSignal, TerminationSignals};

use crate::telemetry::log;
use crate::upstream::oauth;
use crate::usage::UsageStore;
use crate::{runtime, upstream};

/// Serves until a termination signal, and writes the last lines of the log.
pub(super) async fn run(options: ListenOptions) -> Result<(), CommandError> {
    let result = serve(options).await;
    // Token refreshes log what they do.
    oauth::wait_for_refreshes().await;
    log::flush();
    result
}

async fn serve(options: ListenOptions) -> Result<(), CommandError> {
    let signal_error =
        |error: io::Error| CommandError::failure("signal_error", format!("cannot handle signals: {error}"));
    // First of all: a hangup while files are read requests a reload and must not end the process. SIGTERM ends a start
    // that hangs.
    let hangup = HangupSignal::install().map_err(signal_error)?;
    let flags = BindFlags { bind: options.bind()?, port: options.port };
    let mut settings = load_settings(&options)?;
    let configured = settings.gateway.clone();
    flags.apply(&mut settings.gateway);
    log::init(&settings.logging.level);
    descriptors::raise_limit(WANTED_DESCRIPTORS as u64);
    let termination = TerminationSignals::install().map_err(signal_error)?;
    let workers = settings.gateway.worker_threads;
    let serving = Box::pin(serve_settings(options, settings, configured, flags, hangup, termination));
    if workers == 1 {
        return serving.await;
    }
    let start_error = |error: &dyn std::fmt::Display| {
        CommandError::failure("runtime_error", format!("cannot start {workers} worker threads: {error}"))
    };
    let threads = Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let threads = threads.map_err(|error| start_error(&error))?;
    // This thread only waits.
    let served = threads.spawn(serving).await;
    // A read that hangs must not keep the process alive.
    threads.shutdown_background();
    served.unwrap_or_else(|error| Err(start_error(&error)))
}

/// Serves with these settings. `configured` is `gateway` as in the file, without the flags.
async fn serve_settings(
    options: ListenOptions,
    settings: Settings,
    configured: GatewaySettings,
    flags: BindFlags,
    hangup: HangupSignal,
    termination: TerminationSignals,
) -> Result<(), CommandError> {
    let inherited = take_sockets(&settings.gateway)?;
    let has_inherited_sockets = !inherited.is_empty();
    let listeners = if has_inherited_sockets { inherited } else { vec![bind_listener(&settings).await?] };
    let file = config::locate(options.config.as_deref(), &Environment::from_process()).map(|file| file.path);
    let origin = ConfigSource { file, gateway: configured, flags, has_inherited_sockets };
    let connector = Arc::new(upstream::Client::new(settings.failover.connect_timeout));
    let state = Environment::from_process().state_directory();
    let (usage, writer) = UsageStore::persistent(state.as_deref(), settings.usage);
    let telemetry = TelemetryBuilder::new(usage, writer);
    let app = runtime::build(Arc::new(settings), listeners, connector, hostname(), telemetry);
    let reload = move || reload_settings(&options).map_err(|error| error.message().to_owned());
    app.with_reload(hangup, origin, reload)
        .with_manager(ServiceManager::from_environment())
        .run(termination)
        .await;
    oauth::wait_for_refreshes().await;
    Ok(())
}

fn load_settings(options: &ListenOptions) -> Result<Settings, CommandError> {
    let settings = config::load(options.config.as_deref(), &Environment::from_process())?;
    if !settings.has_target() {
        return Err(super::no_key_error(&settings));
    }
    Ok(settings)
}

/// As at the start, except that a pipe is not read a second time: the read would block a thread forever.
fn reload_settings(options: &ListenOptions) -> Result<Settings, CommandError> {
    let location = config::locate(options.config.as_deref(), &Environment::from_process());
    let is_pipe = |path: &PathBuf| path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo());
    match location.map(|found| found.path).filter(is_pipe) {
        Some(path) => {
            let message = format!("{} is a pipe, which is read at the start only", path.display());
            Err(CommandError::failure("reload_refused", message))
        }
        None => load_settings(options),
    }
}

async fn bind_listener(settings: &Settings) -> Result<Listener, CommandError> {
    let gateway = &settings.gateway;
    gateway.check_bind(&gateway.bind).map_err(CommandError::configuration)?;
    let bound = Listener::bind(&gateway.bind, gateway.port, None).await;
    bound.map_err(|why| CommandError::failure("bind_error", why))
}

/// The sockets that systemd passes instead of `gateway.bind` and `gateway.port`, TCP sockets first; may be empty.
fn take_sockets(gateway: &GatewaySettings) -> Result<Vec<Listener>, CommandError> {
    let failed = |error: io::Error| {
        CommandError::failure("socket_error", format!("a socket of LISTEN_FDS cannot be used: {error}"))
    };
    let mut listeners = Vec::new();
    for socket in take_inherited_sockets().map_err(failed)? {
        let listener = match socket {
            InheritedSocket::Tcp(socket) => Listener::from_inherited_tcp(socket),
            InheritedSocket::Unix(socket) => Listener::from_inherited_unix(socket),
        };
        let listener = listener.map_err(failed)?;
        if let Some(ip) = listener.ip() {
            gateway.check_bind(&Bind::Address(ip)).map_err(CommandError::configuration)?;
        }
        listeners.push(listener);
    }
    listeners.sort_by_key(|listener| listener.ip().is_none());
    if !listeners.is_empty() {
        info!(target: log::ANNOUNCEMENT, "using the sockets of systemd; gateway.bind and gateway.port are ignored");
    }
    for other in listeners.iter().skip(1) {
        info!(target: log::ANNOUNCEMENT, "also on {}", other.address());
    }
    Ok(listeners)
}

fn hostname() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
}
