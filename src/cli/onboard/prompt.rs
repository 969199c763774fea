//! Questions on the terminal. Each blocks a thread of its own, so that Ctrl-C ends the command and not only the question.

use std::io::Write;

use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, Input, Select};

use super::saved_terminal::SavedTerminal;
use crate::cli::exit::CommandError;

/// Nothing was changed: exit 1.
pub(super) fn cancelled_error() -> CommandError {
    CommandError::failure("cancelled", "cancelled: nothing more is changed")
}

async fn run_prompt<T: Send + 'static>(
    question: impl FnOnce(&ColorfulTheme) -> dialoguer::Result<T> + Send + 'static,
) -> Result<T, CommandError> {
    let asked = tokio::task::spawn_blocking(move || question(&ColorfulTheme::default())).await;
    let Ok(answer) = asked else { return Err(cancelled_error()) };
    answer.map_err(|dialoguer::Error::IO(error)| match error.kind() {
        std::io::ErrorKind::Interrupted => cancelled_error(),
        _ => CommandError::failure("terminal_error", format!("cannot ask: {error}")),
    })
}

/// A line before the next question, where the questions are.
pub(super) fn print_line(text: &str) {
    // If the line cannot be displayed, the question cannot be answered either.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One of several; the number of the chosen one. Esc cancels.
pub(super) async fn select(question: &str, answers: Vec<String>) -> Result<usize, CommandError> {
    let question = question.to_owned();
    let chosen = run_prompt(move |theme| {
        Select::with_theme(theme).with_prompt(question).items(answers).default(0).interact_opt()
    });
    chosen.await?.ok_or_else(cancelled_error)
}

/// Text without echo; nothing at all cancels.
pub(super) async fn read_secret(question: &str) -> Result<String, CommandError> {
    let question = question.to_owned();
    let given = run_prompt(move |_| Ok(SavedTerminal::read_hidden(&question)?)).await?;
    if given.trim().is_empty() { Err(cancelled_error()) } else { Ok(given) }
}

/// A line.
pub(super) async fn read_text(question: &str, default: Option<String>) -> Result<String, CommandError> {
    let question = question.to_owned();
    let given = run_prompt(move |theme| {
        let input = Input::<String>::with_theme(theme).with_prompt(question);
        match default {
            Some(default) => input.default(default).interact_text(),
            None => input.interact_text(),
        }
    });
    given.await.map(|text| text.trim().to_owned())
}

/// Yes or no.
pub(super) async fn confirm(question: &str, default: bool) -> Result<bool, CommandError> {
    let question = question.to_owned();
    run_prompt(move |theme| Confirm::with_theme(theme).with_prompt(question).default(default).interact())
        .await
}
