//! The terminal as it was: a prompt that is interrupted leaves it without echo, or without its cursor.

use std::io::{self, BufRead, IsTerminal, Write, stderr, stdin};

use dialoguer::console::Term;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal settings at the time of saving.
pub(super) struct SavedTerminal {
    settings: Option<Termios>,
}

impl SavedTerminal {
    /// Whether prompting is possible: answers come from standard input, questions go to standard error.
    pub(super) fn is_available() -> bool {
        stdin().is_terminal() && stderr().is_terminal()
    }

    /// Now.
    pub(super) fn save() -> Self {
        Self { settings: tcgetattr(stdin()).ok() }
    }

    /// Reads a line that is not shown. The echo ends before the question is there, and nothing that was typed or pasted
    /// early is thrown away.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn read_hidden(question: &str) -> io::Result<String> {
        let before = Self::save();
        let mut hidden = tcgetattr(stdin())?;
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Drain, &hidden)?;
        let mut line = String::new();
        let read = write!(stderr(), "{question}: ").and_then(|()| stdin().lock().read_line(&mut line));
        before.restore();
        // The line end that was typed is not shown either.
        writeln!(stderr())?;
        read.map(|_| line)
    }

    /// As it was. A terminal that is gone needs nothing.
    pub(super) fn restore(&self) {
        if let Some(settings) = &self.settings {
            let _ = tcsetattr(stdin(), OptionalActions::Now, settings);
        }
        let _ = Term::stderr().show_cursor();
    }
}
