//! What helps to type: completion, hints, and how the prompt looks.

use std::borrow::Cow;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use crate::assistant::command::{Row, TABLE, Takes};

/// What can be completed at this moment.
#[derive(Default)]
pub(super) struct Assist {
    /// Names of models.
    pub(super) models: Vec<String>,
    /// Levels of thinking of the model that is asked.
    pub(super) levels: Vec<String>,
}

/// Greyed text behind the cursor.
pub(super) struct Grey {
    shown: String,
    /// What the right arrow takes of it.
    taken: usize,
}

impl rustyline::hint::Hint for Grey {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.shown.get(..self.taken).filter(|text| !text.is_empty())
    }
}

impl Assist {
    /// Where the word begins that stands before the cursor, and what it may become.
    fn candidates(&self, before: &str) -> (usize, Vec<String>) {
        let Some(command) = before.strip_prefix('/').filter(|command| !command.starts_with('/')) else {
            return (0, Vec::new());
        };
        let Some((name, argument)) = command.split_once(char::is_whitespace) else {
            let rows = TABLE.iter().filter(|row| starts(row.name, command));
            let gap = |row: &Row| if row.takes == Takes::Nothing { "" } else { " " };
            return (0, rows.map(|row| format!("/{}{}", row.name, gap(row))).collect());
        };
        let word = argument.trim_start();
        let Some(row) = Row::named(name).filter(|_| !word.contains(char::is_whitespace)) else {
            return (0, Vec::new());
        };
        let fits = |known: &&String| starts(known, word) || known.split('/').any(|part| starts(part, word));
        let found: Vec<String> = match row.takes {
            Takes::Nothing => Vec::new(),
            Takes::Model => self.models.iter().filter(fits).cloned().collect(),
            Takes::Level => self.levels.iter().filter(fits).cloned().collect(),
            Takes::Words(words) => {
                words.iter().filter(|known| starts(known, word)).map(ToString::to_string).collect()
            }
        };
        (before.len() - word.len(), found)
    }

    /// The rest of a command's name, then what it takes and does.
    fn grey(typed: &str) -> Option<Grey> {
        let command = typed.strip_prefix('/').filter(|command| !command.is_empty())?;
        if let Some(name) = command.strip_suffix(' ') {
            let row = Row::named(name)?;
            return Some(Grey { shown: row.arguments.to_owned(), taken: 0 });
        }
        // Where several are meant, Tab lists them, and a hint would stay in the way of the list.
        let mut rows = TABLE.iter().filter(|row| starts(row.name, command));
        let (Some(row), None) = (rows.next(), rows.next()) else { return None };
        let rest = row.name.get(command.len()..).unwrap_or_default();
        let arguments = row.usage().split_once(' ').map(|(_, arguments)| format!(" {arguments}"));
        let shown = format!("{rest}{}  {}", arguments.unwrap_or_default(), row.help);
        Some(Grey { taken: rest.len(), shown })
    }
}

fn starts(known: &str, typed: &str) -> bool {
    known.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed))
}

impl Completer for Assist {
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

impl Hinter for Assist {
    type Hint = Grey;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<Grey> {
        if at == line.len() { Self::grey(line) } else { None }
    }
}

impl Highlighter for Assist {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        if default { Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m")) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[2m{hint}\x1b[0m"))
    }
}

impl Validator for Assist {}

impl Helper for Assist {}

#[cfg(test)]
mod tests {
    use super::*;

    fn assist() -> Assist {
        let own = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Assist {
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
        let grey = |typed: &str| Assist::grey(typed).map(|grey| (grey.shown.clone(), grey.taken));
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
