//! What is typed while an answer comes: lines of a terminal that edits and echoes them itself.

use tokio::net::unix::pipe;

/// The terminal of the process, opened a second time so that reading it never blocks and changes nothing for others.
pub(super) struct Typed {
    /// `None` where the system cannot wait for a terminal (macOS): what is typed is read at the next prompt then.
    terminal: Option<pipe::Receiver>,
    read: Vec<u8>,
}

/// One line, or the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A line.
    Line(String),
    /// Ctrl-D.
    Left,
}

impl Typed {
    /// Begins to read.
    pub(super) fn new() -> Self {
        // It is no pipe; tokio reads it as one when it is not asked to look.
        let terminal = pipe::OpenOptions::new().unchecked(true).open_receiver("/dev/tty").ok();
        Self { terminal, read: Vec::new() }
    }

    /// The next line. Nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) -> Input {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return Input::Line(line.trim_end_matches(['\n', '\r']).to_owned());
            }
            let Some(terminal) = &self.terminal else { return std::future::pending().await };
            let mut bytes = [0; 4096];
            let got = match terminal.readable().await {
                Ok(()) => terminal.try_read(&mut bytes),
                Err(error) => Err(error),
            };
            match got {
                Ok(0) => return Input::Left,
                Ok(count) => self.read.extend(bytes.iter().take(count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => self.terminal = None,
            }
        }
    }

    /// What was begun and not ended.
    pub(super) fn rest(self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}
