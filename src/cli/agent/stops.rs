//! Ctrl-C: once to stop the answer and keep what came, twice to leave at once.

use tokio::sync::watch;

use crate::cli::exit::Ending;
use crate::service::signals::Termination;

/// Counts.
pub(super) struct Stops {
    count: watch::Sender<u8>,
}

impl Stops {
    /// From now on; until here a signal ends the process.
    ///
    /// # Errors
    /// When the kernel refuses the handlers.
    pub(super) fn install() -> Result<Self, Ending> {
        let mut termination = Termination::install()
            .map_err(|error| Ending::failure("signal_error", format!("cannot catch signals: {error}")))?;
        let stops = Self { count: watch::Sender::new(0) };
        let count = stops.count.clone();
        tokio::spawn(async move {
            loop {
                termination.received().await;
                count.send_modify(|count| *count = count.saturating_add(1));
            }
        });
        Ok(stops)
    }

    /// As the first signal.
    pub(super) fn stop(&self) {
        self.count.send_if_modified(|count| {
            let is_first = *count == 0;
            *count = (*count).max(1);
            is_first
        });
    }

    /// Resolves when there were so many.
    pub(super) fn reached(&self, many: u8) -> impl Future<Output = ()> + Send + use<> {
        let mut count = self.count.subscribe();
        async move {
            if count.wait_for(|count| *count >= many).await.is_err() {
                std::future::pending().await
            }
        }
    }
}
