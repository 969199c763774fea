//! How far the end of the process has come. Whoever waits long looks at it.

use tokio::sync::watch;

/// One after the other; there is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownPhase {
    /// Everything is served.
    Running,
    /// Nothing new is taken, what is under way runs to its end.
    Draining,
    /// What is under way tells its client that it is cut off.
    Interrupting,
    /// Nobody waits any more: what is left is dropped, and recorded as far as it came.
    Terminated,
}

/// What watches the end come.
#[derive(Clone, Debug)]
pub struct ShutdownWatch {
    phase: watch::Receiver<ShutdownPhase>,
}

/// The end, as its maker holds it.
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
    /// For what the end does not concern.
    #[must_use]
    pub fn never() -> Self {
        ShutdownSignal::new().subscribe()
    }

    /// Resolves when this stage has come, at once where it is past.
    pub async fn wait_for(&mut self, stage: ShutdownPhase) {
        if self.phase.wait_for(|now| *now >= stage).await.is_err() {
            std::future::pending().await
        }
    }
}
