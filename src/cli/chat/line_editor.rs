//! The line editor, and what was typed before.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor};

use super::completion::ChatHelper;
use super::key_bindings;

/// Lines that are kept.
const MAX_HISTORY_LINES: usize = 1000;

/// What the person did at the prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// They typed this.
    Line(String),
    /// Ctrl-C, with nothing typed.
    Interrupted,
    /// Ctrl-D.
    EndOfInput,
}

/// See the module.
pub(super) struct LineEditor {
    editor: Editor<ChatHelper, FileHistory>,
    history: Option<PathBuf>,
    /// See [`keys::bindings`].
    is_continued: Arc<AtomicBool>,
}

impl LineEditor {
    /// With the history of a state directory, if there is one. A history that cannot be read is reported and
    /// left unchanged.
    pub(super) fn new(state: &Path, colours: bool) -> Result<(Self, Option<String>), ReadlineError> {
        let config = Config::builder()
            .max_history_size(MAX_HISTORY_LINES)?
            .history_ignore_dups(true)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .bracketed_paste(true)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_color_mode(if colours { ColorMode::Enabled } else { ColorMode::Disabled });
        editor.set_helper(Some(ChatHelper::default()));
        let continued = Arc::default();
        for (event, handler) in key_bindings::key_bindings(&continued) {
            editor.bind_sequence(event, handler);
        }
        let mut prompt = Self { editor, history: None, is_continued: continued };
        let trouble = prompt.load_history(state).err();
        Ok((prompt, trouble))
    }

    fn load_history(&mut self, state: &Path) -> Result<(), String> {
        let path = state.join("chat_history");
        let untold = |error: &dyn std::fmt::Display| format!("no history: {}: {error}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(|error| untold(&error))?;
        if path.exists() {
            self.editor.load_history(&path).map_err(|error| untold(&error))?;
        }
        self.history = Some(path);
        Ok(())
    }

    /// What can be completed from now on.
    pub(super) fn set_helper(&mut self, assist: ChatHelper) {
        self.editor.set_helper(Some(assist));
    }

    /// Reads one line, or several. Blocks until the user is done; `begun` is the initial text.
    pub(super) fn read_line(&mut self, prompt: &str, begun: &str) -> Result<ReadOutcome, ReadlineError> {
        match self.editor.readline_with_initial(prompt, (begun, "")) {
            Ok(line) => {
                let line = key_bindings::strip_continuations(line, &self.is_continued);
                self.add_to_history(&line)?;
                Ok(ReadOutcome::Line(line))
            }
            // A signal from elsewhere counts as the key.
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Ok(ReadOutcome::Interrupted),
            Err(ReadlineError::Eof) => Ok(ReadOutcome::EndOfInput),
            Err(error) => Err(error),
        }
    }

    fn add_to_history(&mut self, line: &str) -> Result<(), ReadlineError> {
        self.editor.add_history_entry(line)?;
        // At once, as a terminal may be closed at any time.
        if let Some(path) = &self.history
            && self.editor.append_history(path).is_err()
        {
            self.history = None;
        }
        Ok(())
    }
}
