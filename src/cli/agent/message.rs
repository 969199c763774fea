//! What is asked: a flag, or standard input.

use std::io::{IsTerminal, Read};

use crate::cli::exit::CommandError;

/// # Errors
/// Exit 2 where nothing is asked, 1 where it cannot be read.
pub(super) fn read_message(flag: Option<&str>) -> Result<String, CommandError> {
    let message = match flag {
        Some("-") => read_stdin()?,
        Some(text) => text.to_owned(),
        None if std::io::stdin().is_terminal() => {
            return Err(CommandError::usage("nothing is asked: give --message TEXT, or a pipe"));
        }
        None => read_stdin()?,
    };
    if message.trim().is_empty() {
        return Err(CommandError::usage("the message is empty: give --message TEXT, or text in a pipe"));
    }
    Ok(message)
}

fn read_stdin() -> Result<String, CommandError> {
    let mut raw = Vec::new();
    let failed = |error: &dyn std::fmt::Display| {
        CommandError::failure("read_error", format!("standard input: {error}"))
    };
    std::io::stdin().lock().read_to_end(&mut raw).map_err(|error| failed(&error))?;
    let text = String::from_utf8(raw).map_err(|_| failed(&"it is no UTF-8"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
