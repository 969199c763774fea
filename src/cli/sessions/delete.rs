//! `sessions delete`.

use std::io::{BufRead, IsTerminal};

use serde_json::json;

use super::choice::chosen;
use super::figure;
use crate::assistant::session::{Deleted, Sessions};
use crate::cli::console::Console;
use crate::cli::exit::Ending;
use crate::cli::usage::figure::counted;

/// Deletes them, or none where one of them is not there.
pub(super) fn delete(
    sessions: &Sessions,
    texts: &[String],
    yes: bool,
    console: &mut Console<'_>,
) -> Result<(), Ending> {
    let mut ids = Vec::new();
    for id in all(sessions, texts)? {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if !yes && !agreed(sessions, &ids, console)? {
        return Err(Ending::failure("not_deleted", "nothing was deleted"));
    }
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for id in ids {
        match sessions.delete(&id) {
            Ok(Deleted::Gone) => deleted.push(id),
            Ok(Deleted::Held) => {
                kept.push(format!("a turn holds session {id}: stop it, or wait for its end"))
            }
            Ok(Deleted::Absent) => kept.push(format!("somebody else has deleted session {id}")),
            Err(error) => kept.push(error.to_string()),
        }
    }
    if !console.json {
        deleted.iter().try_for_each(|id| console.line(format_args!("Deleted session {id}")))?;
    }
    if !kept.is_empty() {
        let done =
            if deleted.is_empty() { String::new() } else { format!(" (deleted: {})", deleted.join(", ")) };
        return Err(Ending::failure("session_error", kept.join("; ") + &done));
    }
    if console.json { console.print_json(&json!({ "ok": true, "deleted": deleted })) } else { Ok(()) }
}

/// Their whole ids; every one that is not there is named.
fn all(sessions: &Sessions, texts: &[String]) -> Result<Vec<String>, Ending> {
    let (mut ids, mut missing) = (Vec::new(), Vec::new());
    for text in texts {
        match chosen(sessions, text) {
            Ok(id) => ids.push(id),
            Err(ending) => missing.push(ending),
        }
    }
    match missing.len() {
        0 => Ok(ids),
        1 => Err(missing.swap_remove(0)),
        _ => {
            let each: Vec<&str> = missing.iter().map(Ending::message).collect();
            Err(Ending::failure("unknown_session", format!("nothing was deleted: {}", each.join("; "))))
        }
    }
}

/// Asks, on a terminal; elsewhere nobody could answer.
fn agreed(sessions: &Sessions, ids: &[String], console: &mut Console<'_>) -> Result<bool, Ending> {
    let asks = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !console.json;
    if !asks {
        return Err(Ending::usage("to delete without being asked give --yes"));
    }
    for id in ids {
        let digest = sessions.digest(id).ok().flatten().unwrap_or_default();
        let summary = figure::summary(digest.turns, &digest.total);
        console.line(format_args!("{id}  {}  {summary}", figure::moment(&digest.last)))?;
    }
    let what = counted(ids.len() as u64, "session");
    write!(console.out, "Delete {what} for good? [y/N] ").map_err(Ending::output)?;
    console.out.flush().map_err(Ending::output)?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Ending::failure("input_error", format!("cannot read the answer: {error}")))?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
