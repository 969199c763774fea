//! `moonrelay sessions`: lists, shows, exports and deletes the sessions of `agent` and `chat`.

mod export;
mod show;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Map, Value, json};

use super::command::{self, CommandContext, CommandError};
use super::output::{
    NO_PRICE, format_compact, format_costs, format_count, format_session_total, format_time, group_digits,
    render_table, sanitize_line,
};
use super::prompt;
use crate::assistant::session::{DeleteOutcome, SessionError, SessionStore, SessionSummary, SessionUsage};
use crate::config::nearest::format_suggestion;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
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

pub(super) async fn run(args: Args) -> ExitCode {
    command::run(None, args.json, async |context| execute(args.command, context).await).await
}

async fn execute(command: SessionsCommand, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let sessions = SessionStore::new(&context.state_directory("sessions")?);
    match command {
        SessionsCommand::List => list(&sessions, context),
        SessionsCommand::Show { id, thinking } => {
            let id = resolve_id(&sessions, &id)?;
            let transcript = sessions.read(&id)?.unwrap_or_default();
            context.report(&show::as_json(&sessions, &id, &transcript), || {
                show::as_text(&id, &transcript, thinking)
            })
        }
        SessionsCommand::Export(args) => {
            let id = resolve_id(&sessions, &args.id)?;
            export::export(&sessions, &id, &args, context)
        }
        SessionsCommand::Delete { ids, yes } => delete(&sessions, &ids, yes, context).await,
    }
}

/// Resolves a session id, or a prefix of exactly one.
fn resolve_id(sessions: &SessionStore, text: &str) -> Result<String, CommandError> {
    const MAX_SHOWN: usize = 5;
    // This also rejects text that cannot be an id, such as a path.
    if sessions.bytes(text)?.is_some() {
        return Ok(text.to_owned());
    }
    let ids = sessions.ids()?;
    let mut matching: Vec<&str> = ids.iter().map(String::as_str).filter(|id| id.starts_with(text)).collect();
    matching.sort_unstable();
    match matching[..] {
        [one] => Ok(one.to_owned()),
        [] => {
            let nearest = format_suggestion(text, ids.iter().map(String::as_str));
            let hint = if ids.is_empty() { "there are none yet" } else { "see `moonrelay sessions list`" };
            let why = format!("there is no session \"{text}\"{nearest}; {hint}");
            Err(CommandError::failure("unknown_session", why))
        }
        _ => {
            let count = matching.len();
            let more = if count > MAX_SHOWN { ", …" } else { "" };
            matching.truncate(MAX_SHOWN);
            let named = matching.join(", ");
            let why = format!("{count} sessions begin with \"{text}\": {named}{more}. Use a longer prefix.");
            Err(CommandError::failure("ambiguous_session", why))
        }
    }
}

/// Prints a table, and below it the files that cannot be read.
fn list(sessions: &SessionStore, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    for id in sessions.ids()? {
        match sessions.summary(&id) {
            Ok(Some(summary)) => readable.push((id, summary)),
            Ok(None) => {}
            Err(error) => unreadable.push((id, error)),
        }
    }
    readable.sort_by_cached_key(|(id, summary)| Reverse((summary.updated_at.clone(), id.clone())));
    unreadable.sort_by(|(one, _), (other, _)| one.cmp(other));
    let rows: Vec<Value> = readable.iter().map(|(id, summary)| summary_json(id, summary)).collect();
    let errors = unreadable.iter().map(|(id, error)| json!({"id": id, "message": error.to_string()}));
    let value = json!({
        "directory": sessions.directory(),
        "count": rows.len(),
        "sessions": rows,
        "unreadable": errors.collect::<Vec<_>>(),
    });
    context.report(&value, || list_text(sessions, &readable, &unreadable))
}

fn summary_json(id: &str, summary: &SessionSummary) -> Value {
    json!({
        "id": id,
        "begun": summary.started_at,
        "last": summary.updated_at,
        "turns": summary.turns,
        "model": summary.model.as_ref().map(ToString::to_string),
        "firstWords": summary.title,
        "tokens": summary.usage.tokens,
        "cost": cost_json(&summary.usage),
        "unpriced": summary.usage.unpriced_answers,
        "brokenLines": summary.corrupt_lines,
    })
}

/// The cost by currency.
fn cost_json(usage: &SessionUsage) -> Map<String, Value> {
    usage.costs.iter().map(|cost| (cost.currency.code().to_owned(), json!(cost.total.as_f64()))).collect()
}

fn list_text(
    sessions: &SessionStore,
    readable: &[(String, SessionSummary)],
    unreadable: &[(String, SessionError)],
) -> String {
    let mut text = if readable.is_empty() {
        format!("no sessions in {}\n", sanitize_line(&sessions.directory().display().to_string()))
    } else {
        let rows: Vec<Vec<String>> = readable.iter().map(|(id, summary)| list_row(id, summary)).collect();
        render_table(
            &["Id", "Started", "Last used", "Turns", "Model", "Tokens", "Cost", "First words"],
            &rows,
        )
    };
    for (id, summary) in readable.iter().filter(|(_, summary)| summary.corrupt_lines > 0) {
        let lines = format_count(summary.corrupt_lines, "line");
        text.push_str(&format!("{id}: {lines} cannot be read; see `moonrelay sessions show {id}`\n"));
    }
    for (id, error) in unreadable {
        text.push_str(&format!("{id}: {}\n", sanitize_line(&error.to_string())));
    }
    text
}

fn list_row(id: &str, summary: &SessionSummary) -> Vec<String> {
    const MAX_TITLE: usize = 40;
    let mut title = sanitize_line(&summary.title);
    if title.chars().count() > MAX_TITLE {
        title = title.chars().take(MAX_TITLE - 1).chain(['…']).collect();
    }
    let is_unpriced = summary.usage.costs.is_empty() && summary.usage.unpriced_answers > 0;
    vec![
        id.to_owned(),
        format_time(&summary.started_at),
        format_time(&summary.updated_at),
        group_digits(summary.turns),
        summary.model.as_ref().map(ToString::to_string).unwrap_or_default(),
        format_compact(summary.usage.tokens.total_tokens),
        if is_unpriced { NO_PRICE.to_owned() } else { format_costs(&summary.usage.costs) },
        title,
    ]
}

/// Deletes the sessions, or none if one of them does not exist.
async fn delete(
    sessions: &SessionStore,
    texts: &[String],
    is_confirmed: bool,
    context: &mut CommandContext<'_>,
) -> Result<(), CommandError> {
    let ids = resolve_ids(sessions, texts)?;
    if !is_confirmed && !confirm(sessions, &ids, context).await? {
        return Err(CommandError::failure("not_deleted", "nothing was deleted"));
    }
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for id in ids {
        match sessions.delete(&id) {
            Ok(DeleteOutcome::Deleted) => deleted.push(id),
            Ok(DeleteOutcome::Locked) => {
                kept.push(format!("a turn uses session {id}: stop it, or wait until it ends"));
            }
            Ok(DeleteOutcome::NotFound) => kept.push(format!("session {id} was deleted meanwhile")),
            Err(error) => kept.push(error.to_string()),
        }
    }
    if !kept.is_empty() {
        let done =
            if deleted.is_empty() { String::new() } else { format!(" (deleted: {})", deleted.join(", ")) };
        return Err(CommandError::failure("session_error", kept.join("; ") + &done));
    }
    context.report(&json!({ "ok": true, "deleted": deleted }), || {
        deleted.iter().map(|id| format!("Deleted session {id}\n")).collect()
    })
}

/// The full ids, each once; the error names every one that does not exist.
fn resolve_ids(sessions: &SessionStore, texts: &[String]) -> Result<Vec<String>, CommandError> {
    let (mut ids, mut missing) = (Vec::new(), Vec::new());
    for text in texts {
        match resolve_id(sessions, text) {
            Ok(id) if ids.contains(&id) => {}
            Ok(id) => ids.push(id),
            Err(error) => missing.push(error),
        }
    }
    if missing.len() > 1 {
        let each: Vec<&str> = missing.iter().map(CommandError::message).collect();
        let why = format!("nothing was deleted: {}", each.join("; "));
        return Err(CommandError::failure("unknown_session", why));
    }
    missing.pop().map_or(Ok(ids), Err)
}

async fn confirm(
    sessions: &SessionStore,
    ids: &[String],
    context: &mut CommandContext<'_>,
) -> Result<bool, CommandError> {
    if context.json || !prompt::is_available() {
        return Err(CommandError::usage("use --yes to delete without confirmation"));
    }
    for id in ids {
        let summary = sessions.summary(id).ok().flatten().unwrap_or_default();
        context.print_line(format_args!(
            "{id}  {}  {}, {}",
            format_time(&summary.updated_at),
            format_count(summary.turns, "turn"),
            format_session_total(&summary.usage)
        ))?;
    }
    prompt::confirm(&format!("Delete {} permanently?", format_count(ids.len() as u64, "session")), false)
        .await
}
