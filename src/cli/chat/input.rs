//! The user's input: a line editor with completion at a terminal, lines of a pipe, and what is typed during an answer.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Display;
use std::fs::DirBuilder;
use std::io::{self, BufRead, IsTerminal};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext,
    EventHandler, Helper, KeyCode, KeyEvent, Modifiers, Movement, RepeatCount,
};
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::view::AnswerView;
use crate::assistant::command::{ArgumentKind, COMMANDS, Command, CommandSpec, Input, parse_input};
use crate::assistant::turn::TurnEvent;
use crate::cli::command::CommandError;
use crate::cli::output::AnswerWriter;

/// Where inputs come from, and inputs that wait.
pub(super) struct ChatInput {
    /// Standard input and output are terminals; else lines are read from a pipe.
    pub(super) is_terminal: bool,
    /// Of a terminal; `None` while it reads on another thread.
    editor: Option<Box<LineEditor>>,
    /// What was typed at the terminal during an answer, without a line end.
    unfinished_line: String,
    /// Ctrl-C outside the line editor.
    interrupts: Signal,
    /// Lines that were typed during an answer.
    pub(super) queued_lines: VecDeque<String>,
    /// No further input follows.
    pub(super) has_quit: bool,
}

/// The result of a prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    Line(String),
    /// Ctrl-C on an empty line.
    Interrupted,
    /// Ctrl-D, or the end of a pipe.
    EndOfInput,
}

impl ChatInput {
    /// Standard input, with a line editor if both ends are terminals. A history that cannot be read is returned as text.
    pub(super) fn new(state: &Path, writer: &AnswerWriter) -> Result<(Self, Option<String>), CommandError> {
        let is_terminal = writer.is_terminal && io::stdin().is_terminal();
        let (editor, history_error) = if is_terminal {
            let (editor, error) = LineEditor::new(state, writer.use_colour).map_err(input_error)?;
            (Some(Box::new(editor)), error)
        } else {
            (None, None)
        };
        let interrupts = signal(SignalKind::interrupt()).map_err(|error| {
            CommandError::failure("signal_error", format!("cannot catch Ctrl-C: {error}"))
        })?;
        let (unfinished_line, queued_lines) = (String::new(), VecDeque::new());
        let input = Self { is_terminal, editor, unfinished_line, interrupts, queued_lines, has_quit: false };
        Ok((input, history_error))
    }

    pub(super) async fn interrupted(&mut self) {
        self.interrupts.recv().await;
    }

    /// A Ctrl-C after the last answer does not stop the next one.
    pub(super) fn discard_interrupts(&mut self) {
        while self.interrupts.recv().now_or_never().is_some() {}
    }

    pub(super) async fn next_line(
        &mut self,
        prompt: String,
        helper: ChatHelper,
    ) -> Result<ReadOutcome, CommandError> {
        if !self.is_terminal {
            let line = tokio::task::spawn_blocking(read_pipe_line);
            return tokio::select! {
                line = line => line.map_err(io::Error::other).flatten().map_err(input_error),
                _ = self.interrupts.recv() => Ok(ReadOutcome::EndOfInput),
            };
        }
        let Some(mut taken) = self.editor.take() else { return Ok(ReadOutcome::EndOfInput) };
        let initial = std::mem::take(&mut self.unfinished_line);
        let read = tokio::task::spawn_blocking(move || {
            taken.editor.set_helper(Some(helper));
            let outcome = taken.read_line(&prompt, &initial);
            (taken, outcome)
        });
        let (taken, outcome) = read.await.map_err(input_error)?;
        self.editor = Some(taken);
        outcome.map_err(input_error)
    }

    /// Waits for the end of `work` and shows its events. Ctrl-C, `/stop` and a closed output stop it; other lines are
    /// queued.
    pub(super) async fn watch<T>(
        &mut self,
        work: impl Future<Output = T>,
        stop: &CancellationToken,
        mut events: mpsc::UnboundedReceiver<TurnEvent>,
        view: &mut AnswerView<'_>,
    ) -> (T, io::Result<()>) {
        let mut typed = TerminalInput::open(self.is_terminal);
        let mut work = pin!(work);
        let mut written = Ok(());
        let done = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => written = written.and_then(|()| view.show_event(&event)),
                done = &mut work => break done,
                _ = self.interrupts.recv() => stop.cancel(),
                input = typed.next_line(), if !self.has_quit => {
                    view.record_typed_line();
                    match input {
                        None => self.has_quit = true,
                        Some(line) if parse_input(&line) == Ok(Input::Command(Command::Stop)) => stop.cancel(),
                        Some(line) if line.trim().is_empty() => {}
                        Some(line) => self.queued_lines.push_back(line),
                    }
                }
            }
            if written.is_err() {
                stop.cancel();
            }
        };
        while let Ok(event) = events.try_recv() {
            written = written.and_then(|()| view.show_event(&event));
        }
        self.unfinished_line.push_str(&String::from_utf8_lossy(&typed.buffer));
        (done, written)
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

fn input_error(error: impl Display) -> CommandError {
    CommandError::failure("input_error", format!("cannot read the input: {error}"))
}

/// Reads the terminal during an answer. It is opened a second time, so that reading never blocks and changes nothing
/// for others; the terminal itself edits and echoes the lines.
struct TerminalInput {
    /// `None` without a terminal, and where the system cannot poll one (macOS): the next prompt reads the lines then.
    terminal: Option<pipe::Receiver>,
    buffer: Vec<u8>,
}

impl TerminalInput {
    fn open(is_terminal: bool) -> Self {
        // tokio reads a terminal like a pipe if its check is off.
        let open = || pipe::OpenOptions::new().unchecked(true).open_receiver("/dev/tty").ok();
        Self { terminal: is_terminal.then(open).flatten(), buffer: Vec::new() }
    }

    /// The next line, or `None` for Ctrl-D. Cancellation loses nothing.
    async fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned());
            }
            let Some(terminal) = &self.terminal else { return std::future::pending().await };
            let mut bytes = [0; 4096];
            let read = match terminal.readable().await {
                Ok(()) => terminal.try_read(&mut bytes),
                Err(error) => Err(error),
            };
            match read {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend(bytes.iter().take(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.terminal = None,
            }
        }
    }
}

struct LineEditor {
    editor: Editor<ChatHelper, FileHistory>,
    history: Option<PathBuf>,
    /// Whether a backslash before Enter continued the line; see [`ContinueLine`].
    is_continued: Arc<AtomicBool>,
}

impl LineEditor {
    /// A history that cannot be read is returned as text and not changed.
    fn new(state: &Path, use_colour: bool) -> Result<(Self, Option<String>), ReadlineError> {
        const MAX_HISTORY_LINES: usize = 1000;
        let config = Config::builder()
            .max_history_size(MAX_HISTORY_LINES)?
            .history_ignore_dups(true)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .bracketed_paste(true)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_color_mode(if use_colour { ColorMode::Enabled } else { ColorMode::Disabled });
        editor.set_helper(Some(ChatHelper::default()));
        let is_continued = Arc::<AtomicBool>::default();
        let on_enter = EventHandler::Conditional(Box::new(ContinueLine(is_continued.clone())));
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::NONE), on_enter);
        editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearLine)));
        let mut editor = Self { editor, history: None, is_continued };
        let error = editor.load_history(state).err();
        Ok((editor, error))
    }

    fn load_history(&mut self, state: &Path) -> Result<(), String> {
        let path = state.join("chat_history");
        let failed = |error: &dyn Display| format!("no history: {}: {error}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(|error| failed(&error))?;
        if path.exists() {
            self.editor.load_history(&path).map_err(|error| failed(&error))?;
        }
        self.history = Some(path);
        Ok(())
    }

    /// Reads one input, which may have several lines. Blocks.
    fn read_line(&mut self, prompt: &str, initial: &str) -> Result<ReadOutcome, ReadlineError> {
        let mut line = match self.editor.readline_with_initial(prompt, (initial, "")) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {
                return Ok(ReadOutcome::Interrupted);
            }
            Err(ReadlineError::Eof) => return Ok(ReadOutcome::EndOfInput),
            Err(error) => return Err(error),
        };
        // Pasted lines that end with a backslash keep it.
        if self.is_continued.swap(false, Ordering::Relaxed) {
            line = line.replace("\\\n", "\n");
        }
        self.editor.add_history_entry(&line)?;
        // At once, because a terminal may be closed at any time.
        if let Some(path) = &self.history
            && self.editor.append_history(path).is_err()
        {
            self.history = None;
        }
        Ok(ReadOutcome::Line(line))
    }
}

/// A backslash before Enter continues the line, as in a shell.
struct ContinueLine(Arc<AtomicBool>);

impl ConditionalEventHandler for ContinueLine {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let line = context.line();
        let is_continued = context.pos() == line.len() && line.ends_with('\\');
        is_continued.then(|| {
            self.0.store(true, Ordering::Relaxed);
            Cmd::Newline
        })
    }
}

/// The first Ctrl-C clears the line.
struct ClearLine;

impl ConditionalEventHandler for ClearLine {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        (!context.line().is_empty()).then_some(Cmd::Kill(Movement::WholeBuffer))
    }
}

/// Completion and hints.
#[derive(Default)]
pub(super) struct ChatHelper {
    /// Names of models.
    pub(super) models: Vec<String>,
    /// Thinking levels of the requested model.
    pub(super) levels: Vec<&'static str>,
}

/// Dimmed text after the cursor.
pub(super) struct InlineHint {
    pub(super) text: String,
    /// How much of it the right arrow accepts, in bytes.
    pub(super) accepted_len: usize,
}

impl rustyline::hint::Hint for InlineHint {
    fn display(&self) -> &str {
        &self.text
    }

    fn completion(&self) -> Option<&str> {
        self.text.get(..self.accepted_len).filter(|text| !text.is_empty())
    }
}

impl ChatHelper {
    /// The start of the word before the cursor, and its completions.
    pub(super) fn candidates(&self, before: &str) -> (usize, Vec<String>) {
        let Some(command) = before.strip_prefix('/').filter(|command| !command.starts_with('/')) else {
            return (0, Vec::new());
        };
        let Some((name, argument)) = command.split_once(char::is_whitespace) else {
            let rows = COMMANDS.iter().filter(|row| starts_with_ignore_case(row.name, command));
            let gap = |row: &CommandSpec| if row.argument == ArgumentKind::NoArgument { "" } else { " " };
            return (0, rows.map(|row| format!("/{}{}", row.name, gap(row))).collect());
        };
        let word = argument.trim_start();
        let Some(row) = CommandSpec::find(name).filter(|_| !word.contains(char::is_whitespace)) else {
            return (0, Vec::new());
        };
        let choices = |words: &[&'static str]| {
            let words = words.iter().filter(|known| starts_with_ignore_case(known, word));
            words.map(ToString::to_string).collect()
        };
        let found: Vec<String> = match row.argument {
            ArgumentKind::NoArgument => Vec::new(),
            ArgumentKind::Model => {
                let matches = |known: &&String| {
                    starts_with_ignore_case(known, word)
                        || known.split('/').any(|part| starts_with_ignore_case(part, word))
                };
                self.models.iter().filter(matches).cloned().collect()
            }
            ArgumentKind::ThinkingLevel => choices(&self.levels),
            ArgumentKind::Choice(words) => choices(words),
        };
        (before.len() - word.len(), found)
    }

    /// The rest of a command's name, then its arguments and effect.
    pub(super) fn hint_for(typed: &str) -> Option<InlineHint> {
        let command = typed.strip_prefix('/').filter(|command| !command.is_empty())?;
        if let Some(name) = command.strip_suffix(' ') {
            let row = CommandSpec::find(name)?;
            return Some(InlineHint { text: row.arguments.to_owned(), accepted_len: 0 });
        }
        // If several commands match, Tab lists them, and a hint would obstruct the list.
        let mut rows = COMMANDS.iter().filter(|row| starts_with_ignore_case(row.name, command));
        let (Some(row), None) = (rows.next(), rows.next()) else { return None };
        let rest = row.name.get(command.len()..).unwrap_or_default();
        let arguments = row.usage_line().split_once(' ').map(|(_, arguments)| format!(" {arguments}"));
        let text = format!("{rest}{}  {}", arguments.unwrap_or_default(), row.help);
        Some(InlineHint { accepted_len: rest.len(), text })
    }
}

fn starts_with_ignore_case(known: &str, typed: &str) -> bool {
    known.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed))
}

impl Completer for ChatHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Self::Candidate>)> {
        Ok(self.candidates(line.get(..at).unwrap_or(line)))
    }
}

impl Hinter for ChatHelper {
    type Hint = InlineHint;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<InlineHint> {
        if at == line.len() { Self::hint_for(line) } else { None }
    }
}

impl Highlighter for ChatHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        if default { Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m")) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[2m{hint}\x1b[0m"))
    }
}

impl Validator for ChatHelper {}

impl Helper for ChatHelper {}
