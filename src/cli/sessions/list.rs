//! `sessions list`.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::{failed, figure};
use crate::assistant::session::{Digest, SessionError, Sessions};
use crate::cli::console::{Console, table};
use crate::cli::exit::Ending;
use crate::cli::usage::figure::{compact, counted, grouped};
use crate::cli::usage::screen::harmless;

/// Of the first question, in characters.
const FIRST_WORDS: usize = 40;

/// What there is.
#[derive(Default)]
struct Shown {
    sessions: Vec<(String, Digest)>,
    unreadable: Vec<(String, SessionError)>,
}

/// Prints a table, the session that was used last first; a file that is none is named below it.
pub(super) fn list(sessions: &Sessions, console: &mut Console<'_>) -> Result<(), Ending> {
    let mut shown = Shown::default();
    for id in sessions.ids().map_err(failed)? {
        match sessions.digest(&id) {
            Ok(Some(digest)) => shown.sessions.push((id, digest)),
            Ok(None) => {}
            Err(error) => shown.unreadable.push((id, error)),
        }
    }
    shown.sessions.sort_by_cached_key(|(id, digest)| Reverse((digest.last.clone(), id.clone())));
    shown.unreadable.sort_by(|(one, _), (other, _)| one.cmp(other));
    if console.json {
        return console.print_json(&shown.json(sessions));
    }
    console.line(shown.text(sessions))
}

impl Shown {
    fn text(&self, sessions: &Sessions) -> String {
        let folder = harmless(&sessions.directory().display().to_string());
        let mut parts = vec![match self.sessions[..] {
            [] => format!("no sessions in {folder}"),
            _ => self.table().trim_end().to_owned(),
        }];
        let broken = self.sessions.iter().filter(|(_, digest)| digest.broken > 0);
        parts.extend(broken.map(|(id, digest)| {
            let lines = counted(digest.broken, "line");
            format!("{id}: {lines} cannot be read; `moonrelay sessions show {id}` says which")
        }));
        parts.extend(self.unreadable.iter().map(|(id, why)| format!("{id}: {}", harmless(&why.to_string()))));
        parts.join("\n")
    }

    fn table(&self) -> String {
        let row = |(id, digest): &(String, Digest)| {
            let cost = figure::cost(&digest.total.costs);
            vec![
                id.clone(),
                figure::moment(&digest.begun),
                figure::moment(&digest.last),
                grouped(digest.turns),
                harmless(&digest.model.as_ref().map(ToString::to_string).unwrap_or_default()),
                compact(digest.total.tokens.total_tokens),
                if cost.is_empty() && digest.total.unpriced > 0 { "no price".to_owned() } else { cost },
                first_words(&digest.first_words),
            ]
        };
        let rows: Vec<Vec<String>> = self.sessions.iter().map(row).collect();
        table(&["Id", "Begun", "Last", "Turns", "Model", "Tokens", "Cost", "First words"], &rows)
    }

    fn json(&self, sessions: &Sessions) -> Value {
        let session = |(id, digest): &(String, Digest)| {
            let model = digest.model.as_ref().map(ToString::to_string);
            let mut value = json!({
                "id": id, "begun": digest.begun, "last": digest.last, "turns": digest.turns, "model": model,
                "firstWords": digest.first_words,
            });
            if let Some(members) = value.as_object_mut() {
                members.extend(figure::members(&digest.total));
                members.insert("brokenLines".to_owned(), json!(digest.broken));
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

fn first_words(words: &str) -> String {
    let words = harmless(words);
    if words.chars().count() <= FIRST_WORDS {
        return words;
    }
    words.chars().take(FIRST_WORDS - 1).chain(['…']).collect()
}
