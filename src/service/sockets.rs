//! The sockets that the service manager opened and hands over (`LISTEN_FDS`, sd_listen_fds(3)).

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// A listening socket from outside; it does not block.
#[derive(Debug)]
pub enum InheritedSocket {
    /// TCP, IPv4 or IPv6.
    Tcp(TcpListener),
    /// UNIX, of the stream kind.
    Unix(UnixListener),
}

/// Takes the sockets, once: the variables are removed, so that a child process cannot mistake the sockets for
/// its own. Empty if none were passed, or if they belong to another process.
///
/// # Errors
/// When a socket is neither a TCP nor a UNIX stream socket.
pub fn take_inherited_sockets() -> io::Result<Vec<InheritedSocket>> {
    // The crate would take sockets that name no process, which sd_listen_fds(3) does not.
    if std::env::var_os("LISTEN_PID").is_none_or(|pid| pid.is_empty()) {
        return Ok(Vec::new());
    }
    let mut sockets = ListenFd::from_env();
    (0..sockets.len()).map(|index| take_socket(&mut sockets, index)).collect()
}

fn take_socket(sockets: &mut ListenFd, index: usize) -> io::Result<InheritedSocket> {
    if let Ok(Some(socket)) = sockets.take_unix_listener(index) {
        socket.set_nonblocking(true)?;
        return Ok(InheritedSocket::Unix(socket));
    }
    let socket = sockets.take_tcp_listener(index)?.ok_or(io::ErrorKind::NotFound)?;
    socket.set_nonblocking(true)?;
    Ok(InheritedSocket::Tcp(socket))
}
