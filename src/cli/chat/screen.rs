//! What is printed: the answer as it comes, and lines of our own between.

use std::io::{self, IsTerminal, Write};

use crate::cli::agent::plain::harmless;
use crate::config::Environment;

/// How something looks, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// As it is.
    Plain,
    /// Beside the matter.
    Dim,
    /// Wrong.
    Red,
}

/// Standard output.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    /// Somebody sees it come.
    pub(super) is_terminal: bool,
    colours: bool,
    /// Nothing stands in the line of the cursor.
    at_start: bool,
    /// A status does.
    has_status: bool,
    look: Look,
}

impl Screen {
    /// Of this process.
    pub(super) fn of(environment: &Environment) -> Self {
        let dumb = environment.get("TERM").is_none_or(|term| term == "dumb");
        let is_terminal = io::stdout().is_terminal() && !dumb;
        let colours = is_terminal && environment.get("NO_COLOR").is_none();
        Self::new(Box::new(io::stdout()), is_terminal, colours)
    }

    fn new(out: Box<dyn Write + Send>, is_terminal: bool, colours: bool) -> Self {
        Self { out, is_terminal, colours, at_start: true, has_status: false, look: Look::Plain }
    }

    /// Whether there are colours.
    pub(super) const fn has_colours(&self) -> bool {
        self.colours
    }

    /// A piece of text as it comes, from others.
    pub(super) fn piece(&mut self, look: Look, text: &str) -> io::Result<()> {
        self.clear_status()?;
        let text = harmless(text);
        if text.is_empty() {
            return Ok(());
        }
        self.wear(look)?;
        self.out.write_all(text.as_bytes())?;
        self.at_start = text.ends_with('\n');
        self.out.flush()
    }

    /// Ends the line of what came in pieces.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.clear_status()?;
        self.wear(Look::Plain)?;
        if !self.at_start {
            self.out.write_all(b"\n")?;
            self.at_start = true;
        }
        self.out.flush()
    }

    /// Lines of our own.
    pub(super) fn line(&mut self, look: Look, text: &str) -> io::Result<()> {
        self.end()?;
        // A colour ends with its line: what scrolls or is resized does not spread it.
        for line in harmless(text).split('\n') {
            self.wear(look)?;
            self.out.write_all(line.as_bytes())?;
            self.wear(Look::Plain)?;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }

    /// What one waits for, until something is printed. Only where somebody waits.
    pub(super) fn status(&mut self, text: &str) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        self.end()?;
        self.wear(Look::Dim)?;
        self.out.write_all(text.as_bytes())?;
        self.wear(Look::Plain)?;
        self.has_status = true;
        self.out.flush()
    }

    /// The person has typed a line, and the terminal has shown it: the cursor is at the start of the next. What they
    /// have begun there is taken away like a status; the prompt shows it again.
    pub(super) fn typed_a_line(&mut self) {
        self.at_start = true;
        self.has_status = true;
    }

    fn clear_status(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.has_status) {
            self.out.write_all(b"\r\x1b[K")?;
        }
        Ok(())
    }

    fn wear(&mut self, look: Look) -> io::Result<()> {
        if !self.colours || self.look == look {
            return Ok(());
        }
        self.look = look;
        self.out.write_all(match look {
            Look::Plain => b"\x1b[0m",
            Look::Dim => b"\x1b[0;2m",
            Look::Red => b"\x1b[0;31m",
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was printed.
    #[derive(Clone, Default)]
    pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(crate) fn screen(&self, is_terminal: bool) -> Screen {
            Screen::new(Box::new(self.clone()), is_terminal, is_terminal)
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_begin_at_the_start_and_a_status_leaves_nothing() {
        let paper = Paper::default();
        let mut screen = paper.screen(true);
        screen.status("thinking…").unwrap();
        screen.piece(Look::Plain, "one\ntw").unwrap();
        screen.piece(Look::Plain, "o").unwrap();
        screen.line(Look::Dim, "a note\u{1b}[0m").unwrap();
        assert_eq!(paper.text(), "\x1b[0;2mthinking…\x1b[0m\r\x1b[Kone\ntwo\n\x1b[0;2ma note␛[0m\x1b[0m\n");
    }

    #[test]
    fn a_pipe_gets_text_alone() {
        let paper = Paper::default();
        let mut screen = paper.screen(false);
        screen.status("thinking…").unwrap();
        screen.piece(Look::Dim, "hm").unwrap();
        screen.line(Look::Red, "wrong").unwrap();
        screen.end().unwrap();
        assert_eq!(paper.text(), "hm\nwrong\n");
    }
}
