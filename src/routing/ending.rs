//! How far the end of the process has come. Whoever waits long looks at it.

use tokio::sync::watch;

/// One after the other; there is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Everything is served.
    Serving,
    /// Nothing new is taken, what is under way runs to its end.
    Draining,
    /// What is under way tells its client that it is cut off.
    Cut,
    /// Nobody waits any more: what is left is dropped, and recorded as far as it came.
    Gone,
}

/// What watches the end come.
#[derive(Clone, Debug)]
pub struct Ending {
    stage: watch::Receiver<Stage>,
}

/// The end, as its maker holds it.
#[derive(Debug)]
pub(super) struct End {
    stage: watch::Sender<Stage>,
}

impl End {
    pub(super) fn new() -> Self {
        Self { stage: watch::Sender::new(Stage::Serving) }
    }

    pub(super) fn advance(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let further = stage > *now;
            *now = stage.max(*now);
            further
        });
    }

    pub(super) fn watch(&self) -> Ending {
        Ending { stage: self.stage.subscribe() }
    }
}

impl Ending {
    /// For what the end does not concern.
    #[must_use]
    pub fn never() -> Self {
        End::new().watch()
    }

    /// Resolves when this stage has come, at once where it is past.
    pub async fn reached(&mut self, stage: Stage) {
        if self.stage.wait_for(|now| *now >= stage).await.is_err() {
            std::future::pending().await
        }
    }
}
