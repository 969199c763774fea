//! `moonrelay chat`: a conversation at a terminal, or from a pipe.

mod answer;
mod assist;
mod beside;
mod display;
mod footer;
mod keys;
mod model;
mod names;
pub(in crate::cli) mod notices;
mod past;
mod prompt;
mod screen;
mod shown;
mod source;
mod status;
mod talk;
mod totals;
mod typed;
mod world;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use tokio::signal::unix::{SignalKind, signal};

use self::notices::Notices;
use self::screen::Screen;
use self::source::Source;
use self::talk::Talk;
use self::world::World;
use super::agent::place::Place;
use super::agent::{context, level, no_state};
use super::exit::{self, Ending};
use crate::assistant::command::{Footer, Reasoning};
use crate::assistant::session::{self, Sessions, is_id};
use crate::assistant::turn::Agent;
use crate::config::{self, Environment};

/// `chat`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The conversation to go on with, or to begin; without this a new one
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// A reference, an alias or a route, for the session, as /model NAME
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// How much the model shall think, for the session, as /think LEVEL
    #[arg(long, value_name = "LEVEL")]
    thinking: Option<String>,
    /// Call the providers from this process; needs no gateway
    #[arg(long)]
    local: bool,
    /// Let the model search the web, as it may anyway where the configuration speaks of a search
    #[arg(long)]
    web_search: bool,
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Talks until the person leaves.
pub async fn run(args: Args) -> ExitCode {
    exit::code(Box::pin(talk(args)).await, false)
}

async fn talk(args: Args) -> Result<(), Ending> {
    args.thinking.as_deref().filter(|word| *word != "default").map(level).transpose()?;
    let environment = Environment::process();
    let settings = Arc::new(config::load(args.config.as_deref(), &environment)?);
    let state = environment.state_directory().ok_or_else(no_state)?;
    let place = Place::of(settings.clone(), args.local, &state)?;
    let screen = Screen::of(&environment);
    let (source, trouble) = Source::of(&state, screen.is_terminal, screen.has_colours())?;
    let failed = |error| Ending::failure("signal_error", format!("cannot take Ctrl-C: {error}"));
    let mut talk = Talk {
        agent: Agent::new(place.exchange(), &context(&settings), place.tools(args.web_search)),
        world: World::of(environment, &settings, args.local),
        settings,
        sessions: Sessions::of(&state),
        id: args.session_id.unwrap_or_else(session::fresh),
        model: None,
        thinking: None,
        reasoning: Reasoning::default(),
        footer: Footer::default(),
        notices: Notices::default(),
        screen,
        interrupts: signal(SignalKind::interrupt()).map_err(failed)?,
        queue: VecDeque::new(),
        has_left: false,
        failed: false,
    };
    if let Some(trouble) = trouble {
        talk.note(&trouble)?;
    }
    let outcome = match talk.open(args.model.as_deref(), args.thinking.as_deref()).await {
        Ok(()) => Box::pin(talk.run(source)).await,
        Err(ending) => Err(ending),
    };
    place.finish().await;
    outcome
}

impl Talk {
    /// Reads what the session has chosen, and chooses what the command line asks for.
    async fn open(&mut self, model: Option<&str>, thinking: Option<&str>) -> Result<(), Ending> {
        if !is_id(&self.id) {
            return Err(Ending::usage(format!(
                "--session-id {}: letters, digits, . _ and - make an id",
                self.id
            )));
        }
        let session = self.hold().await;
        let session = session.map_err(|error| Ending::failure("session_error", error.to_string()))?;
        self.remember(&session);
        drop(session);
        let refused = |why: String| Ending::failure("invalid_choice", why);
        if let Some(name) = model {
            self.set_model(name).await?.map_err(refused)?;
        }
        if let Some(word) = thinking {
            self.set_thinking(word).await?.map_err(refused)?;
        }
        Ok(())
    }
}
