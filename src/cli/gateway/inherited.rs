//! The sockets that systemd hands over, in place of `gateway.bind` and `gateway.port`.

use std::io;

use tracing::info;

use crate::cli::exit::Ending;
use crate::config::settings::{Bind, Gateway};
use crate::gateway::listener::Listener;
use crate::service::sockets::{Inherited, inherited};
use crate::telemetry::log;

/// The sockets, a TCP one first where there is one; none where nothing was handed over.
pub(super) fn take(gateway: &Gateway) -> Result<Vec<Listener>, Ending> {
    let failed = |error: io::Error| {
        Ending::failure("socket_error", format!("a socket of LISTEN_FDS is no use: {error}"))
    };
    let mut listeners = Vec::new();
    for socket in inherited().map_err(failed)? {
        let listener = match socket {
            Inherited::Tcp(socket) => Listener::handed_over_tcp(socket),
            Inherited::Unix(socket) => Listener::handed_over_unix(socket),
        };
        let listener = listener.map_err(failed)?;
        if let Some(ip) = listener.ip() {
            gateway.check(&Bind::Address(ip)).map_err(Ending::configuration)?;
        }
        listeners.push(listener);
    }
    listeners.sort_by_key(|listener| listener.ip().is_none());
    if !listeners.is_empty() {
        info!(target: log::ANNOUNCEMENT, "sockets were handed over: gateway.bind and gateway.port do not count");
    }
    for other in listeners.iter().skip(1) {
        info!(target: log::ANNOUNCEMENT, "also on {}", other.address());
    }
    Ok(listeners)
}
