//! `moonrelay gateway run`.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;

use super::{Place, inherited};
use crate::cli::exit::{self, Ending};
use crate::config::settings::Settings;
use crate::config::{self, Environment};
use crate::gateway::listener::Listener;
use crate::gateway::places::ENOUGH_DESCRIPTORS;
use crate::runtime::{Flags, Observers, Origin};
use crate::service::descriptors;
use crate::service::notify::Manager;
use crate::service::signals::{Hangup, Termination};
use crate::telemetry::log;
use crate::usage::Ledger;
use crate::{runtime, upstream};

/// `gateway run`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(args: Args) -> ExitCode {
    exit::code(serve(args).await, false)
}

async fn serve(args: Args) -> Result<(), Ending> {
    let no_signals =
        |error: io::Error| Ending::failure("signal_error", format!("cannot catch signals: {error}"));
    // First of all: a hangup while files are read is a reload to come, not the end. SIGTERM ends a start that hangs.
    let hangup = Hangup::install().map_err(no_signals)?;
    let place = args.place;
    let flags = Flags { bind: place.bind.as_deref().map(super::bind).transpose()?, port: place.port };
    let mut settings = load(&place)?;
    let as_written = settings.gateway.clone();
    flags.apply(&mut settings.gateway);
    log::start(&settings.logging.level);
    descriptors::raise(ENOUGH_DESCRIPTORS as u64);
    let termination = Termination::install().map_err(no_signals)?;
    let handed_over = inherited::take(&settings.gateway)?;
    let is_handed_over = !handed_over.is_empty();
    let listeners = if is_handed_over { handed_over } else { vec![bind(&settings).await?] };
    let file = config::locate(place.config.as_deref(), &Environment::process()).map(|file| file.path);
    let origin = Origin { file, gateway: as_written, flags, handed_over: is_handed_over };
    let connector = Arc::new(upstream::Client::new(settings.failover.connect));
    let state = Environment::process().state_directory();
    let (ledger, writer) = Ledger::kept(state.as_deref(), settings.usage);
    let observers = Observers::new(ledger, writer);
    let app = runtime::build(Arc::new(settings), listeners, connector, hostname(), observers);
    let again = move || load_again(&place).map_err(|ending| ending.message().to_owned());
    app.reloading(hangup, origin, again).managed_by(Manager::of_process()).run(termination).await;
    Ok(())
}

/// The configuration, checked as a whole.
fn load(place: &Place) -> Result<Settings, Ending> {
    let settings = config::load(place.config.as_deref(), &Environment::process())?;
    if !settings.has_target() {
        return Err(super::no_key(&settings));
    }
    Ok(settings)
}

/// As at the start; but nobody writes into a pipe a second time, and waiting for that costs a thread for ever.
fn load_again(place: &Place) -> Result<Settings, Ending> {
    let location = config::locate(place.config.as_deref(), &Environment::process());
    let is_pipe = |path: &PathBuf| path.metadata().is_ok_and(|facts| facts.file_type().is_fifo());
    match location.map(|found| found.path).filter(is_pipe) {
        Some(path) => Err(Ending::failure(
            "reload_refused",
            format!("{} is a pipe, and is read at the start only", path.display()),
        )),
        None => load(place),
    }
}

async fn bind(settings: &Settings) -> Result<Listener, Ending> {
    let gateway = &settings.gateway;
    gateway.check(&gateway.bind).map_err(Ending::configuration)?;
    let bound = Listener::bind(&gateway.bind, gateway.port, None).await;
    bound.map_err(|why| Ending::failure("bind_error", why))
}

fn hostname() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
}
