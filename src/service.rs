//! The service manager's side: signals now; notifications, sockets and units join them here.

pub mod signals;
