//! Questions on the terminal. Each blocks a thread of its own, so that Ctrl-C ends the command and not only the question.

use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, Input, Select};

use super::terminal::Terminal;
use crate::cli::exit::Ending;

/// Nothing was changed: exit 1.
pub(super) fn cancelled() -> Ending {
    Ending::failure("cancelled", "cancelled: nothing more is changed")
}

async fn ask<T: Send + 'static>(
    question: impl FnOnce(&ColorfulTheme) -> dialoguer::Result<T> + Send + 'static,
) -> Result<T, Ending> {
    let asked = tokio::task::spawn_blocking(move || question(&ColorfulTheme::default())).await;
    let Ok(answer) = asked else { return Err(cancelled()) };
    answer.map_err(|dialoguer::Error::IO(error)| match error.kind() {
        std::io::ErrorKind::Interrupted => cancelled(),
        _ => Ending::failure("terminal_error", format!("cannot ask: {error}")),
    })
}

/// One of several; the number of the chosen one. Esc cancels.
pub(super) async fn select(question: &str, answers: Vec<String>) -> Result<usize, Ending> {
    let question = question.to_owned();
    let chosen = ask(move |theme| {
        Select::with_theme(theme).with_prompt(question).items(answers).default(0).interact_opt()
    });
    chosen.await?.ok_or_else(cancelled)
}

/// Text without echo; nothing at all cancels.
pub(super) async fn secret(question: &str) -> Result<String, Ending> {
    let question = question.to_owned();
    let given = ask(move |_| Ok(Terminal::read_hidden(&question)?)).await?;
    if given.trim().is_empty() { Err(cancelled()) } else { Ok(given) }
}

/// A line.
pub(super) async fn text(question: &str, default: Option<String>) -> Result<String, Ending> {
    let question = question.to_owned();
    let given = ask(move |theme| {
        let input = Input::<String>::with_theme(theme).with_prompt(question);
        match default {
            Some(default) => input.default(default).interact_text(),
            None => input.interact_text(),
        }
    });
    given.await.map(|text| text.trim().to_owned())
}

/// Yes or no.
pub(super) async fn confirm(question: &str, default: bool) -> Result<bool, Ending> {
    let question = question.to_owned();
    ask(move |theme| Confirm::with_theme(theme).with_prompt(question).default(default).interact()).await
}
