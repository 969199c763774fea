//! `moonrelay gateway run`.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;

use super::{ListenOptions, inherited_sockets};
use crate::cli::exit::{self, CommandError};
use crate::config::settings::Settings;
use crate::config::{self, Environment};
use crate::gateway::connection_slots::WANTED_DESCRIPTORS;
use crate::gateway::listener::Listener;
use crate::runtime::{BindFlags, ConfigSource, TelemetryBuilder};
use crate::service::descriptors;
use crate::service::notify::ServiceManager;
use crate::service::signals::{HangupSignal, TerminationSignals};
use crate::telemetry::log;
use crate::usage::UsageStore;
use crate::{runtime, upstream};

/// `gateway run`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    listen: ListenOptions,
}

pub(super) async fn run(args: Args) -> ExitCode {
    exit::into_exit_code(serve(args).await, false)
}

async fn serve(args: Args) -> Result<(), CommandError> {
    let no_signals =
        |error: io::Error| CommandError::failure("signal_error", format!("cannot catch signals: {error}"));
    // First of all: a hangup while files are read is a reload to come, not the end. SIGTERM ends a start that hangs.
    let hangup = HangupSignal::install().map_err(no_signals)?;
    let place = args.listen;
    let flags =
        BindFlags { bind: place.bind.as_deref().map(super::parse_bind).transpose()?, port: place.port };
    let mut settings = load_settings(&place)?;
    let as_written = settings.gateway.clone();
    flags.apply(&mut settings.gateway);
    log::init(&settings.logging.level);
    descriptors::raise_limit(WANTED_DESCRIPTORS as u64);
    let termination = TerminationSignals::install().map_err(no_signals)?;
    let handed_over = inherited_sockets::take_sockets(&settings.gateway)?;
    let is_handed_over = !handed_over.is_empty();
    let listeners = if is_handed_over { handed_over } else { vec![bind_listener(&settings).await?] };
    let file = config::locate(place.config.as_deref(), &Environment::from_process()).map(|file| file.path);
    let origin = ConfigSource { file, gateway: as_written, flags, has_inherited_sockets: is_handed_over };
    let connector = Arc::new(upstream::Client::new(settings.failover.connect_timeout));
    let state = Environment::from_process().state_directory();
    let (ledger, writer) = UsageStore::persistent(state.as_deref(), settings.usage);
    let observers = TelemetryBuilder::new(ledger, writer);
    let app = runtime::build(Arc::new(settings), listeners, connector, hostname(), observers);
    let again = move || reload_settings(&place).map_err(|ending| ending.message().to_owned());
    app.with_reload(hangup, origin, again)
        .with_manager(ServiceManager::from_environment())
        .run(termination)
        .await;
    Ok(())
}

/// The validated configuration.
fn load_settings(place: &ListenOptions) -> Result<Settings, CommandError> {
    let settings = config::load(place.config.as_deref(), &Environment::from_process())?;
    if !settings.has_target() {
        return Err(super::no_key_error(&settings));
    }
    Ok(settings)
}

/// As at the start, except that a pipe is not read a second time: the read would block a thread forever.
fn reload_settings(place: &ListenOptions) -> Result<Settings, CommandError> {
    let location = config::locate(place.config.as_deref(), &Environment::from_process());
    let is_pipe = |path: &PathBuf| path.metadata().is_ok_and(|facts| facts.file_type().is_fifo());
    match location.map(|found| found.path).filter(is_pipe) {
        Some(path) => Err(CommandError::failure(
            "reload_refused",
            format!("{} is a pipe, and is read at the start only", path.display()),
        )),
        None => load_settings(place),
    }
}

async fn bind_listener(settings: &Settings) -> Result<Listener, CommandError> {
    let gateway = &settings.gateway;
    gateway.check_bind(&gateway.bind).map_err(CommandError::configuration)?;
    let bound = Listener::bind(&gateway.bind, gateway.port, None).await;
    bound.map_err(|why| CommandError::failure("bind_error", why))
}

fn hostname() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
}
