//! Which session is meant.

use super::failed;
use crate::assistant::session::Sessions;
use crate::cli::exit::Ending;
use crate::config::nearest::did_you_mean;

/// More are not named.
const NAMED: usize = 5;

/// The session of this id, else the only one whose id begins so.
///
/// # Errors
/// When there is none, or several.
pub(super) fn chosen(sessions: &Sessions, text: &str) -> Result<String, Ending> {
    // What cannot be an id is said to be none; it is also no path, then.
    if sessions.bytes(text).map_err(failed)?.is_some() {
        return Ok(text.to_owned());
    }
    let ids = sessions.ids().map_err(failed)?;
    let mut begin: Vec<&String> = ids.iter().filter(|id| id.starts_with(text)).collect();
    begin.sort();
    match begin[..] {
        [one] => Ok(one.clone()),
        [] => {
            let nearest = did_you_mean(text, ids.iter().map(String::as_str));
            let all =
                if ids.is_empty() { "there are none yet" } else { "`moonrelay sessions list` names all" };
            let why = format!("there is no session \"{text}\"{nearest}; {all}");
            Err(Ending::failure("unknown_session", why))
        }
        _ => {
            let named: Vec<&str> = begin.iter().take(NAMED).map(|id| id.as_str()).collect();
            let more = if begin.len() > NAMED { ", …" } else { "" };
            let count = begin.len();
            let why = format!(
                "{count} sessions begin with \"{text}\": {}{more}; give more of the id",
                named.join(", ")
            );
            Err(Ending::failure("ambiguous_session", why))
        }
    }
}
