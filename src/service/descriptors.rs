//! File descriptors: how many the process may have, and sockets that the service manager hands over (`LISTEN_FDS`,
//! sd_listen_fds(3)).

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to `wanted`, or to the hard limit. A session's soft limit is often 1,024, and its hard limit far
/// higher. The gateway starts no other program that would inherit it.
pub fn raise_limit(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    if let Some(soft) = compute_limit(limit.current, limit.maximum, wanted) {
        // If the system refuses, the old limit is enough for fewer connections.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(soft), ..limit });
    }
}

/// The new soft limit; `None` if it is high enough. As an argument, `None` means unlimited.
fn compute_limit(soft: Option<u64>, hard: Option<u64>, wanted: u64) -> Option<u64> {
    let reach = hard.map_or(wanted, |hard| hard.min(wanted));
    soft.filter(|soft| *soft < reach).map(|_| reach)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_raised_up_to_the_hard_limit_and_never_lowered() {
        assert_eq!(compute_limit(Some(1024), Some(524_288), 16_384), Some(16_384));
        assert_eq!(compute_limit(Some(1024), Some(4096), 16_384), Some(4096));
        assert_eq!(compute_limit(Some(1024), None, 16_384), Some(16_384));
        for (soft, hard) in [(Some(1024), Some(1024)), (Some(65_536), Some(524_288)), (None, None)] {
            assert_eq!(compute_limit(soft, hard, 16_384), None, "{soft:?} {hard:?}");
        }
    }
}
