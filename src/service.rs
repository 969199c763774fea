//! The service manager's side: signals, notifications, the sockets that it hands over, files that
//! change. Units join them here.

pub mod notify;
pub mod signals;
pub mod sockets;
pub mod watch;
