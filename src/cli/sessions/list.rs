//! `sessions list`.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::{session_error, session_format};
use crate::assistant::session::{SessionError, SessionStore, SessionSummary};
use crate::cli::console::{Console, render_table};
use crate::cli::exit::CommandError;
use crate::cli::usage::number_format::{format_compact, format_count, group_digits};
use crate::cli::usage::output_style::sanitize_line;

/// Of the first question, in characters.
const MAX_FIRST_WORDS: usize = 40;

/// What there is.
#[derive(Default)]
struct SessionList {
    sessions: Vec<(String, SessionSummary)>,
    unreadable: Vec<(String, SessionError)>,
}

/// Prints a table, the session that was used last first; a file that is none is named below it.
pub(super) fn list(sessions: &SessionStore, console: &mut Console<'_>) -> Result<(), CommandError> {
    let mut shown = SessionList::default();
    for id in sessions.ids().map_err(session_error)? {
        match sessions.summary(&id) {
            Ok(Some(digest)) => shown.sessions.push((id, digest)),
            Ok(None) => {}
            Err(error) => shown.unreadable.push((id, error)),
        }
    }
    shown.sessions.sort_by_cached_key(|(id, digest)| Reverse((digest.updated_at.clone(), id.clone())));
    shown.unreadable.sort_by(|(one, _), (other, _)| one.cmp(other));
    if console.json {
        return console.print_json(&shown.to_json(sessions));
    }
    console.print_line(shown.to_text(sessions))
}

impl SessionList {
    fn to_text(&self, sessions: &SessionStore) -> String {
        let folder = sanitize_line(&sessions.directory().display().to_string());
        let mut parts = vec![match self.sessions[..] {
            [] => format!("no sessions in {folder}"),
            _ => self.to_table().trim_end().to_owned(),
        }];
        let broken = self.sessions.iter().filter(|(_, digest)| digest.corrupt_lines > 0);
        parts.extend(broken.map(|(id, digest)| {
            let lines = format_count(digest.corrupt_lines, "line");
            format!("{id}: {lines} cannot be read; `moonrelay sessions show {id}` says which")
        }));
        parts.extend(
            self.unreadable.iter().map(|(id, why)| format!("{id}: {}", sanitize_line(&why.to_string()))),
        );
        parts.join("\n")
    }

    fn to_table(&self) -> String {
        let row = |(id, digest): &(String, SessionSummary)| {
            let cost = session_format::format_cost(&digest.usage.costs);
            vec![
                id.clone(),
                session_format::format_time(&digest.started_at),
                session_format::format_time(&digest.updated_at),
                group_digits(digest.turns),
                sanitize_line(&digest.model.as_ref().map(ToString::to_string).unwrap_or_default()),
                format_compact(digest.usage.tokens.total_tokens),
                if cost.is_empty() && digest.usage.unpriced_answers > 0 {
                    "no price".to_owned()
                } else {
                    cost
                },
                truncate_first_words(&digest.title),
            ]
        };
        let rows: Vec<Vec<String>> = self.sessions.iter().map(row).collect();
        render_table(&["Id", "Begun", "Last", "Turns", "Model", "Tokens", "Cost", "First words"], &rows)
    }

    fn to_json(&self, sessions: &SessionStore) -> Value {
        let session = |(id, digest): &(String, SessionSummary)| {
            let model = digest.model.as_ref().map(ToString::to_string);
            let mut value = json!({
                "id": id, "begun": digest.started_at, "last": digest.updated_at, "turns": digest.turns, "model": model,
                "firstWords": digest.title,
            });
            if let Some(members) = value.as_object_mut() {
                members.extend(session_format::total_json(&digest.usage));
                members.insert("brokenLines".to_owned(), json!(digest.corrupt_lines));
            }
            value
        };
        let unreadable = |(id, why): &(String, SessionError)| json!({ "id": id, "message": why.to_string() });
        json!({
            "directory": sessions.directory(),
            "count": self.sessions.len(),
            "sessions": self.sessions.iter().map(session).collect::<Vec<_>>(),
            "unreadable": self.unreadable.iter().map(unreadable).collect::<Vec<_>>(),
        })
    }
}

fn truncate_first_words(words: &str) -> String {
    let words = sanitize_line(words);
    if words.chars().count() <= MAX_FIRST_WORDS {
        return words;
    }
    words.chars().take(MAX_FIRST_WORDS - 1).chain(['…']).collect()
}
