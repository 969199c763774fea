//! Which session is meant.

use super::session_error;
use crate::assistant::session::SessionStore;
use crate::cli::exit::CommandError;
use crate::config::nearest::format_suggestion;

/// More are not named.
const MAX_CANDIDATES_SHOWN: usize = 5;

/// The session of this id, else the only one whose id begins so.
///
/// # Errors
/// When there is none, or several.
pub(super) fn resolve_id(sessions: &SessionStore, text: &str) -> Result<String, CommandError> {
    // What cannot be an id is said to be none; it is also no path, then.
    if sessions.bytes(text).map_err(session_error)?.is_some() {
        return Ok(text.to_owned());
    }
    let ids = sessions.ids().map_err(session_error)?;
    let mut begin: Vec<&String> = ids.iter().filter(|id| id.starts_with(text)).collect();
    begin.sort();
    match begin[..] {
        [one] => Ok(one.clone()),
        [] => {
            let nearest = format_suggestion(text, ids.iter().map(String::as_str));
            let all =
                if ids.is_empty() { "there are none yet" } else { "`moonrelay sessions list` names all" };
            let why = format!("there is no session \"{text}\"{nearest}; {all}");
            Err(CommandError::failure("unknown_session", why))
        }
        _ => {
            let named: Vec<&str> = begin.iter().take(MAX_CANDIDATES_SHOWN).map(|id| id.as_str()).collect();
            let more = if begin.len() > MAX_CANDIDATES_SHOWN { ", …" } else { "" };
            let count = begin.len();
            let why = format!(
                "{count} sessions begin with \"{text}\": {}{more}; give more of the id",
                named.join(", ")
            );
            Err(CommandError::failure("ambiguous_session", why))
        }
    }
}
