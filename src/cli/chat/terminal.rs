//! What is printed: the answer as it comes, and lines of our own between.

use std::io::{self, IsTerminal, Write};

use crate::cli::agent::terminal_text::sanitize;
use crate::config::Environment;

/// How something looks, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is.
    Plain,
    /// Beside the matter.
    Dim,
    /// Wrong.
    Red,
}

/// Standard output.
pub(super) struct ChatTerminal {
    out: Box<dyn Write + Send>,
    /// The output is displayed as it arrives.
    pub(super) is_terminal: bool,
    use_colour: bool,
    /// The cursor's line is empty.
    is_at_line_start: bool,
    /// The cursor's line shows a status.
    has_status: bool,
    style: Style,
}

impl ChatTerminal {
    /// Of this process.
    pub(super) fn from_environment(environment: &Environment) -> Self {
        let dumb = environment.get("TERM").is_none_or(|term| term == "dumb");
        let is_terminal = io::stdout().is_terminal() && !dumb;
        let colours = is_terminal && environment.get("NO_COLOR").is_none();
        Self::new(Box::new(io::stdout()), is_terminal, colours)
    }

    fn new(out: Box<dyn Write + Send>, is_terminal: bool, use_colour: bool) -> Self {
        Self { out, is_terminal, use_colour, is_at_line_start: true, has_status: false, style: Style::Plain }
    }

    /// Whether there are colours.
    pub(super) const fn uses_colour(&self) -> bool {
        self.use_colour
    }

    /// A piece of text as it comes, from others.
    pub(super) fn write_piece(&mut self, look: Style, text: &str) -> io::Result<()> {
        self.clear_status()?;
        let text = sanitize(text);
        if text.is_empty() {
            return Ok(());
        }
        self.set_style(look)?;
        self.out.write_all(text.as_bytes())?;
        self.is_at_line_start = text.ends_with('\n');
        self.out.flush()
    }

    /// Ends the line of what came in pieces.
    pub(super) fn end_line(&mut self) -> io::Result<()> {
        self.clear_status()?;
        self.set_style(Style::Plain)?;
        if !self.is_at_line_start {
            self.out.write_all(b"\n")?;
            self.is_at_line_start = true;
        }
        self.out.flush()
    }

    /// Lines of our own.
    pub(super) fn write_line(&mut self, look: Style, text: &str) -> io::Result<()> {
        self.end_line()?;
        // A colour ends with its line: what scrolls or is resized does not spread it.
        for line in sanitize(text).split('\n') {
            self.set_style(look)?;
            self.out.write_all(line.as_bytes())?;
            self.set_style(Style::Plain)?;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }

    /// Shows what the command waits for, until something is printed. Only on a terminal.
    pub(super) fn show_status(&mut self, text: &str) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        self.end_line()?;
        self.set_style(Style::Dim)?;
        self.out.write_all(text.as_bytes())?;
        self.set_style(Style::Plain)?;
        self.has_status = true;
        self.out.flush()
    }

    /// The person has typed a line, and the terminal has shown it: the cursor is at the start of the next. What they
    /// have begun there is taken away like a status; the prompt shows it again.
    pub(super) fn record_typed_line(&mut self) {
        self.is_at_line_start = true;
        self.has_status = true;
    }

    fn clear_status(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.has_status) {
            self.out.write_all(b"\r\x1b[K")?;
        }
        Ok(())
    }

    fn set_style(&mut self, look: Style) -> io::Result<()> {
        if !self.use_colour || self.style == look {
            return Ok(());
        }
        self.style = look;
        self.out.write_all(match look {
            Style::Plain => b"\x1b[0m",
            Style::Dim => b"\x1b[0;2m",
            Style::Red => b"\x1b[0;31m",
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
        pub(crate) fn screen(&self, is_terminal: bool) -> ChatTerminal {
            ChatTerminal::new(Box::new(self.clone()), is_terminal, is_terminal)
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
        screen.show_status("thinking…").unwrap();
        screen.write_piece(Style::Plain, "one\ntw").unwrap();
        screen.write_piece(Style::Plain, "o").unwrap();
        screen.write_line(Style::Dim, "a note\u{1b}[0m").unwrap();
        assert_eq!(paper.text(), "\x1b[0;2mthinking…\x1b[0m\r\x1b[Kone\ntwo\n\x1b[0;2ma note␛[0m\x1b[0m\n");
    }

    #[test]
    fn a_pipe_gets_text_alone() {
        let paper = Paper::default();
        let mut screen = paper.screen(false);
        screen.show_status("thinking…").unwrap();
        screen.write_piece(Style::Dim, "hm").unwrap();
        screen.write_line(Style::Red, "wrong").unwrap();
        screen.end_line().unwrap();
        assert_eq!(paper.text(), "hm\nwrong\n");
    }
}
