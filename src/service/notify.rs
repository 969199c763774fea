//! What the service manager is told, where one listens (`NOTIFY_SOCKET`, sd_notify(3)).

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// Before the reasons why a reload changed nothing: in the status, in the journal, and where a command tells of it.
pub const REFUSED: &str = "the new configuration is refused, the old one serves on: ";

/// The service manager, or nobody: then nothing happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manager {
    listens: bool,
    watchdog: Option<Duration>,
}

impl Manager {
    /// As the environment of this process says (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`).
    #[must_use]
    pub fn of_process() -> Self {
        let listens = std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| !socket.is_empty());
        Self { listens, watchdog: sd_notify::watchdog_enabled().filter(|limit| listens && !limit.is_zero()) }
    }

    /// Whether anybody is told.
    #[must_use]
    pub const fn listens(self) -> bool {
        self.listens
    }

    /// The manager takes the process for hung when [`Manager::alive`] does not come within this time.
    #[must_use]
    pub const fn watchdog(self) -> Option<Duration> {
        self.watchdog
    }

    /// The start is complete, or a reload is over, well or not.
    pub fn ready(self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&line(status))]);
    }

    /// A reload began. The time says which request of the manager it answers (sd_notify(3), `MONOTONIC_USEC=`).
    pub fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => {
                debug!(%error, "no monotonic clock: the service manager hears nothing of the reload")
            }
        }
    }

    /// How it goes, in words.
    pub fn status(self, status: &str) {
        self.tell(&[NotifyState::Status(&line(status))]);
    }

    /// The end began.
    pub fn stopping(self, status: &str) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status(&line(status))]);
    }

    /// The stop goes on: the manager waits at least this long for the next message.
    pub fn extend(self, by: Duration) {
        let micros = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
        self.tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
    }

    /// The watchdog's food.
    pub fn alive(self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn tell(self, states: &[NotifyState<'_>]) {
        if self.listens
            && let Err(error) = sd_notify::notify(states)
        {
            debug!(%error, "the service manager was not told");
        }
    }
}

/// systemd throws messages of over 4 KiB away, whatever else they say.
const LONGEST: usize = 2048;

/// A state is a line each.
fn line(text: &str) -> String {
    let mut line = text.split('\n').map(str::trim).collect::<Vec<_>>().join("; ");
    if line.len() > LONGEST {
        line.truncate(line.floor_char_boundary(LONGEST));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(line("2 errors\n  a: b\n  c: d"), "2 errors; a: b; c: d");
    }

    #[test]
    fn a_status_is_never_too_long_for_the_manager() {
        let long = line(&"é\n".repeat(3000));
        assert!(long.len() <= super::LONGEST + 3 && long.ends_with('…'), "{}", long.len());
    }
}
