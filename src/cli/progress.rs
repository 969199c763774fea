//! One line on a terminal's standard error that says how far a command is. Elsewhere nothing: a log needs no progress.

use std::io::{IsTerminal, Write};

/// The line.
pub(super) struct Progress {
    is_visible: bool,
}

impl Progress {
    /// Shown where standard error is a terminal.
    pub(super) fn on_terminal() -> Self {
        Self { is_visible: std::io::stderr().is_terminal() }
    }

    /// Nowhere.
    #[cfg(test)]
    pub(super) const fn hidden() -> Self {
        Self { is_visible: false }
    }

    /// Puts this in place of what stands there.
    pub(super) fn show(&self, text: &str) {
        self.write(&format!("\r\x1b[K{text}"));
    }

    /// Takes it away, before the command prints what it found.
    pub(super) fn clear(&self) {
        self.write("\r\x1b[K");
    }

    fn write(&self, text: &str) {
        if self.is_visible {
            let mut out = std::io::stderr().lock();
            // Nobody is left to tell when the terminal is gone.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}
