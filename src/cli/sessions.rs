//! `moonrelay sessions`: what `agent` and `chat` keep of their conversations.

mod choice;
mod delete;
mod export;
mod figure;
mod list;
mod markdown;
mod show;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::console::Console;
use super::exit::{self, Ending};
use crate::assistant::session::{SessionError, Sessions};
use crate::config::Environment;

/// The verbs of `sessions`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All of them, the one that was used last first: when, how many turns, model, tokens, cost
    List,
    /// Who said what in one, and what each answer used and cost
    Show {
        /// The session's id, or the beginning of it
        id: String,
        /// Also what the models thought
        #[arg(long)]
        thinking: bool,
    },
    /// One as Markdown, or as the lines of its file
    Export(export::Args),
    /// Delete sessions for good
    Delete {
        /// The sessions' ids, or the beginnings of them
        #[arg(required = true)]
        ids: Vec<String>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// Runs one of the verbs.
#[expect(clippy::unused_async, reason = "every verb is called alike")]
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let mut console = Console { environment: Environment::process(), config: None, json, out: &mut out };
    exit::code(execute(args.verb, &mut console), json)
}

fn execute(verb: Verb, console: &mut Console<'_>) -> Result<(), Ending> {
    let sessions = stored(&console.environment)?;
    match verb {
        Verb::List => list::list(&sessions, console),
        Verb::Show { id, thinking } => show::show(&sessions, &id, thinking, console),
        Verb::Export(args) => export::export(&sessions, &args, console),
        Verb::Delete { ids, yes } => delete::delete(&sessions, &ids, yes, console),
    }
}

/// The sessions of the state directory.
///
/// # Errors
/// When there is no place for one.
pub fn stored(environment: &Environment) -> Result<Sessions, Ending> {
    let state = environment.state_directory().ok_or_else(|| {
        Ending::failure("no_state", "no place for sessions: set HOME, XDG_STATE_HOME or STATE_DIRECTORY")
    })?;
    Ok(Sessions::of(&state))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: SessionError) -> Ending {
    Ending::failure("session_error", error.to_string())
}
