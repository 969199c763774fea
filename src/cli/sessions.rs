//! `moonrelay sessions`: lists, shows, exports and deletes the sessions of `agent` and `chat`.

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

/// Subcommands of `sessions`.
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
    /// List sessions, most recently used first: time, turns, model, tokens and cost
    List,
    /// Show a session
    Show {
        /// Session id, or a prefix of it
        id: String,
        /// Include the models' reasoning
        #[arg(long)]
        thinking: bool,
    },
    /// Export a session as Markdown, or as the lines of its file
    Export(export::Args),
    /// Delete sessions permanently
    Delete {
        /// Session ids, or prefixes of them
        #[arg(required = true)]
        ids: Vec<String>,
        /// Delete without confirmation
        #[arg(long, short)]
        yes: bool,
    },
}

/// Runs a subcommand.
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

/// Opens the sessions of the state directory.
///
/// # Errors
/// When no state directory can be determined.
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
