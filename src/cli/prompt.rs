//! Prompts on a terminal: answers are read from standard input, questions go to standard error.

use std::io::{IsTerminal, Write, stderr, stdin};

use clap::ValueEnum;
use inquire::validator::Validation;
use inquire::{Confirm, InquireError, Password, PasswordDisplayMode, Select, Text};

use super::command::CommandError;

/// Whether prompts are possible.
pub(super) fn is_available() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// The user left a prompt: exit 1.
pub(super) fn cancelled_error() -> CommandError {
    CommandError::failure("cancelled", "cancelled: nothing more was changed")
}

/// A prompt blocks; it runs on a thread of its own.
async fn run<T: Send + 'static>(
    prompt: impl FnOnce() -> Result<T, InquireError> + Send + 'static,
) -> Result<T, CommandError> {
    let Ok(answer) = tokio::task::spawn_blocking(prompt).await else { return Err(cancelled_error()) };
    answer.map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => cancelled_error(),
        error => CommandError::failure("terminal_error", format!("cannot prompt: {error}")),
    })
}

/// Prints a line before the next prompt.
pub(super) fn print_line(text: &str) {
    // If the line cannot be displayed, the prompt fails too.
    let _ = writeln!(stderr(), "{text}");
}

/// Selects one of several answers and returns its index.
pub(super) async fn select(question: &str, answers: Vec<String>) -> Result<usize, CommandError> {
    let question = question.to_owned();
    run(move || Select::new(&question, answers).without_filtering().raw_prompt().map(|chosen| chosen.index))
        .await
}

/// Selects one of the values of an option, shown by their help texts.
pub(super) async fn select_value<T: ValueEnum>(question: &str) -> Result<T, CommandError> {
    let values = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let labels = values.map(|value| value.get_help().map(ToString::to_string).unwrap_or_default());
    let index = select(question, labels.collect()).await?;
    T::value_variants().get(index).cloned().ok_or_else(cancelled_error)
}

/// Reads text without echo. An empty answer cancels.
pub(super) async fn read_secret(question: &str) -> Result<String, CommandError> {
    let question = question.to_owned();
    let secret = run(move || {
        let prompt = Password::new(&question).with_display_mode(PasswordDisplayMode::Hidden);
        prompt.without_confirmation().prompt()
    });
    let secret = secret.await?;
    if secret.trim().is_empty() { Err(cancelled_error()) } else { Ok(secret) }
}

/// Reads a line that is not empty.
pub(super) async fn read_text(question: &str, default: Option<String>) -> Result<String, CommandError> {
    let question = question.to_owned();
    let line = run(move || {
        let prompt = Text::new(&question).with_validator(|text: &str| {
            let is_empty = text.trim().is_empty();
            Ok(if is_empty {
                Validation::Invalid("enter a value; Esc cancels".into())
            } else {
                Validation::Valid
            })
        });
        match &default {
            Some(default) => prompt.with_default(default).prompt(),
            None => prompt.prompt(),
        }
    });
    line.await.map(|text| text.trim().to_owned())
}

/// Asks yes or no.
pub(super) async fn confirm(question: &str, default: bool) -> Result<bool, CommandError> {
    let question = question.to_owned();
    run(move || Confirm::new(&question).with_default(default).prompt()).await
}
