//! `moonrelay chat`: a conversation at a terminal, or with prompts from a pipe.

mod answer;
mod answer_view;
mod chat_loop;
mod completion;
mod display_commands;
pub(in crate::cli) mod fallback_notices;
mod footer;
mod gateway_context;
mod input_source;
mod key_bindings;
mod line_editor;
mod model_commands;
mod model_names;
mod session_commands;
mod status_command;
mod terminal;
mod terminal_input;
mod turn_input;
mod usage_totals;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use tokio::signal::unix::{SignalKind, signal};

use self::chat_loop::Chat;
use self::fallback_notices::FallbackNotices;
use self::gateway_context::GatewayContext;
use self::input_source::InputSource;
use self::terminal::ChatTerminal;
use super::agent::backend::AgentBackend;
use super::agent::{load_context, missing_state_directory, parse_thinking_level};
use super::exit::{self, CommandError};
use crate::assistant::command::{ReasoningDisplay, UsageFooter};
use crate::assistant::session::{self, SessionStore, is_id};
use crate::assistant::turn::Agent;
use crate::config::{self, Environment};

/// Arguments of `chat`.
#[derive(Debug, ClapArgs)]
pub struct Args {
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

/// Runs the chat until the user leaves it.
pub async fn run(args: Args) -> ExitCode {
    exit::into_exit_code(Box::pin(run_chat(args)).await, false)
}

async fn run_chat(args: Args) -> Result<(), CommandError> {
    args.thinking.as_deref().filter(|word| *word != "default").map(parse_thinking_level).transpose()?;
    let environment = Environment::from_process();
    let settings = Arc::new(config::load(args.config.as_deref(), &environment)?);
    let state = environment.state_directory().ok_or_else(missing_state_directory)?;
    let place = AgentBackend::new(settings.clone(), args.local, &state)?;
    let screen = ChatTerminal::from_environment(&environment);
    let (source, trouble) = InputSource::new(&state, screen.is_terminal, screen.uses_colour())?;
    let failed = |error| CommandError::failure("signal_error", format!("cannot take Ctrl-C: {error}"));
    let mut talk = Chat {
        agent: Agent::new(place.new_exchange(), &load_context(&settings), place.tools(args.web_search)),
        gateway_context: GatewayContext::new(environment, &settings, args.local),
        settings,
        sessions: SessionStore::new(&state),
        id: args.session_id.unwrap_or_else(session::new_id),
        model: None,
        thinking: None,
        reasoning: ReasoningDisplay::default(),
        footer: UsageFooter::default(),
        notices: FallbackNotices::default(),
        screen,
        interrupts: signal(SignalKind::interrupt()).map_err(failed)?,
        queued_lines: VecDeque::new(),
        has_quit: false,
        has_failed: false,
    };
    if let Some(trouble) = trouble {
        talk.print_note(&trouble)?;
    }
    let outcome = match talk.apply_options(args.model.as_deref(), args.thinking.as_deref()).await {
        Ok(()) => Box::pin(talk.run(source)).await,
        Err(ending) => Err(ending),
    };
    place.finish().await;
    outcome
}

impl Chat {
    /// Reads the session's settings and applies those of the command line.
    async fn apply_options(
        &mut self,
        model: Option<&str>,
        thinking: Option<&str>,
    ) -> Result<(), CommandError> {
        if !is_id(&self.id) {
            return Err(CommandError::usage(format!(
                "--session-id {}: letters, digits, . _ and - make an id",
                self.id
            )));
        }
        let session = self.lock_session().await;
        let session = session.map_err(|error| CommandError::failure("session_error", error.to_string()))?;
        self.load_session_choices(&session);
        drop(session);
        let refused = |why: String| CommandError::failure("invalid_choice", why);
        if let Some(name) = model {
            self.set_model(name).await?.map_err(refused)?;
        }
        if let Some(word) = thinking {
            self.set_thinking(word).await?.map_err(refused)?;
        }
        Ok(())
    }
}
