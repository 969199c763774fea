//! `moonrelay agent`: one turn of a conversation, from the shell.

mod explained;
mod message;
pub(in crate::cli) mod place;
pub(in crate::cli) mod plain;
mod report;
mod stops;
mod web_search;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;

use self::place::Place;
use self::plain::Plain;
use self::stops::Stops;
use super::chat::notices::why;
use super::exit::{self, Ending};
use crate::assistant::context::Context;
use crate::assistant::session::{Session, Sessions, fresh};
use crate::assistant::thinking;
use crate::assistant::turn::{Agent, Ask, Seen, TurnFailure, Turned};
use crate::catalog::ThinkingLevel;
use crate::config::settings::Settings;
use crate::config::{self, Environment};

/// `agent`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// What is asked; - reads standard input, and so does a pipe without this
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Call the providers from this process; needs no gateway
    #[arg(long)]
    local: bool,
    /// The conversation to go on with, or to begin; without this a new one
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// A reference, an alias or a route, for this turn [default: the session's, else the configuration's]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// How much the model shall think, for this turn; it has to have the level
    #[arg(long, value_name = "LEVEL")]
    thinking: Option<String>,
    /// Let the model search the web, as it may anyway where the configuration speaks of a search
    #[arg(long)]
    web_search: bool,
    /// Show what would be asked, and of whom; asks nobody
    #[arg(long)]
    explain: bool,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object when the turn is over, also when it failed
    #[arg(long)]
    json: bool,
}

/// Takes a turn.
pub async fn run(args: Args) -> ExitCode {
    let json = args.json;
    exit::code(Box::pin(take(args)).await, json)
}

async fn take(args: Args) -> Result<(), Ending> {
    let level = args.thinking.as_deref().map(level).transpose()?;
    let environment = Environment::process();
    let settings = Arc::new(config::load(args.config.as_deref(), &environment)?);
    if args.explain {
        return explained::print(&args, level, &settings, &environment);
    }
    let message = message::read(args.message.as_deref())?;
    let state = environment.state_directory().ok_or_else(no_state)?;
    let context = context(&settings);
    let place = Place::of(settings.clone(), args.local, &state)?;
    let agent = Agent::new(place.exchange(), &context, place.tools(args.web_search));
    let id = args.session_id.clone().unwrap_or_else(fresh);
    let ask = Ask { message, model: args.model.clone(), thinking: level };
    let outcome = Turn { agent, id, json: args.json }.take(&Sessions::of(&state), ask).await;
    place.finish().await;
    outcome
}

/// `--thinking`.
pub(in crate::cli) fn level(word: &str) -> Result<ThinkingLevel, Ending> {
    let wrong =
        || Ending::usage(format!("--thinking {word}: one of {} is expected", thinking::words().join(", ")));
    thinking::read(word).ok_or_else(wrong)
}

pub(in crate::cli) fn no_state() -> Ending {
    Ending::failure("no_state", "no place for sessions: set HOME, XDG_STATE_HOME or STATE_DIRECTORY")
}

/// The workspace's files; what cannot be read of them is told.
pub(in crate::cli) fn context(settings: &Settings) -> Context {
    let context = Context::of(settings.workspace.as_deref());
    for warning in &context.warnings {
        note(&format!("moonrelay: warning: {warning}"));
    }
    context
}

/// To standard error. Nobody is left to tell when it is gone.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// One turn of one session.
struct Turn {
    agent: Agent,
    id: String,
    json: bool,
}

impl Turn {
    async fn take(self, sessions: &Sessions, ask: Ask) -> Result<(), Ending> {
        let waiting = || note("moonrelay: another turn of this session is under way; waiting for its end");
        let mut session = sessions
            .hold(&self.id, waiting)
            .await
            .map_err(|error| Ending::failure("session_error", error.to_string()))?;
        let stops = Stops::install()?;
        let (outcome, is_shown) = match self.json {
            true => (self.ask(&mut session, ask, &stops, &mut |_| {}).await, Ok(())),
            false => {
                let mut plain = Plain::to(std::io::stdout());
                let mut seen = |seen: Seen| {
                    let written = match seen {
                        Seen::Text(piece) => plain.say(&piece),
                        // What was said before the call is a line of its own.
                        Seen::Again => plain.line(),
                        Seen::Thinking(_) | Seen::Calls { .. } => Ok(()),
                    };
                    if written.is_err() {
                        // Nobody reads on: what the answer costs from here on would be for nothing.
                        stops.stop();
                    }
                };
                let outcome = self.ask(&mut session, ask, &stops, &mut seen).await;
                (outcome, plain.end())
            }
        };
        let outcome = outcome
            .ok_or_else(|| Ending::failure("aborted", "it was stopped twice: what came is not kept"))?;
        if self.json {
            return report::print(&self.id, &outcome);
        }
        tell(&outcome);
        is_shown.map_err(Ending::output)?;
        match outcome {
            Ok(_) => Ok(()),
            Err(failure) => Err(Ending::failure(failure.kind, failure.message)),
        }
    }

    /// `None`: it was stopped twice.
    async fn ask(
        &self,
        session: &mut Session,
        ask: Ask,
        stops: &Stops,
        seen: &mut (dyn FnMut(Seen) + Send),
    ) -> Option<Result<Turned, TurnFailure>> {
        tokio::select! {
            biased;
            outcome = self.agent.turn(session, ask, stops.reached(1), seen) => Some(outcome),
            () = stops.reached(2) => None,
        }
    }
}

/// Who answered in the place of whom, for who sits there.
fn tell(outcome: &Result<Turned, TurnFailure>) {
    let Ok(turned) = outcome else { return };
    if let (Some(asked), Some(answered)) = (&turned.asked, &turned.answered)
        && turned.fallback_used()
        && std::io::stderr().is_terminal()
    {
        note(&format!("{}; {answered} answered", why(asked, turned)));
    }
}
