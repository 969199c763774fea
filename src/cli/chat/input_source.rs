//! Where lines come from: a person at a terminal, or a pipe.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use tokio::signal::unix::Signal;

use super::completion::ChatHelper;
use super::line_editor::{LineEditor, ReadOutcome};
use super::terminal_input::TerminalInput;
use crate::cli::exit::CommandError;

/// See the module.
pub(super) enum InputSource {
    /// With an editor; away while it reads.
    Terminal {
        /// The editor.
        prompt: Option<Box<LineEditor>>,
        /// What was begun before it is read on.
        unfinished_line: String,
    },
    /// One line after another, without questions.
    Pipe,
}

impl InputSource {
    /// Standard input; an editor where both ends are a terminal that can do it. With what is wrong with its history.
    pub(super) fn new(
        state: &Path,
        fits: bool,
        colours: bool,
    ) -> Result<(Self, Option<String>), CommandError> {
        if !fits || !io::stdin().is_terminal() {
            return Ok((Self::Pipe, None));
        }
        let (prompt, trouble) = LineEditor::new(state, colours).map_err(|error| terminal_error(&error))?;
        Ok((Self::Terminal { prompt: Some(Box::new(prompt)), unfinished_line: String::new() }, trouble))
    }

    /// Whether the input is interactive.
    pub(super) const fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// The next line.
    pub(super) async fn next_line(
        &mut self,
        shown: String,
        assist: ChatHelper,
        interrupts: &mut Signal,
    ) -> Result<ReadOutcome, CommandError> {
        let Self::Terminal { prompt, unfinished_line: begun } = self else {
            let line = tokio::task::spawn_blocking(read_pipe_line);
            return tokio::select! {
                line = line => line.map_err(io::Error::other).flatten().map_err(|error| terminal_error(&error)),
                _ = interrupts.recv() => Ok(ReadOutcome::EndOfInput),
            };
        };
        let Some(mut editor) = prompt.take() else { return Ok(ReadOutcome::EndOfInput) };
        let begun = std::mem::take(begun);
        let read = tokio::task::spawn_blocking(move || {
            editor.set_helper(assist);
            let done = editor.read_line(&shown, &begun);
            (editor, done)
        });
        let (editor, done) = read.await.map_err(|error| terminal_error(&error))?;
        *prompt = Some(editor);
        done.map_err(|error| terminal_error(&error))
    }

    /// Input typed during an answer; `None` if the input is not interactive.
    pub(super) fn open_terminal_input(&self) -> Option<TerminalInput> {
        self.is_terminal().then(TerminalInput::new)
    }

    /// What was begun beside an answer, for the next prompt.
    pub(super) fn resume(&mut self, typed: Option<TerminalInput>) {
        if let (Self::Terminal { unfinished_line: begun, .. }, Some(typed)) = (self, typed) {
            begun.push_str(&typed.into_unfinished_line());
        }
    }
}

fn read_pipe_line() -> io::Result<ReadOutcome> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(ReadOutcome::EndOfInput);
    }
    Ok(ReadOutcome::Line(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned()))
}

fn terminal_error(error: &dyn std::fmt::Display) -> CommandError {
    CommandError::failure("input_error", format!("cannot read what is typed: {error}"))
}
