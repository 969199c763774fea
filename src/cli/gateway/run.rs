//! `moonrelay gateway run`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::{Place, inherited};
use crate::cli::exit::{self, Ending};
use crate::config::settings::{Bind, Settings};
use crate::config::{self, Environment};
use crate::http::server::Listener;
use crate::observe::log;
use crate::service::notify::Manager;
use crate::service::signals::{Hangup, Termination};
use crate::{app, upstream};

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
    let settings = load(&args.place)?;
    log::start(&settings.logging.level);
    let no_signals =
        |error: io::Error| Ending::failure("signal_error", format!("cannot catch signals: {error}"));
    let termination = Termination::install().map_err(no_signals)?;
    let hangup = Hangup::install().map_err(no_signals)?;
    let handed_over = inherited::take(&settings.gateway)?;
    let path = match &settings.gateway.bind {
        Bind::Unix(path) if handed_over.is_none() => Some(path.clone()),
        _ => None,
    };
    let (listeners, address) = match handed_over {
        Some(sockets) => sockets,
        None => bind(&settings.gateway.bind, settings.gateway.port).await?,
    };
    let socket = path.and_then(|path| Some((identity(&path)?, path)));
    let connector = Arc::new(upstream::Client::new(settings.failover.connect));
    let app = app::build(Arc::new(settings), listeners, address, connector, hostname());
    let file = config::locate(args.place.config.as_deref(), &Environment::process());
    let again = move || load(&args.place).map_err(|ending| ending.message().to_owned());
    let app = app.reloading(hangup, file.map(|file| file.path), again);
    app.managed_by(Manager::of_process()).run(termination).await;
    // Another gateway may have put its own in this place while answers ran to their end.
    if let Some((_, path)) = socket.filter(|(own, path)| identity(path) == Some(*own)) {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// The configuration with what the flags say of it, checked as a whole.
fn load(place: &Place) -> Result<Settings, Ending> {
    let mut settings = config::load(place.config.as_deref(), &Environment::process())?;
    apply(&mut settings, place)?;
    if !settings.has_target() {
        return Err(super::no_key(&settings));
    }
    Ok(settings)
}

/// Which file a path leads to.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Flags win over the file.
fn apply(settings: &mut Settings, place: &Place) -> Result<(), Ending> {
    let gateway = &mut settings.gateway;
    if let Some(port) = place.port {
        gateway.port = port;
    }
    if let Some(bind) = &place.bind {
        gateway.bind = super::bind(bind)?;
    }
    gateway.check(&gateway.bind).map_err(Ending::configuration)
}

async fn bind(bind: &Bind, port: u16) -> Result<(Vec<Listener>, String), Ending> {
    let ip = match bind {
        Bind::Loopback => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Bind::All => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Bind::Address(ip) => *ip,
        Bind::Unix(path) => {
            let listener =
                bind_unix(path).await.map_err(|error| cannot_bind(&path.display().to_string(), &error))?;
            return Ok((vec![Listener::Unix(listener)], format!("unix:{}", path.display())));
        }
    };
    let place = SocketAddr::new(ip, port);
    let listener = match (TcpListener::bind(place).await, bind) {
        // A machine without IPv6.
        (Err(error), Bind::All) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        (bound, _) => bound,
    };
    let listener = listener.map_err(|error| cannot_bind(&place.to_string(), &error))?;
    let bound = listener.local_addr().map_err(|error| cannot_bind(&place.to_string(), &error))?;
    Ok((vec![Listener::Tcp(listener)], format!("http://{bound}")))
}

/// A socket that nobody answers on is what a killed process left.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if let Ok(there) = std::fs::symlink_metadata(path) {
        let nobody = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        if !there.file_type().is_socket() || !UnixStream::connect(path).await.err().is_some_and(nobody) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
    }
    // Under its own name only when nobody else may open it.
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let listener = UnixListener::bind(&draft)?;
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&draft, path)?;
    Ok(listener)
}

fn cannot_bind(place: &str, error: &io::Error) -> Ending {
    let fix = if error.kind() == io::ErrorKind::AddrInUse {
        "; another gateway may run (moonrelay gateway status), or choose another --port"
    } else {
        ""
    };
    Ending::failure("bind_error", format!("cannot listen on {place}: {error}{fix}"))
}

fn hostname() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
}
