//! `moonrelay agent`: sends one prompt from the shell and prints the answer.

pub(in crate::cli) mod backend;
mod dry_run;
mod interrupts;
mod message;
mod report;
pub(in crate::cli) mod terminal_text;
mod web_search;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;

use self::backend::AgentBackend;
use self::interrupts::InterruptCounter;
use self::terminal_text::TerminalWriter;
use super::chat::fallback_notices::failure_reason;
use super::exit::{self, CommandError};
use crate::assistant::context::SystemPrompt;
use crate::assistant::session::{Session, SessionStore, new_id};
use crate::assistant::thinking;
use crate::assistant::turn::{Agent, TurnEvent, TurnFailure, TurnRequest, TurnResult};
use crate::catalog::ThinkingLevel;
use crate::config::settings::Settings;
use crate::config::{self, Environment};

/// Arguments of `agent`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The prompt; `-` or no prompt with piped input reads standard input
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Call the providers from this process; needs no gateway
    #[arg(long)]
    local: bool,
    /// Session to continue or create; without this a new one
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Model for this turn: a reference, an alias or a route [default: the session's, else the configuration's]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Reasoning effort for this turn; the model must support it
    #[arg(long, value_name = "LEVEL")]
    thinking: Option<String>,
    /// Enable web search (default if configured)
    #[arg(long)]
    web_search: bool,
    /// Dry run: print the request without sending it
    #[arg(long)]
    explain: bool,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object at the end of the turn, also on failure
    #[arg(long)]
    json: bool,
}

/// Runs `moonrelay agent`.
pub async fn run(args: Args) -> ExitCode {
    let json = args.json;
    exit::into_exit_code(Box::pin(run_agent(args)).await, json)
}

async fn run_agent(args: Args) -> Result<(), CommandError> {
    let level = args.thinking.as_deref().map(parse_thinking_level).transpose()?;
    let environment = Environment::from_process();
    let settings = Arc::new(config::load(args.config.as_deref(), &environment)?);
    if args.explain {
        return dry_run::print_plan(&args, level, &settings, &environment);
    }
    let message = message::read_message(args.message.as_deref())?;
    let state = environment.state_directory().ok_or_else(missing_state_directory)?;
    let context = load_context(&settings);
    let place = AgentBackend::new(settings.clone(), args.local, &state)?;
    let agent = Agent::new(place.new_exchange(), &context, place.tools(args.web_search));
    let id = args.session_id.clone().unwrap_or_else(new_id);
    let ask = TurnRequest { message, model: args.model.clone(), thinking: level };
    let outcome = SessionTurn { agent, id, json: args.json }.run(&SessionStore::new(&state), ask).await;
    place.finish().await;
    outcome
}

/// Parses the value of `--thinking`.
pub(in crate::cli) fn parse_thinking_level(word: &str) -> Result<ThinkingLevel, CommandError> {
    let wrong = || {
        CommandError::usage(format!(
            "--thinking {word}: one of {} is expected",
            thinking::level_names().join(", ")
        ))
    };
    thinking::parse_level(word).ok_or_else(wrong)
}

pub(in crate::cli) fn missing_state_directory() -> CommandError {
    CommandError::failure("no_state", "no place for sessions: set HOME, XDG_STATE_HOME or STATE_DIRECTORY")
}

/// Reads the workspace's files and reports those that cannot be read.
pub(in crate::cli) fn load_context(settings: &Settings) -> SystemPrompt {
    let context = SystemPrompt::from_workspace(settings.workspace.as_deref());
    for warning in &context.warnings {
        print_note(&format!("moonrelay: warning: {warning}"));
    }
    context
}

/// Prints to standard error. A write error is ignored, because no other output is left to report it.
fn print_note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs one turn of one session.
struct SessionTurn {
    agent: Agent,
    id: String,
    json: bool,
}

impl SessionTurn {
    async fn run(self, sessions: &SessionStore, ask: TurnRequest) -> Result<(), CommandError> {
        let waiting =
            || print_note("moonrelay: another turn of this session is under way; waiting for its end");
        let mut session = sessions
            .lock(&self.id, waiting)
            .await
            .map_err(|error| CommandError::failure("session_error", error.to_string()))?;
        let stops = InterruptCounter::install()?;
        let (outcome, is_shown) = match self.json {
            true => (self.run_interruptibly(&mut session, ask, &stops, &mut |_| {}).await, Ok(())),
            false => {
                let mut plain = TerminalWriter::new(std::io::stdout());
                let mut seen = |seen: TurnEvent| {
                    let written = match seen {
                        TurnEvent::Text(piece) => plain.write(&piece),
                        // End the line that was printed before the tool call.
                        TurnEvent::NextRequest => plain.end_line(),
                        TurnEvent::Thinking(_) | TurnEvent::ToolCall { .. } => Ok(()),
                    };
                    if written.is_err() {
                        // The reader closed standard output; stop the answer so that it costs no more tokens.
                        stops.interrupt();
                    }
                };
                let outcome = self.run_interruptibly(&mut session, ask, &stops, &mut seen).await;
                (outcome, plain.finish())
            }
        };
        let outcome = outcome
            .ok_or_else(|| CommandError::failure("aborted", "it was stopped twice: what came is not kept"))?;
        if self.json {
            return report::print_turn(&self.id, &outcome);
        }
        print_fallback_notice(&outcome);
        is_shown.map_err(CommandError::from_output_error)?;
        match outcome {
            Ok(_) => Ok(()),
            Err(failure) => Err(CommandError::failure(failure.kind, failure.message)),
        }
    }

    /// Returns `None` when the user interrupted the turn twice.
    async fn run_interruptibly(
        &self,
        session: &mut Session,
        ask: TurnRequest,
        stops: &InterruptCounter,
        seen: &mut (dyn FnMut(TurnEvent) + Send),
    ) -> Option<Result<TurnResult, TurnFailure>> {
        tokio::select! {
            biased;
            outcome = self.agent.run_turn(session, ask, stops.wait_for_count(1), seen) => Some(outcome),
            () = stops.wait_for_count(2) => None,
        }
    }
}

/// Reports on a terminal which fallback model answered.
fn print_fallback_notice(outcome: &Result<TurnResult, TurnFailure>) {
    let Ok(turned) = outcome else { return };
    if let (Some(asked), Some(answered)) = (&turned.primary, &turned.answered_by)
        && turned.is_fallback_used()
        && std::io::stderr().is_terminal()
    {
        print_note(&format!("{}; {answered} answered", failure_reason(asked, turned)));
    }
}
