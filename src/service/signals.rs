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
    /// When the kernel refuses them.
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

/// SIGHUP, caught from now on: a reload, and never the end by itself.
pub struct HangupSignal {
    signal: Signal,
    /// Of the standard streams, those that were a terminal at the start.
    terminals: [bool; 3],
}

/// What a SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangupCause {
    /// A reload was requested.
    ReloadRequested,
    /// The terminal that the process was started on is gone; the kernel says so by the same signal.
    TerminalGone,
}

impl HangupSignal {
    /// Installs the handler. It must be there before the manager hears READY=1, or its first reload would kill.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn install() -> io::Result<Self> {
        Ok(Self { signal: signal(SignalKind::hangup())?, terminals: detect_terminals() })
    }

    /// Resolves at the next one.
    pub async fn recv(&mut self) -> HangupCause {
        self.signal.recv().await;
        // A terminal that has hung up answers no question any more, so it is none (tty_ioctl(4), EIO).
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
