//! What is typed while an answer comes: lines of a terminal that edits and echoes them itself.

use tokio::net::unix::pipe;

/// The terminal of the process, opened a second time so that reading it never blocks and changes nothing for others.
pub(super) struct TerminalInput {
    /// `None` where the system cannot wait for a terminal (macOS): what is typed is read at the next prompt then.
    terminal: Option<pipe::Receiver>,
    buffer: Vec<u8>,
}

/// One line, or the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TypedInput {
    /// A line.
    Line(String),
    /// Ctrl-D.
    EndOfInput,
}

impl TerminalInput {
    /// Begins to read.
    pub(super) fn new() -> Self {
        // It is a terminal, not a pipe; tokio reads it as a pipe if the check is off.
        let terminal = pipe::OpenOptions::new().unchecked(true).open_receiver("/dev/tty").ok();
        Self { terminal, buffer: Vec::new() }
    }

    /// The next line. Nothing is lost when this is dropped.
    pub(super) async fn next_input(&mut self) -> TypedInput {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return TypedInput::Line(line.trim_end_matches(['\n', '\r']).to_owned());
            }
            let Some(terminal) = &self.terminal else { return std::future::pending().await };
            let mut bytes = [0; 4096];
            let got = match terminal.readable().await {
                Ok(()) => terminal.try_read(&mut bytes),
                Err(error) => Err(error),
            };
            match got {
                Ok(0) => return TypedInput::EndOfInput,
                Ok(count) => self.buffer.extend(bytes.iter().take(count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => self.terminal = None,
            }
        }
    }

    /// What was begun and not ended.
    pub(super) fn into_unfinished_line(self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}
