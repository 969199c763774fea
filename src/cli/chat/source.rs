//! Where lines come from: a person at a terminal, or a pipe.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use tokio::signal::unix::Signal;

use super::assist::Assist;
use super::prompt::{Done, Prompt};
use super::typed::Typed;
use crate::cli::exit::Ending;

/// See the module.
pub(super) enum Source {
    /// With an editor; away while it reads.
    Terminal {
        /// The editor.
        prompt: Option<Box<Prompt>>,
        /// What was begun before it is read on.
        begun: String,
    },
    /// One line after another, without questions.
    Pipe,
}

impl Source {
    /// Standard input; an editor where both ends are a terminal that can do it. With what is wrong with its history.
    pub(super) fn of(state: &Path, fits: bool, colours: bool) -> Result<(Self, Option<String>), Ending> {
        if !fits || !io::stdin().is_terminal() {
            return Ok((Self::Pipe, None));
        }
        let (prompt, trouble) = Prompt::new(state, colours).map_err(|error| unusable(&error))?;
        Ok((Self::Terminal { prompt: Some(Box::new(prompt)), begun: String::new() }, trouble))
    }

    /// Whether somebody types.
    pub(super) const fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// The next line.
    pub(super) async fn next(
        &mut self,
        shown: String,
        assist: Assist,
        interrupts: &mut Signal,
    ) -> Result<Done, Ending> {
        let Self::Terminal { prompt, begun } = self else {
            let line = tokio::task::spawn_blocking(line);
            return tokio::select! {
                line = line => line.map_err(io::Error::other).flatten().map_err(|error| unusable(&error)),
                _ = interrupts.recv() => Ok(Done::Left),
            };
        };
        let Some(mut editor) = prompt.take() else { return Ok(Done::Left) };
        let begun = std::mem::take(begun);
        let read = tokio::task::spawn_blocking(move || {
            editor.assist(assist);
            let done = editor.read(&shown, &begun);
            (editor, done)
        });
        let (editor, done) = read.await.map_err(|error| unusable(&error))?;
        *prompt = Some(editor);
        done.map_err(|error| unusable(&error))
    }

    /// What is typed beside an answer; `None` where nobody types.
    pub(super) fn beside(&self) -> Option<Typed> {
        self.is_terminal().then(Typed::new)
    }

    /// What was begun beside an answer, for the next prompt.
    pub(super) fn go_on(&mut self, typed: Option<Typed>) {
        if let (Self::Terminal { begun, .. }, Some(typed)) = (self, typed) {
            begun.push_str(&typed.rest());
        }
    }
}

fn line() -> io::Result<Done> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(Done::Left);
    }
    Ok(Done::Line(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned()))
}

fn unusable(error: &dyn std::fmt::Display) -> Ending {
    Ending::failure("input_error", format!("cannot read what is typed: {error}"))
}
