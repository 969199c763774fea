//! What is asked: a flag, or standard input.

use std::io::{IsTerminal, Read};

use crate::cli::exit::Ending;

/// # Errors
/// Exit 2 where nothing is asked, 1 where it cannot be read.
pub(super) fn read(flag: Option<&str>) -> Result<String, Ending> {
    let message = match flag {
        Some("-") => from_stdin()?,
        Some(text) => text.to_owned(),
        None if std::io::stdin().is_terminal() => {
            return Err(Ending::usage("nothing is asked: give --message TEXT, or a pipe"));
        }
        None => from_stdin()?,
    };
    if message.trim().is_empty() {
        return Err(Ending::usage("the message is empty: give --message TEXT, or text in a pipe"));
    }
    Ok(message)
}

fn from_stdin() -> Result<String, Ending> {
    let mut raw = Vec::new();
    let failed =
        |error: &dyn std::fmt::Display| Ending::failure("read_error", format!("standard input: {error}"));
    std::io::stdin().lock().read_to_end(&mut raw).map_err(|error| failed(&error))?;
    let text = String::from_utf8(raw).map_err(|_| failed(&"it is no UTF-8"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
