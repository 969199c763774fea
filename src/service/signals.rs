//! Signals that end the process in order, and the one that asks for a reload.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, caught from now on.
pub struct Termination {
    interrupt: Signal,
    terminate: Signal,
}

impl Termination {
    /// Installs the handlers.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub fn install() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves at the next of them.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// SIGHUP, caught from now on: a reload, and never the end.
pub struct Hangup {
    signal: Signal,
}

impl Hangup {
    /// Installs the handler. It must be there before the manager hears READY=1, or its first reload would kill.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn install() -> io::Result<Self> {
        Ok(Self { signal: signal(SignalKind::hangup())? })
    }

    /// Resolves at the next one.
    pub async fn received(&mut self) {
        self.signal.recv().await;
    }
}
