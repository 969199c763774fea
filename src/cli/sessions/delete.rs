//! `sessions delete`.

use std::io::{BufRead, IsTerminal};

use serde_json::json;

use super::session_format;
use super::session_id::resolve_id;
use crate::assistant::session::{DeleteOutcome, SessionStore};
use crate::cli::console::Console;
use crate::cli::exit::CommandError;
use crate::cli::usage::number_format::format_count;

/// Deletes them, or none where one of them is not there.
pub(super) fn delete_sessions(
    sessions: &SessionStore,
    texts: &[String],
    yes: bool,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let mut ids = Vec::new();
    for id in resolve_ids(sessions, texts)? {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if !yes && !confirm(sessions, &ids, console)? {
        return Err(CommandError::failure("not_deleted", "nothing was deleted"));
    }
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for id in ids {
        match sessions.delete(&id) {
            Ok(DeleteOutcome::Deleted) => deleted.push(id),
            Ok(DeleteOutcome::Locked) => {
                kept.push(format!("a turn holds session {id}: stop it, or wait for its end"))
            }
            Ok(DeleteOutcome::NotFound) => kept.push(format!("somebody else has deleted session {id}")),
            Err(error) => kept.push(error.to_string()),
        }
    }
    if !console.json {
        deleted.iter().try_for_each(|id| console.print_line(format_args!("Deleted session {id}")))?;
    }
    if !kept.is_empty() {
        let done =
            if deleted.is_empty() { String::new() } else { format!(" (deleted: {})", deleted.join(", ")) };
        return Err(CommandError::failure("session_error", kept.join("; ") + &done));
    }
    if console.json { console.print_json(&json!({ "ok": true, "deleted": deleted })) } else { Ok(()) }
}

/// Their whole ids; every one that is not there is named.
fn resolve_ids(sessions: &SessionStore, texts: &[String]) -> Result<Vec<String>, CommandError> {
    let (mut ids, mut missing) = (Vec::new(), Vec::new());
    for text in texts {
        match resolve_id(sessions, text) {
            Ok(id) => ids.push(id),
            Err(ending) => missing.push(ending),
        }
    }
    match missing.len() {
        0 => Ok(ids),
        1 => Err(missing.swap_remove(0)),
        _ => {
            let each: Vec<&str> = missing.iter().map(CommandError::message).collect();
            Err(CommandError::failure("unknown_session", format!("nothing was deleted: {}", each.join("; "))))
        }
    }
}

/// Asks for confirmation on a terminal; elsewhere it could not be answered.
fn confirm(sessions: &SessionStore, ids: &[String], console: &mut Console<'_>) -> Result<bool, CommandError> {
    let asks = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !console.json;
    if !asks {
        return Err(CommandError::usage("to delete without being asked give --yes"));
    }
    for id in ids {
        let digest = sessions.summary(id).ok().flatten().unwrap_or_default();
        let summary = session_format::format_summary(digest.turns, &digest.usage);
        console.print_line(format_args!(
            "{id}  {}  {summary}",
            session_format::format_time(&digest.updated_at)
        ))?;
    }
    let what = format_count(ids.len() as u64, "session");
    write!(console.out, "Delete {what} for good? [y/N] ").map_err(CommandError::from_output_error)?;
    console.out.flush().map_err(CommandError::from_output_error)?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| CommandError::failure("input_error", format!("cannot read the answer: {error}")))?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
