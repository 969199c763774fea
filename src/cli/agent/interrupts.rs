//! Ctrl-C: once to stop the answer and keep what came, twice to leave at once.

use tokio::sync::watch;

use crate::cli::exit::CommandError;
use crate::service::signals::TerminationSignals;

/// Counts.
pub(super) struct InterruptCounter {
    count: watch::Sender<u8>,
}

impl InterruptCounter {
    /// From now on; until here a signal ends the process.
    ///
    /// # Errors
    /// When the kernel refuses the handlers.
    pub(super) fn install() -> Result<Self, CommandError> {
        let mut termination = TerminationSignals::install().map_err(|error| {
            CommandError::failure("signal_error", format!("cannot catch signals: {error}"))
        })?;
        let stops = Self { count: watch::Sender::new(0) };
        let count = stops.count.clone();
        tokio::spawn(async move {
            loop {
                termination.recv().await;
                count.send_modify(|count| *count = count.saturating_add(1));
            }
        });
        Ok(stops)
    }

    /// As the first signal.
    pub(super) fn interrupt(&self) {
        self.count.send_if_modified(|count| {
            let is_first = *count == 0;
            *count = (*count).max(1);
            is_first
        });
    }

    /// Resolves when there were so many.
    pub(super) fn wait_for_count(&self, many: u8) -> impl Future<Output = ()> + Send + use<> {
        let mut count = self.count.subscribe();
        async move {
            if count.wait_for(|count| *count >= many).await.is_err() {
                std::future::pending().await
            }
        }
    }
}
