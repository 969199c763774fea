//! A listening socket: bound, inherited, moved, closed; and the rules for clients that connect through it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use crate::config::settings::Bind;

/// Thousands may connect in one moment. Linux limits the backlog to `net.core.somaxconn`; a client beyond it is
/// accepted only when it retries, a second later.
const BACKLOG: u32 = 4096;

/// The listener through which a client connected, as an extension of its requests. It is valid for the whole
/// connection, even if a reload moves the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerInfo {
    /// Whether clients reach the listener by a name, which a browser page can have rebound.
    pub is_reached_by_name: bool,
    /// Whether only this machine reaches the listener.
    pub is_private: bool,
}

impl ListenerInfo {
    /// Used only by the gateway itself.
    pub(super) const INTERNAL: Self = Self { is_reached_by_name: false, is_private: true };
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// An accepted connection.
pub(super) type ClientStream = Either<TcpStream, UnixStream>;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    info: ListenerInfo,
    address: String,
    /// Whether only this process holds the socket, so that it must serve the connections left in the backlog at
    /// the end.
    is_exclusive: bool,
    /// Removed together with the listener.
    _socket_file: Option<SocketFile>,
}

impl Listener {
    /// A TCP socket that another process holds too.
    ///
    /// # Errors
    /// If it has no address.
    pub fn from_inherited_tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self { is_exclusive: false, ..Self::from_tcp(TcpListener::from_std(listener)?)? })
    }

    /// A UNIX socket that another process holds too. Its file is kept.
    ///
    /// # Errors
    /// If this runtime cannot use the socket.
    pub fn from_inherited_unix(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        let bound = listener.local_addr()?;
        let path = bound.as_pathname().map_or_else(|| "@".to_owned(), |path| path.display().to_string());
        Ok(Self { is_exclusive: false, ..Self::from_unix(UnixListener::from_std(listener)?, path, None) })
    }

    /// A TCP socket of the gateway's own.
    ///
    /// # Errors
    /// If it has no address.
    pub fn from_tcp(listener: TcpListener) -> io::Result<Self> {
        let bound = listener.local_addr()?;
        let info = ListenerInfo { is_reached_by_name: true, is_private: bound.ip().is_loopback() };
        let (socket, address) = (Socket::Tcp(listener), format!("http://{bound}"));
        Ok(Self { socket, info, address, is_exclusive: true, _socket_file: None })
    }

    fn from_unix(listener: UnixListener, path: String, file: Option<SocketFile>) -> Self {
        let info = ListenerInfo { is_reached_by_name: false, is_private: true };
        let (socket, address) = (Socket::Unix(listener), format!("unix:{path}"));
        Self { socket, info, address, is_exclusive: true, _socket_file: file }
    }

    /// Binds the configured address. `instead` is the gateway's own listener that it will replace, which may
    /// have the same port.
    ///
    /// # Errors
    /// A message for people: the address that cannot be bound, and why.
    pub async fn bind(bind: &Bind, port: u16, instead: Option<&Self>) -> Result<Self, String> {
        let ip = match bind {
            Bind::Loopback => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Bind::All => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Bind::Address(ip) => *ip,
            Bind::Unix(path) => {
                let shown = path.display().to_string();
                let (listener, file) =
                    bind_unix(path).await.map_err(|error| describe_bind_error(&shown, &error))?;
                return Ok(Self::from_unix(listener, shown, file));
            }
        };
        let address = SocketAddr::new(ip, port);
        let listener = match (bind_tcp(address, instead), bind) {
            // A machine without IPv6.
            (Err(error), Bind::All) if error.kind() != io::ErrorKind::AddrInUse => {
                bind_tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port), instead)
            }
            (bound, _) => bound,
        };
        listener.and_then(Self::from_tcp).map_err(|error| describe_bind_error(&address.to_string(), &error))
    }

    /// How clients reach it: `http://127.0.0.1:1969`, `unix:/run/gateway.sock`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its IP address, where it has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok().map(|address| address.ip()),
            Socket::Unix(_) => None,
        }
    }

    pub(super) const fn info(&self) -> ListenerInfo {
        self.info
    }

    pub(super) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<ClientStream>> {
        match &self.socket {
            Socket::Tcp(listener) => {
                listener.poll_accept(context).map_ok(|(stream, _)| Either::Left(disable_delay(stream)))
            }
            Socket::Unix(listener) => {
                listener.poll_accept(context).map_ok(|(stream, _)| Either::Right(stream))
            }
        }
    }

    /// Closes the socket. Returns clients that have already connected, unless a next process will accept them.
    pub(super) fn close(self) -> Box<dyn Iterator<Item = ClientStream> + Send> {
        match self.socket {
            _ if !self.is_exclusive => Box::new(std::iter::empty()),
            Socket::Tcp(listener) => {
                let listener = listener.into_std();
                Box::new(std::iter::from_fn(move || {
                    let stream = listener.as_ref().ok()?.accept().ok()?.0;
                    stream.set_nonblocking(true).ok()?;
                    TcpStream::from_std(stream).ok().map(|stream| Either::Left(disable_delay(stream)))
                }))
            }
            Socket::Unix(listener) => {
                let listener = listener.into_std();
                Box::new(std::iter::from_fn(move || {
                    let stream = listener.as_ref().ok()?.accept().ok()?.0;
                    stream.set_nonblocking(true).ok()?;
                    UnixStream::from_std(stream).ok().map(Either::Right)
                }))
            }
        }
    }
}

/// Without it a chunk waits for the acknowledgement of the one before, 34 ms on Linux.
fn disable_delay(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true);
    stream
}

fn bind_tcp(address: SocketAddr, instead: Option<&Listener>) -> io::Result<TcpListener> {
    let occupied = match (listen(address, false), instead.map(|old| &old.socket)) {
        (Err(error), Some(Socket::Tcp(old))) if error.kind() == io::ErrorKind::AddrInUse => (error, old),
        (bound, _) => return bound,
    };
    let (error, old) = occupied;
    if old.local_addr().ok().map(|address| address.port()) != Some(address.port()) {
        return Err(error);
    }
    // The conflict may be with the gateway's own socket (loopback → all). The two share the port until the old
    // one is closed.
    set_port_sharing(old, true)?;
    let bound = listen(address, true);
    set_port_sharing(old, false)?;
    let bound = bound?;
    set_port_sharing(&bound, false)?;
    Ok(bound)
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of the previous process may still be closing.
    socket.set_reuseaddr(true)?;
    if shared {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// tokio sets options only before the bind. A second descriptor of the same socket avoids that limit.
fn set_port_sharing(listener: &TcpListener, on: bool) -> io::Result<()> {
    let twin = listener.as_fd().try_clone_to_owned()?;
    TcpSocket::from_std_stream(std::net::TcpStream::from(twin)).set_reuseport(on)
}

/// A socket on which no process answers was left by a killed process.
async fn bind_unix(path: &Path) -> io::Result<(UnixListener, Option<SocketFile>)> {
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(io::Error::other(
                "a file that is not a socket exists; remove it, or choose another path",
            ));
        }
        let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        if !UnixStream::connect(path).await.err().is_some_and(is_refused) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
    }
    // The socket gets its own name only after its permissions exclude other users.
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    if UnixAddr::from_pathname(&draft).is_err() {
        return Err(io::Error::other("the path is too long for a socket; at most 90 bytes fit"));
    }
    let listener = UnixListener::bind(&draft)?;
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&draft, path)?;
    Ok((listener, SocketFile::from_path(path)))
}

fn describe_bind_error(address: &str, error: &io::Error) -> String {
    let fix = if error.kind() == io::ErrorKind::AddrInUse {
        "; another gateway may be running (moonrelay gateway status); choose another address with --port or --bind"
    } else {
        ""
    };
    format!("cannot listen on {address}: {error}{fix}")
}

/// The file of a UNIX socket, removed when the socket is closed.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn from_path(path: &Path) -> Option<Self> {
        Some(Self { path: std::path::absolute(path).ok()?, identity: read_identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another gateway may have put its own socket there.
        if read_identity(&self.path) == Some(self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn read_identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn path_that_cannot_be_a_socket_is_rejected_and_kept() {
        let home = tempfile::tempdir().unwrap();
        let refused = async |path: PathBuf| Listener::bind(&Bind::Unix(path), 0, None).await.unwrap_err();
        let (file, link) = (home.path().join("file"), home.path().join("link"));
        std::fs::write(&file, "kept").unwrap();
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        for path in [file.clone(), link, home.path().to_owned()] {
            let why = refused(path).await;
            assert!(
                why.contains("not a socket exists; remove it") && !why.contains("another gateway"),
                "{why}"
            );
        }
        assert_eq!(std::fs::read_to_string(file).unwrap(), "kept");
        let why = refused(home.path().join("x".repeat(120))).await;
        assert!(why.contains("too long for a socket"), "{why}");
    }

    #[tokio::test]
    async fn own_port_is_shared_for_the_move_and_a_foreign_port_is_not() {
        let old = Listener::bind(&Bind::Loopback, 0, None).await.unwrap();
        let Socket::Tcp(socket) = &old.socket else { panic!("TCP was asked for") };
        let port = socket.local_addr().unwrap().port();
        assert!(Listener::bind(&Bind::All, port, None).await.is_err(), "it is taken");
        let all = Listener::bind(&Bind::All, port, Some(&old)).await.unwrap();
        drop(old);
        let back = Listener::bind(&Bind::Loopback, port, Some(&all)).await.unwrap();
        assert_eq!((all.info.is_private, back.info.is_private), (false, true));
        drop(all);
        let refused = Listener::bind(&Bind::Loopback, port, None).await.unwrap_err();
        assert!(refused.contains("another gateway may be running"), "{refused}");
    }
}
