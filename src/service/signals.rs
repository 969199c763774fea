//! Signals that shut the process down in order, and the signal that requests a reload.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, caught from now on.
pub struct TerminationSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl TerminationSignals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// If the kernel refuses them.
    pub fn install() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves at the next of them.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// SIGHUP, caught from now on: a reload, and not the end by itself.
pub struct HangupSignal {
    signal: Signal,
    /// Which standard streams were a terminal at the start.
    terminals: [bool; 3],
}

/// The meaning of a SIGHUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangupCause {
    /// A reload was requested.
    ReloadRequested,
    /// The terminal of the process is gone; the kernel sends the same signal.
    TerminalGone,
}

impl HangupSignal {
    /// Installs the handler. It must exist before READY=1, or the manager's first reload would kill the process.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn install() -> io::Result<Self> {
        Ok(Self { signal: signal(SignalKind::hangup())?, terminals: detect_terminals() })
    }

    /// Resolves at the next one.
    pub async fn recv(&mut self) -> HangupCause {
        self.signal.recv().await;
        // After a hangup the terminal fails every call, so it is not a terminal any more (tty_ioctl(4), EIO).
        if self.terminals != [false; 3] && detect_terminals() == [false; 3] {
            HangupCause::TerminalGone
        } else {
            HangupCause::ReloadRequested
        }
    }
}

fn detect_terminals() -> [bool; 3] {
    [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()]
}
