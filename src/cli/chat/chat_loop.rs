//! A conversation: lines in, answers and replies out, until the person leaves.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::signal::unix::Signal;

use super::completion::ChatHelper;
use super::fallback_notices::FallbackNotices;
use super::gateway_context::GatewayContext;
use super::input_source::InputSource;
use super::line_editor::ReadOutcome;
use super::model_names;
use super::terminal::{ChatTerminal, Style};
use crate::assistant::command::{self, COMMANDS, Command, Input, ReasoningDisplay, UsageFooter};
use crate::assistant::session::{Session, SessionError, SessionStore};
use crate::assistant::thinking::ThinkingLevels;
use crate::assistant::turn::Agent;
use crate::catalog::ThinkingLevel;
use crate::cli::agent::terminal_text::sanitize;
use crate::cli::exit::CommandError;
use crate::config::settings::{Chain, Reference, Settings};

/// Of a prompt: the model's name, cut.
const MAX_PROMPT_CHARS: usize = 24;

/// See the module.
pub(super) struct Chat {
    pub(super) gateway_context: GatewayContext,
    pub(super) settings: Arc<Settings>,
    pub(super) agent: Agent,
    pub(super) sessions: SessionStore,
    /// The session's id.
    pub(super) id: String,
    /// What the session has chosen.
    pub(super) model: Option<Reference>,
    pub(super) thinking: Option<ThinkingLevel>,
    pub(super) reasoning: ReasoningDisplay,
    pub(super) footer: UsageFooter,
    pub(super) notices: FallbackNotices,
    pub(super) screen: ChatTerminal,
    pub(super) interrupts: Signal,
    /// Lines that were typed beside an answer.
    pub(super) queued_lines: VecDeque<String>,
    pub(super) has_quit: bool,
    /// Some turn failed.
    pub(super) has_failed: bool,
}

impl Chat {
    /// Until the end. Exit 1 where a turn failed.
    pub(super) async fn run(mut self, mut source: InputSource) -> Result<(), CommandError> {
        if source.is_terminal() {
            let hint = format!("session {} · /help lists the commands, Ctrl-D leaves", self.id);
            self.print_note(&hint)?;
        }
        while let Some(line) = self.next_line(&mut source).await? {
            // A Ctrl-C that came after the last answer was not meant for the next one.
            while self.interrupts.recv().now_or_never().is_some() {}
            match command::parse_input(&line) {
                Ok(Input::Empty) => {}
                Ok(Input::Message(message)) => Box::pin(self.answer(message, &mut source)).await?,
                Ok(Input::Command(Command::Quit)) => break,
                Ok(Input::Command(command)) => Box::pin(self.execute_command(command, &mut source)).await?,
                Err(wrong) => self.print_error(&wrong.0, &source)?,
            }
        }
        if self.has_failed { Err(CommandError::silent()) } else { Ok(()) }
    }

    /// What comes next; `None`: nothing.
    async fn next_line(&mut self, source: &mut InputSource) -> Result<Option<String>, CommandError> {
        loop {
            let prompt = self.prompt_text();
            if let Some(line) = self.queued_lines.pop_front() {
                self.print_reply(&format!("{prompt}{line}"))?;
                return Ok(Some(line));
            }
            if self.has_quit {
                return Ok(None);
            }
            self.screen.end_line().map_err(CommandError::from_output_error)?;
            let assist = self.completion_helper();
            match source.next_line(prompt, assist, &mut self.interrupts).await? {
                ReadOutcome::Line(line) => return Ok(Some(line)),
                ReadOutcome::Interrupted => self.print_note("Ctrl-D or /quit leaves")?,
                ReadOutcome::EndOfInput => return Ok(None),
            }
        }
    }

    /// `kimi> `.
    fn prompt_text(&self) -> String {
        let chain = self.active_chain();
        let name = chain.references.first().map(|first| model_names::short_name(&self.settings, first));
        let name: String = sanitize(&name.unwrap_or_default()).chars().take(MAX_PROMPT_CHARS).collect();
        format!("{name}> ")
    }

    fn completion_helper(&self) -> ChatHelper {
        let levels = self.thinking_levels().map_or(&[][..], |levels| levels.names());
        let levels = levels.iter().chain(&["default"]).map(ToString::to_string).collect();
        ChatHelper { models: model_names::model_names(&self.settings), levels }
    }

    async fn execute_command(
        &mut self,
        command: Command,
        source: &mut InputSource,
    ) -> Result<(), CommandError> {
        let done = match command {
            Command::Model(None) => self.show_model()?,
            Command::Model(Some(name)) => self.set_model(&name).await?,
            Command::Models => self.list_models()?,
            Command::Thinking(None) => self.show_thinking()?,
            Command::Thinking(Some(level)) => self.set_thinking(&level).await?,
            Command::Reasoning(wanted) => self.set_reasoning(wanted)?,
            Command::Usage(wanted) => self.set_usage(wanted).await?,
            Command::Status => self.show_status().await?,
            Command::New(model) => self.start_session(model.as_deref()).await?,
            Command::Reset => self.reset_session().await?,
            Command::Compact => self.compact_session(source).await?,
            Command::Stop => Ok(self.print_reply("Nothing to stop.")?),
            Command::Help => Ok(self.show_help()?),
            Command::Quit => Ok(()),
        };
        done.or_else(|why: String| self.print_error(&why, source))
    }

    fn show_help(&mut self) -> Result<(), CommandError> {
        let width = COMMANDS.iter().map(|row| row.usage_line().len()).max().unwrap_or_default();
        let rows = COMMANDS.iter().map(|row| format!("{:<width$}  {}", row.usage_line(), row.help));
        let mut lines: Vec<String> = rows.collect();
        lines.push(String::new());
        lines.push(
            "Alt-Enter, or a backslash before Enter, begins another line; //text sends /text.".to_owned(),
        );
        self.print_reply(&lines.join("\n"))
    }

    /// The targets in the order in which they are tried; empty if only the gateway knows them.
    pub(super) fn active_chain(&self) -> Chain {
        match &self.model {
            Some(model) => self.settings.chain_from(model),
            None => self.settings.default_chain.clone(),
        }
    }

    /// The thinking levels of the requested model.
    pub(super) fn thinking_levels(&self) -> Option<ThinkingLevels> {
        let chain = self.active_chain();
        chain.references.first().map(|first| ThinkingLevels::for_reference(&self.settings, first))
    }

    /// Holds the session.
    pub(super) async fn lock_session(&mut self) -> Result<Session, SessionError> {
        let screen = &mut self.screen;
        let waiting = || {
            // Waiting works even if the status cannot be displayed.
            let _ = screen.show_status("another turn of this session is under way; waiting…");
        };
        tokio::select! {
            session = self.sessions.lock(&self.id, waiting) => session,
            _ = self.interrupts.recv() => Err(SessionError("another turn holds the session".to_owned())),
        }
    }

    /// A reply.
    pub(super) fn print_reply(&mut self, text: &str) -> Result<(), CommandError> {
        self.screen.write_line(Style::Plain, text).map_err(CommandError::from_output_error)
    }

    /// Something beside the matter.
    pub(super) fn print_note(&mut self, text: &str) -> Result<(), CommandError> {
        self.screen.write_line(Style::Dim, text).map_err(CommandError::from_output_error)
    }

    /// What did not work. Scripts find it on standard error, and in the exit code.
    pub(super) fn print_error(&mut self, text: &str, source: &InputSource) -> Result<(), CommandError> {
        if source.is_terminal() {
            return self.screen.write_line(Style::Red, text).map_err(CommandError::from_output_error);
        }
        self.has_failed = true;
        self.screen.end_line().map_err(CommandError::from_output_error)?;
        // A closed stream cannot report its own error.
        let _ = writeln!(std::io::stderr(), "moonrelay: {}", sanitize(text));
        Ok(())
    }
}
