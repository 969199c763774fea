//! An answer on the screen: thinking and text as they come, calls of tools as one line each.

use std::io;

use serde_json::Value;

use super::screen::{Look, Screen};
use crate::assistant::command::Reasoning;
use crate::assistant::turn::Seen;
use crate::cli::agent::plain::harmless;

/// See the module.
pub(super) struct Shown<'s> {
    screen: &'s mut Screen,
    reasoning: Reasoning,
    /// What was thought and not shown yet.
    thought: String,
    /// What came last.
    last: Last,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Thinking,
    Text,
}

impl<'s> Shown<'s> {
    /// Before anything came: with what one waits for.
    pub(super) fn new(screen: &'s mut Screen, reasoning: Reasoning, waiting: &str) -> io::Result<Self> {
        screen.status(waiting)?;
        Ok(Self { screen, reasoning, thought: String::new(), last: Last::Nothing })
    }

    /// Shows what came.
    pub(super) fn see(&mut self, seen: &Seen) -> io::Result<()> {
        match seen {
            Seen::Text(text) => self.text(text),
            Seen::Thinking(text) => self.thinking(text),
            Seen::Calls { tool, arguments } => self.calls(tool, arguments),
            Seen::Again => {
                self.last = Last::Nothing;
                self.screen.status("thinking…")
            }
        }
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        // What models begin with after thinking is mostly empty lines.
        let text = if self.last == Last::Text { text } else { text.trim_start_matches(['\n', '\r']) };
        if text.is_empty() {
            return Ok(());
        }
        self.thought()?;
        if self.last == Last::Thinking && self.reasoning != Reasoning::Off {
            self.screen.end()?;
            self.screen.piece(Look::Plain, "\n")?;
        }
        self.last = Last::Text;
        self.screen.piece(Look::Plain, text)
    }

    fn thinking(&mut self, text: &str) -> io::Result<()> {
        if self.last == Last::Text {
            self.screen.end()?;
        }
        let begins = self.last != Last::Thinking;
        match self.reasoning {
            Reasoning::Off => return Ok(()),
            Reasoning::On => self.thought.push_str(text),
            Reasoning::Stream => {
                let text = if begins { text.trim_start() } else { text };
                if begins && text.is_empty() {
                    return Ok(());
                }
                self.label(begins)?;
                self.screen.piece(Look::Dim, text)?;
            }
        }
        self.last = Last::Thinking;
        Ok(())
    }

    /// Shows what was kept back until it was whole.
    fn thought(&mut self) -> io::Result<()> {
        let thought = std::mem::take(&mut self.thought);
        let thought = thought.trim();
        if thought.is_empty() {
            return Ok(());
        }
        self.label(true)?;
        self.screen.piece(Look::Dim, thought)
    }

    /// Without colours thinking looks like the answer.
    fn label(&mut self, begins: bool) -> io::Result<()> {
        if begins && !self.screen.has_colours() {
            self.screen.piece(Look::Dim, "[thinking] ")
        } else {
            Ok(())
        }
    }

    fn calls(&mut self, tool: &str, arguments: &str) -> io::Result<()> {
        self.thought()?;
        self.last = Last::Nothing;
        self.screen.line(Look::Dim, &call(tool, arguments))?;
        self.screen.status("waiting…")
    }

    /// The person has typed a line, and the terminal has shown it.
    pub(super) fn typed_a_line(&mut self) {
        self.screen.typed_a_line();
    }

    /// The answer is over, whole or not.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.thought()?;
        self.screen.end()
    }
}

/// `searching: weather in Beijing`.
fn call(tool: &str, arguments: &str) -> String {
    let read = serde_json::from_str::<Value>(arguments).unwrap_or_default();
    match (tool, read.get("query").and_then(Value::as_str)) {
        ("web_search", Some(query)) => format!("searching: {}", in_one_line(query)),
        _ => format!("calling {}: {}", in_one_line(tool), in_one_line(arguments)),
    }
}

/// Of names and arguments.
fn in_one_line(text: &str) -> String {
    harmless(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::screen::tests::Paper;
    use super::*;

    fn printed(reasoning: Reasoning, seen: &[Seen], is_terminal: bool) -> String {
        let paper = Paper::default();
        let mut screen = paper.screen(is_terminal);
        let mut shown = Shown::new(&mut screen, reasoning, "thinking…").unwrap();
        seen.iter().for_each(|seen| shown.see(seen).unwrap());
        shown.end().unwrap();
        paper.text()
    }

    fn answer() -> Vec<Seen> {
        let own = str::to_owned;
        let query = r#"{"query":"moon\nphase"}"#;
        vec![
            Seen::Thinking(own("\nhm")),
            Seen::Thinking(own("m")),
            Seen::Calls { tool: own("web_search"), arguments: own(query) },
            Seen::Again,
            Seen::Thinking(own("so")),
            Seen::Text(own("\n\n")),
            Seen::Text(own("It is\n\n")),
            Seen::Text(own("full.\u{7}")),
        ]
    }

    #[test]
    fn thinking_is_shown_as_asked() {
        let end = "It is\n\nfull.␇\n";
        assert_eq!(printed(Reasoning::Off, &answer(), false), format!("searching: moon phase\n{end}"));
        let whole = format!("[thinking] hmm\nsearching: moon phase\n[thinking] so\n\n{end}");
        assert_eq!(printed(Reasoning::Stream, &answer(), false), whole);
        assert_eq!(printed(Reasoning::On, &answer(), false), whole);
    }

    #[test]
    fn a_terminal_has_it_dimmed_and_a_status_before_it() {
        let seen = [Seen::Thinking("hm".to_owned()), Seen::Text("Yes.".to_owned())];
        let status = "\x1b[0;2mthinking…\x1b[0m\r\x1b[K";
        assert_eq!(printed(Reasoning::Off, &seen, true), format!("{status}Yes.\n"));
        assert_eq!(printed(Reasoning::Stream, &seen, true), format!("{status}\x1b[0;2mhm\x1b[0m\n\nYes.\n"));
    }

    #[test]
    fn other_tools_are_named() {
        assert_eq!(call("read", "{\"path\":\"a\"}"), "calling read: {\"path\":\"a\"}");
        assert_eq!(call("web_search", "no json"), "calling web_search: no json");
    }
}
