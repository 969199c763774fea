//! `moonrelay sessions`: what `agent` and `chat` keep of their conversations.

mod delete;
mod export;
mod list;
mod markdown;
mod session_format;
mod session_id;
mod show;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::console::Console;
use super::exit::{self, CommandError};
use crate::assistant::session::{SessionError, SessionStore};
use crate::config::Environment;

/// The verbs of `sessions`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: SessionsCommand,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum SessionsCommand {
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
    let mut console = Console { environment: Environment::from_process(), config: None, json, out: &mut out };
    exit::into_exit_code(execute(args.command, &mut console), json)
}

fn execute(verb: SessionsCommand, console: &mut Console<'_>) -> Result<(), CommandError> {
    let sessions = open_sessions(&console.environment)?;
    match verb {
        SessionsCommand::List => list::list(&sessions, console),
        SessionsCommand::Show { id, thinking } => show::show(&sessions, &id, thinking, console),
        SessionsCommand::Export(args) => export::export(&sessions, &args, console),
        SessionsCommand::Delete { ids, yes } => delete::delete_sessions(&sessions, &ids, yes, console),
    }
}

/// The sessions of the state directory.
///
/// # Errors
/// When there is no place for one.
pub fn open_sessions(environment: &Environment) -> Result<SessionStore, CommandError> {
    let state = environment.state_directory().ok_or_else(|| {
        CommandError::failure(
            "no_state",
            "no place for sessions: set HOME, XDG_STATE_HOME or STATE_DIRECTORY",
        )
    })?;
    Ok(SessionStore::new(&state))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn session_error(error: SessionError) -> CommandError {
    CommandError::failure("session_error", error.to_string())
}
