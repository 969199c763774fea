//! Owns the stages of the shutdown. Long waits watch them.

use tokio::sync::watch;

/// The stages, in order; a stage is never left backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownPhase {
    /// All requests are served.
    Running,
    /// New requests are rejected, active requests run to their end.
    Draining,
    /// Active requests end with an error to their clients.
    Interrupting,
    /// Remaining requests are dropped, and recorded as far as they came.
    Terminated,
}

/// Watches the shutdown.
#[derive(Clone, Debug)]
pub struct ShutdownWatch {
    phase: watch::Receiver<ShutdownPhase>,
}

/// Controls the shutdown.
#[derive(Debug)]
pub(super) struct ShutdownSignal {
    phase: watch::Sender<ShutdownPhase>,
}

impl ShutdownSignal {
    pub(super) fn new() -> Self {
        Self { phase: watch::Sender::new(ShutdownPhase::Running) }
    }

    pub(super) fn advance(&self, stage: ShutdownPhase) {
        self.phase.send_if_modified(|now| {
            let further = stage > *now;
            *now = stage.max(*now);
            further
        });
    }

    pub(super) fn subscribe(&self) -> ShutdownWatch {
        ShutdownWatch { phase: self.phase.subscribe() }
    }
}

impl ShutdownWatch {
    /// A watch that never reports a shutdown.
    #[must_use]
    pub fn never() -> Self {
        ShutdownSignal::new().subscribe()
    }

    /// Resolves when this stage is reached, at once if it is past.
    pub async fn wait_for(&mut self, stage: ShutdownPhase) {
        if self.phase.wait_for(|now| *now >= stage).await.is_err() {
            std::future::pending().await
        }
    }
}
