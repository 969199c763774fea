//! The service manager's side: signals, notifications, the sockets that it hands over, files that
//! change, limits; the unit's text, and systemctl.

pub mod descriptors;
pub mod notify;
pub mod signals;
pub mod sockets;
pub mod systemctl;
pub mod unit;
pub mod watch;
