//! `moonrelay chat`: a conversation at a terminal, or with prompts from a pipe.

mod commands;
mod input;
#[cfg(test)]
mod tests;
mod text;
mod view;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use self::input::{ChatHelper, ChatInput, ReadOutcome};
use self::text::{FallbackNotices, model_names, render_footer, short_name};
use self::view::AnswerView;
use super::agent::backend::new_agent;
use super::agent::parse_thinking_level;
use super::command::{self, CommandContext, CommandError};
use super::output::{AnswerWriter, Colour, sanitize};
use crate::assistant::command::{Command, Input, ReasoningDisplay, UsageFooter, parse_input};
use crate::assistant::session::{self, Session, SessionError, SessionStore, is_id};
use crate::assistant::thinking::{self, ThinkingLevels};
use crate::assistant::transcript::StopReason;
use crate::assistant::turn::{Agent, TurnEvent, TurnRequest};
use crate::catalog::ThinkingLevel;
use crate::config::Environment;
use crate::config::settings::{Reference, Settings};
use crate::upstream::gateway_client::GatewayAddress;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Session to continue or create; without this a new one
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Model for the session: a reference, an alias or a route, as with /model NAME
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Reasoning effort for the session, as with /think LEVEL
    #[arg(long, value_name = "LEVEL")]
    thinking: Option<String>,
    /// Call the providers from this process; needs no gateway
    #[arg(long)]
    local: bool,
    /// Enable web search (default if configured)
    #[arg(long)]
    web_search: bool,
    /// Configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> ExitCode {
    command::run(args.config.clone(), false, async |context| run_chat(args, context).await).await
}

async fn run_chat(args: Args, context: &CommandContext<'_>) -> Result<(), CommandError> {
    args.thinking.as_deref().filter(|word| *word != "default").map(parse_thinking_level).transpose()?;
    let settings = Arc::new(context.load_settings()?);
    let state = context.state_directory("sessions")?;
    let (agent, usage) = new_agent(&settings, &state, args.local, args.web_search)?;
    let writer = AnswerWriter::from_environment(&context.environment);
    let (input, history_error) = ChatInput::new(&state, &writer)?;
    let mut chat = Chat {
        agent,
        environment: context.environment.clone(),
        gateway: (!args.local)
            .then(|| GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port)),
        settings,
        sessions: SessionStore::new(&state),
        id: args.session_id.unwrap_or_else(session::new_id),
        model: None,
        thinking: None,
        reasoning: ReasoningDisplay::default(),
        footer: UsageFooter::default(),
        notices: FallbackNotices::default(),
        writer,
        input,
        has_failed: false,
    };
    if let Some(error) = history_error {
        chat.print_note(&error).map_err(CommandError::from_output_error)?;
    }
    let outcome = match chat.apply_options(args.model.as_deref(), args.thinking.as_deref()).await {
        Ok(()) => Box::pin(chat.run()).await,
        Err(error) => Err(error),
    };
    if let Some(usage) = usage {
        usage.finish().await;
    }
    outcome.map_err(|error| match error {
        ChatError::Fatal(error) => error,
        ChatError::Rejected(why) => CommandError::failure("invalid_choice", why),
    })
}

/// Why an input was not executed.
enum ChatError {
    /// The chat ends.
    Fatal(CommandError),
    /// The user sees the message, and the chat continues.
    Rejected(String),
}

impl From<CommandError> for ChatError {
    fn from(error: CommandError) -> Self {
        Self::Fatal(error)
    }
}

/// Standard output failed.
impl From<io::Error> for ChatError {
    fn from(error: io::Error) -> Self {
        Self::Fatal(CommandError::from_output_error(error))
    }
}

impl From<SessionError> for ChatError {
    fn from(error: SessionError) -> Self {
        Self::Rejected(error.to_string())
    }
}

/// A running chat.
struct Chat {
    environment: Environment,
    /// `None` if the providers are called from this process.
    gateway: Option<GatewayAddress>,
    settings: Arc<Settings>,
    agent: Agent,
    sessions: SessionStore,
    id: String,
    /// The model and the thinking level that the session has chosen.
    model: Option<Reference>,
    thinking: Option<ThinkingLevel>,
    reasoning: ReasoningDisplay,
    footer: UsageFooter,
    notices: FallbackNotices,
    writer: AnswerWriter,
    input: ChatInput,
    /// Whether a turn failed.
    has_failed: bool,
}

impl Chat {
    /// Reads the session's settings and applies those of the command line.
    async fn apply_options(&mut self, model: Option<&str>, thinking: Option<&str>) -> Result<(), ChatError> {
        if !is_id(&self.id) {
            let why = format!("--session-id {}: an id has letters, digits, dots, _ and -", self.id);
            return Err(CommandError::usage(why).into());
        }
        let session = self.lock_session().await.map_err(CommandError::from)?;
        self.load_session_choices(&session);
        drop(session);
        if let Some(name) = model {
            self.set_model(name).await?;
        }
        if let Some(word) = thinking {
            self.set_thinking(word).await?;
        }
        Ok(())
    }

    /// Reads and executes inputs. Exit 1 if a turn failed.
    async fn run(mut self) -> Result<(), ChatError> {
        if self.input.is_terminal {
            self.print_note(&format!("session {} · /help lists the commands, Ctrl-D leaves", self.id))?;
        }
        while let Some(line) = self.next_line().await? {
            self.input.discard_interrupts();
            let outcome = match parse_input(&line) {
                Ok(Input::Empty) => Ok(()),
                Ok(Input::Message(message)) => {
                    let outcome = Box::pin(self.answer(message)).await;
                    self.has_failed |= outcome.is_err();
                    outcome
                }
                Ok(Input::Command(Command::Quit)) => break,
                Ok(Input::Command(command)) => Box::pin(self.execute_command(command)).await,
                Err(wrong) => Err(ChatError::Rejected(wrong.0)),
            };
            match outcome {
                Err(ChatError::Rejected(why)) => self.print_error(&why)?,
                outcome => outcome?,
            }
        }
        if self.has_failed { Err(CommandError::silent().into()) } else { Ok(()) }
    }

    /// The next input; `None` at the end.
    async fn next_line(&mut self) -> Result<Option<String>, ChatError> {
        /// The model's name in the prompt is cut here.
        const MAX_NAME: usize = 24;
        loop {
            let name = self.requested_model().map(|model| short_name(&self.settings, &model));
            let name: String = sanitize(&name.unwrap_or_default()).chars().take(MAX_NAME).collect();
            let prompt = format!("{name}> ");
            if let Some(line) = self.input.queued_lines.pop_front() {
                self.print_reply(&format!("{prompt}{line}"))?;
                return Ok(Some(line));
            }
            if self.input.has_quit {
                return Ok(None);
            }
            self.writer.end_line()?;
            let levels = self.thinking_levels().map_or(&[][..], |levels| levels.names());
            let models = model_names(&self.settings);
            let helper = ChatHelper { models, levels: [levels, &["default"]].concat() };
            match self.input.next_line(prompt, helper).await? {
                ReadOutcome::Line(line) => return Ok(Some(line)),
                ReadOutcome::Interrupted => self.print_note("Ctrl-D or /quit leaves")?,
                ReadOutcome::EndOfInput => return Ok(None),
            }
        }
    }

    /// Sends the message, displays the answer as it arrives, then notes on it.
    async fn answer(&mut self, message: String) -> Result<(), ChatError> {
        let mut session = self.lock_session().await?;
        let request = TurnRequest { message, ..TurnRequest::default() };
        let outcome = self
            .run_agent(self.reasoning, "thinking…", async |agent, stopped, sender| {
                let mut send = |event| drop(sender.send(event));
                agent.run_turn(&mut session, request, stopped, &mut send).await
            })
            .await?;
        // Another process may have changed them before the lock was taken.
        self.load_session_choices(&session);
        let usage = session.usage();
        drop(session);
        let turn = match &outcome {
            Ok(turn) => Some(turn),
            Err(failure) => failure.result.as_deref(),
        };
        if let Some(notice) = turn.and_then(|turn| self.notices.notice_for(turn)) {
            self.print_note(&notice)?;
        }
        match &outcome {
            Err(failure) if failure.kind == "aborted" => {
                self.print_note("stopped")?;
                // A stopped script does not continue with its next line.
                let is_script = !self.input.is_terminal;
                self.input.has_quit |= is_script;
                self.has_failed |= is_script;
            }
            Err(failure) => {
                self.has_failed = true;
                self.print_error(&failure.message)?;
            }
            Ok(_) => {}
        }
        let Some(turn) = turn else { return Ok(()) };
        if turn.stop_reason == StopReason::Length {
            self.print_note("cut off at the model's output limit")?;
        }
        if let Some(footer) = render_footer(self.footer, turn, &usage) {
            self.print_note(&footer)?;
        }
        Ok(())
    }

    /// Runs `work` of the agent, displays its events, and reads what is typed meanwhile.
    async fn run_agent<T>(
        &mut self,
        reasoning: ReasoningDisplay,
        status: &str,
        work: impl AsyncFnOnce(&Agent, WaitForCancellationFutureOwned, mpsc::UnboundedSender<TurnEvent>) -> T,
    ) -> Result<T, ChatError> {
        let stop = CancellationToken::new();
        let (sender, events) = mpsc::unbounded_channel();
        let mut view = AnswerView::new(&mut self.writer, reasoning, status)?;
        let work = Box::pin(work(&self.agent, stop.clone().cancelled_owned(), sender));
        let (outcome, written) = self.input.watch(work, &stop, events, &mut view).await;
        view.finish().and(written)?;
        Ok(outcome)
    }

    fn load_session_choices(&mut self, session: &Session) {
        self.model = session.model();
        self.thinking = session.thinking().and_then(thinking::parse_level);
    }

    /// The targets in order; empty if only the gateway knows them.
    fn active_chain(&self) -> Vec<Reference> {
        match &self.model {
            Some(model) => self.settings.chain_from(model).references,
            None => self.settings.default_chain.references.clone(),
        }
    }

    /// `None` if only the gateway knows it.
    fn requested_model(&self) -> Option<Reference> {
        self.active_chain().into_iter().next()
    }

    /// The thinking levels of the requested model.
    fn thinking_levels(&self) -> Option<ThinkingLevels> {
        self.requested_model().map(|model| ThinkingLevels::for_reference(&self.settings, &model))
    }

    /// Takes the session's lock.
    async fn lock_session(&mut self) -> Result<Session, SessionError> {
        let writer = &mut self.writer;
        // Waiting works even if the status cannot be displayed.
        let waiting = || drop(writer.show_status("another turn of this session is active; waiting…"));
        tokio::select! {
            session = self.sessions.lock(&self.id, waiting) => session,
            () = self.input.interrupted() => Err(SessionError("another turn uses the session".to_owned())),
        }
    }

    fn print_reply(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_line(Colour::Plain, text)
    }

    fn print_note(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_line(Colour::Dim, text)
    }

    /// Scripts get the error on standard error and in the exit code.
    fn print_error(&mut self, text: &str) -> io::Result<()> {
        if self.input.is_terminal {
            return self.writer.write_line(Colour::Red, text);
        }
        self.has_failed = true;
        self.writer.end_line()?;
        // A closed stream leaves no place to report the error.
        let _ = writeln!(io::stderr(), "moonrelay: {}", sanitize(text));
        Ok(())
    }
}
