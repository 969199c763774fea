//! What helps to type: completion, hints, and how the prompt looks.

use std::borrow::Cow;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use crate::assistant::command::{ArgumentKind, COMMANDS, CommandSpec};

/// What can be completed at this moment.
#[derive(Default)]
pub(super) struct ChatHelper {
    /// Names of models.
    pub(super) models: Vec<String>,
    /// Thinking levels of the requested model.
    pub(super) levels: Vec<String>,
}

/// Greyed text behind the cursor.
pub(super) struct InlineHint {
    text: String,
    /// What the right arrow takes of it.
    accepted_len: usize,
}

impl rustyline::hint::Hint for InlineHint {
    fn display(&self) -> &str {
        &self.text
    }

    fn completion(&self) -> Option<&str> {
        self.text.get(..self.accepted_len).filter(|text| !text.is_empty())
    }
}

impl ChatHelper {
    /// The start of the word before the cursor, and its completions.
    fn candidates(&self, before: &str) -> (usize, Vec<String>) {
        let Some(command) = before.strip_prefix('/').filter(|command| !command.starts_with('/')) else {
            return (0, Vec::new());
        };
        let Some((name, argument)) = command.split_once(char::is_whitespace) else {
            let rows = COMMANDS.iter().filter(|row| starts_with_ignore_case(row.name, command));
            let gap = |row: &CommandSpec| if row.argument == ArgumentKind::NoArgument { "" } else { " " };
            return (0, rows.map(|row| format!("/{}{}", row.name, gap(row))).collect());
        };
        let word = argument.trim_start();
        let Some(row) = CommandSpec::find(name).filter(|_| !word.contains(char::is_whitespace)) else {
            return (0, Vec::new());
        };
        let fits = |known: &&String| {
            starts_with_ignore_case(known, word)
                || known.split('/').any(|part| starts_with_ignore_case(part, word))
        };
        let found: Vec<String> = match row.argument {
            ArgumentKind::NoArgument => Vec::new(),
            ArgumentKind::Model => self.models.iter().filter(fits).cloned().collect(),
            ArgumentKind::ThinkingLevel => self.levels.iter().filter(fits).cloned().collect(),
            ArgumentKind::Choice(words) => words
                .iter()
                .filter(|known| starts_with_ignore_case(known, word))
                .map(ToString::to_string)
                .collect(),
        };
        (before.len() - word.len(), found)
    }

    /// The remainder of a command's name, then its arguments and effect.
    fn hint_for(typed: &str) -> Option<InlineHint> {
        let command = typed.strip_prefix('/').filter(|command| !command.is_empty())?;
        if let Some(name) = command.strip_suffix(' ') {
            let row = CommandSpec::find(name)?;
            return Some(InlineHint { text: row.arguments.to_owned(), accepted_len: 0 });
        }
        // If several commands match, Tab lists them, and a hint would obstruct the list.
        let mut rows = COMMANDS.iter().filter(|row| starts_with_ignore_case(row.name, command));
        let (Some(row), None) = (rows.next(), rows.next()) else { return None };
        let rest = row.name.get(command.len()..).unwrap_or_default();
        let arguments = row.usage_line().split_once(' ').map(|(_, arguments)| format!(" {arguments}"));
        let shown = format!("{rest}{}  {}", arguments.unwrap_or_default(), row.help);
        Some(InlineHint { accepted_len: rest.len(), text: shown })
    }
}

fn starts_with_ignore_case(known: &str, typed: &str) -> bool {
    known.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed))
}

impl Completer for ChatHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Self::Candidate>)> {
        Ok(self.candidates(line.get(..at).unwrap_or(line)))
    }
}

impl Hinter for ChatHelper {
    type Hint = InlineHint;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<InlineHint> {
        if at == line.len() { Self::hint_for(line) } else { None }
    }
}

impl Highlighter for ChatHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        if default { Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m")) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[2m{hint}\x1b[0m"))
    }
}

impl Validator for ChatHelper {}

impl Helper for ChatHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    fn assist() -> ChatHelper {
        let own = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        ChatHelper {
            models: own(&["kimi", "default", "moonshot/kimi-k3", "openrouter/auto"]),
            levels: own(&["off", "on"]),
        }
    }

    #[test]
    fn commands_models_and_levels_are_completed() {
        let found = |before: &str| assist().candidates(before);
        assert_eq!(found("/mo"), (0, vec!["/model ".to_owned(), "/models".to_owned()]));
        assert_eq!(found("/st"), (0, vec!["/status".to_owned(), "/stop".to_owned()]));
        assert_eq!(found("/model au"), (7, vec!["openrouter/auto".to_owned()]));
        assert_eq!(found("/model KIMI").1, ["kimi", "moonshot/kimi-k3"]);
        assert_eq!(found("/new  def"), (6, vec!["default".to_owned()]));
        assert_eq!(found("/think o").1, ["off", "on"]);
        assert_eq!(found("/usage t").1, ["tokens"]);
        for nothing in ["mo", "//mo", "/nonsense x", "/stop x", "/model kimi k", "/modé", ""] {
            assert!(found(nothing).1.is_empty(), "{nothing}");
        }
    }

    #[test]
    fn a_hint_ends_the_name_and_says_what_it_takes() {
        let grey =
            |typed: &str| ChatHelper::hint_for(typed).map(|grey| (grey.text.clone(), grey.accepted_len));
        assert_eq!(
            grey("/compa").unwrap(),
            ("ct  put a summary in the place of what was said".to_owned(), 2)
        );
        assert_eq!(grey("/think ").unwrap(), ("[LEVEL|default]".to_owned(), 0));
        assert_eq!(grey("/exit ").unwrap().1, 0);
        for nothing in ["/", "hello", "/世", "/model", "/st"] {
            assert!(grey(nothing).is_none(), "{nothing}");
        }
    }
}
