//! The sockets that systemd hands over, in place of `gateway.bind` and `gateway.port`.

use std::io;

use tracing::info;

use crate::cli::exit::CommandError;
use crate::config::settings::{Bind, GatewaySettings};
use crate::gateway::listener::Listener;
use crate::service::sockets::{InheritedSocket, take_inherited_sockets};
use crate::telemetry::log;

/// The sockets, a TCP one first where there is one; none where nothing was handed over.
pub(super) fn take_sockets(gateway: &GatewaySettings) -> Result<Vec<Listener>, CommandError> {
    let failed = |error: io::Error| {
        CommandError::failure("socket_error", format!("a socket of LISTEN_FDS is no use: {error}"))
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
        info!(target: log::ANNOUNCEMENT, "sockets were handed over: gateway.bind and gateway.port do not count");
    }
    for other in listeners.iter().skip(1) {
        info!(target: log::ANNOUNCEMENT, "also on {}", other.address());
    }
    Ok(listeners)
}
