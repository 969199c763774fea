//! The service manager's side: signals, notifications, inherited sockets, changes of files, limits, unit files, and
//! systemctl.

pub mod descriptors;
pub mod notify;
pub mod signals;
pub mod systemctl;
pub mod unit;
pub mod watch;
