//! The sockets that systemd hands over, in place of `gateway.bind` and `gateway.port`.

use std::io;

use tokio::net::{TcpListener, UnixListener};
use tracing::info;

use crate::cli::exit::Ending;
use crate::config::settings::{Bind, Gateway};
use crate::http::server::Listener;
use crate::observe::log;
use crate::service::sockets::{Inherited, inherited};

/// The sockets and the address by which clients know the gateway, a TCP one where there is one; `None` where nothing
/// was handed over.
pub(super) fn take(gateway: &Gateway) -> Result<Option<(Vec<Listener>, String)>, Ending> {
    let failed = |error: io::Error| {
        Ending::failure("socket_error", format!("a socket of LISTEN_FDS is no use: {error}"))
    };
    let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
    for socket in inherited().map_err(failed)? {
        match socket {
            Inherited::Tcp(socket) => {
                let bound = socket.local_addr().map_err(failed)?;
                gateway.check(&Bind::Address(bound.ip())).map_err(Ending::configuration)?;
                listeners.push(Listener::Tcp(TcpListener::from_std(socket).map_err(failed)?));
                addresses.push(format!("http://{bound}"));
            }
            Inherited::Unix(socket) => {
                let bound = socket.local_addr().map_err(failed)?;
                let path =
                    bound.as_pathname().map_or_else(|| "@".to_owned(), |path| path.display().to_string());
                listeners.push(Listener::Unix(UnixListener::from_std(socket).map_err(failed)?));
                addresses.push(format!("unix:{path}"));
            }
        }
    }
    let first = addresses.iter().position(|address| address.starts_with("http:")).unwrap_or(0);
    if addresses.is_empty() {
        return Ok(None);
    }
    let address = addresses.remove(first);
    info!(target: log::ANNOUNCEMENT, "sockets were handed over: gateway.bind and gateway.port do not count");
    for other in addresses {
        info!(target: log::ANNOUNCEMENT, "also on {other}");
    }
    Ok(Some((listeners, address)))
}
