//! Notifications to the service manager, if it listens (`NOTIFY_SOCKET`, sd_notify(3)).

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// The prefix of the reasons why a reload changed nothing: in the status, in the journal, and in command
/// output.
pub const RELOAD_REJECTED: &str = "new configuration rejected, the previous one stays active: ";

/// The service manager. Without one, notifications do nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServiceManager {
    is_listening: bool,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Reads the environment of this process (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`).
    #[must_use]
    pub fn from_environment() -> Self {
        let is_listening = std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| !socket.is_empty());
        Self {
            is_listening,
            watchdog: sd_notify::watchdog_enabled().filter(|limit| is_listening && !limit.is_zero()),
        }
    }

    /// Whether a service manager is notified.
    #[must_use]
    pub const fn is_listening(self) -> bool {
        self.is_listening
    }

    /// The manager restarts the process without [`ServiceManager::notify_watchdog`] within this time.
    #[must_use]
    pub const fn watchdog(self) -> Option<Duration> {
        self.watchdog
    }

    /// The start is complete, or a reload has ended, successful or not.
    pub fn notify_ready(self, status: &str) {
        self.notify(&[NotifyState::Ready, NotifyState::Status(&to_single_line(status))]);
    }

    /// A reload began. The time identifies the manager's request (sd_notify(3), `MONOTONIC_USEC=`).
    pub fn notify_reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.notify(&[NotifyState::Reloading, now]),
            Err(error) => {
                debug!(%error, "no monotonic clock: the service manager is not notified of the reload")
            }
        }
    }

    /// The status text.
    pub fn notify_status(self, status: &str) {
        self.notify(&[NotifyState::Status(&to_single_line(status))]);
    }

    /// The shutdown began.
    pub fn notify_stopping(self, status: &str) {
        self.notify(&[NotifyState::Stopping, NotifyState::Status(&to_single_line(status))]);
    }

    /// The shutdown takes longer: the manager waits at least this long for the next message.
    pub fn extend_timeout(self, by: Duration) {
        let micros = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
        self.notify(&[NotifyState::ExtendTimeoutUsec(micros)]);
    }

    /// The process is alive.
    pub fn notify_watchdog(self) {
        self.notify(&[NotifyState::Watchdog]);
    }

    fn notify(self, states: &[NotifyState<'_>]) {
        if self.is_listening
            && let Err(error) = sd_notify::notify(states)
        {
            debug!(%error, "cannot notify the service manager");
        }
    }
}

/// systemd discards messages of over 4 KiB.
const MAX_STATUS_BYTES: usize = 2048;

/// Each state is one line.
fn to_single_line(text: &str) -> String {
    let mut line = text.split('\n').map(str::trim).collect::<Vec<_>>().join("; ");
    if line.len() > MAX_STATUS_BYTES {
        line.truncate(line.floor_char_boundary(MAX_STATUS_BYTES));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::to_single_line;

    #[test]
    fn status_is_one_line() {
        assert_eq!(to_single_line("2 errors\n  a: b\n  c: d"), "2 errors; a: b; c: d");
    }

    #[test]
    fn status_is_cut_to_the_limit() {
        let long = to_single_line(&"é\n".repeat(3000));
        assert!(long.len() <= super::MAX_STATUS_BYTES + 3 && long.ends_with('…'), "{}", long.len());
    }
}
