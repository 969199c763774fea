//! An answer on the screen: thinking and text as they come, calls of tools as one line each.

use std::io;

use serde_json::Value;

use super::terminal::{ChatTerminal, Style};
use crate::assistant::command::ReasoningDisplay;
use crate::assistant::turn::TurnEvent;
use crate::cli::agent::terminal_text::sanitize;

/// See the module.
pub(super) struct AnswerView<'s> {
    screen: &'s mut ChatTerminal,
    reasoning: ReasoningDisplay,
    /// What was thought and not shown yet.
    buffered_thinking: String,
    /// What came last.
    last_kind: ContentKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ContentKind {
    Nothing,
    Thinking,
    Text,
}

impl<'s> AnswerView<'s> {
    /// Before anything came: with what one waits for.
    pub(super) fn new(
        screen: &'s mut ChatTerminal,
        reasoning: ReasoningDisplay,
        waiting: &str,
    ) -> io::Result<Self> {
        screen.show_status(waiting)?;
        Ok(Self { screen, reasoning, buffered_thinking: String::new(), last_kind: ContentKind::Nothing })
    }

    /// Shows what came.
    pub(super) fn show_event(&mut self, seen: &TurnEvent) -> io::Result<()> {
        match seen {
            TurnEvent::Text(text) => self.show_text(text),
            TurnEvent::Thinking(text) => self.show_thinking(text),
            TurnEvent::ToolCall { tool, arguments } => self.show_tool_call(tool, arguments),
            TurnEvent::NextRequest => {
                self.last_kind = ContentKind::Nothing;
                self.screen.show_status("thinking…")
            }
        }
    }

    fn show_text(&mut self, text: &str) -> io::Result<()> {
        // What models begin with after thinking is mostly empty lines.
        let text =
            if self.last_kind == ContentKind::Text { text } else { text.trim_start_matches(['\n', '\r']) };
        if text.is_empty() {
            return Ok(());
        }
        self.flush_thinking()?;
        if self.last_kind == ContentKind::Thinking && self.reasoning != ReasoningDisplay::Off {
            self.screen.end_line()?;
            self.screen.write_piece(Style::Plain, "\n")?;
        }
        self.last_kind = ContentKind::Text;
        self.screen.write_piece(Style::Plain, text)
    }

    fn show_thinking(&mut self, text: &str) -> io::Result<()> {
        if self.last_kind == ContentKind::Text {
            self.screen.end_line()?;
        }
        let begins = self.last_kind != ContentKind::Thinking;
        match self.reasoning {
            ReasoningDisplay::Off => return Ok(()),
            ReasoningDisplay::On => self.buffered_thinking.push_str(text),
            ReasoningDisplay::Stream => {
                let text = if begins { text.trim_start() } else { text };
                if begins && text.is_empty() {
                    return Ok(());
                }
                self.write_thinking_label(begins)?;
                self.screen.write_piece(Style::Dim, text)?;
            }
        }
        self.last_kind = ContentKind::Thinking;
        Ok(())
    }

    /// Shows what was kept back until it was whole.
    fn flush_thinking(&mut self) -> io::Result<()> {
        let thought = std::mem::take(&mut self.buffered_thinking);
        let thought = thought.trim();
        if thought.is_empty() {
            return Ok(());
        }
        self.write_thinking_label(true)?;
        self.screen.write_piece(Style::Dim, thought)
    }

    /// Without colours thinking looks like the answer.
    fn write_thinking_label(&mut self, begins: bool) -> io::Result<()> {
        if begins && !self.screen.uses_colour() {
            self.screen.write_piece(Style::Dim, "[thinking] ")
        } else {
            Ok(())
        }
    }

    fn show_tool_call(&mut self, tool: &str, arguments: &str) -> io::Result<()> {
        self.flush_thinking()?;
        self.last_kind = ContentKind::Nothing;
        self.screen.write_line(Style::Dim, &describe_call(tool, arguments))?;
        self.screen.show_status("waiting…")
    }

    /// The person has typed a line, and the terminal has shown it.
    pub(super) fn record_typed_line(&mut self) {
        self.screen.record_typed_line();
    }

    /// The answer is over, whole or not.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush_thinking()?;
        self.screen.end_line()
    }
}

/// `searching: weather in Beijing`.
fn describe_call(tool: &str, arguments: &str) -> String {
    let read = serde_json::from_str::<Value>(arguments).unwrap_or_default();
    match (tool, read.get("query").and_then(Value::as_str)) {
        ("web_search", Some(query)) => format!("searching: {}", single_line(query)),
        _ => format!("calling {}: {}", single_line(tool), single_line(arguments)),
    }
}

/// Of names and arguments.
fn single_line(text: &str) -> String {
    sanitize(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::terminal::tests::Paper;
    use super::*;

    fn printed(reasoning: ReasoningDisplay, seen: &[TurnEvent], is_terminal: bool) -> String {
        let paper = Paper::default();
        let mut screen = paper.screen(is_terminal);
        let mut shown = AnswerView::new(&mut screen, reasoning, "thinking…").unwrap();
        seen.iter().for_each(|seen| shown.show_event(seen).unwrap());
        shown.finish().unwrap();
        paper.text()
    }

    fn answer() -> Vec<TurnEvent> {
        let own = str::to_owned;
        let query = r#"{"query":"moon\nphase"}"#;
        vec![
            TurnEvent::Thinking(own("\nhm")),
            TurnEvent::Thinking(own("m")),
            TurnEvent::ToolCall { tool: own("web_search"), arguments: own(query) },
            TurnEvent::NextRequest,
            TurnEvent::Thinking(own("so")),
            TurnEvent::Text(own("\n\n")),
            TurnEvent::Text(own("It is\n\n")),
            TurnEvent::Text(own("full.\u{7}")),
        ]
    }

    #[test]
    fn thinking_is_shown_as_asked() {
        let end = "It is\n\nfull.␇\n";
        assert_eq!(printed(ReasoningDisplay::Off, &answer(), false), format!("searching: moon phase\n{end}"));
        let whole = format!("[thinking] hmm\nsearching: moon phase\n[thinking] so\n\n{end}");
        assert_eq!(printed(ReasoningDisplay::Stream, &answer(), false), whole);
        assert_eq!(printed(ReasoningDisplay::On, &answer(), false), whole);
    }

    #[test]
    fn a_terminal_has_it_dimmed_and_a_status_before_it() {
        let seen = [TurnEvent::Thinking("hm".to_owned()), TurnEvent::Text("Yes.".to_owned())];
        let status = "\x1b[0;2mthinking…\x1b[0m\r\x1b[K";
        assert_eq!(printed(ReasoningDisplay::Off, &seen, true), format!("{status}Yes.\n"));
        assert_eq!(
            printed(ReasoningDisplay::Stream, &seen, true),
            format!("{status}\x1b[0;2mhm\x1b[0m\n\nYes.\n")
        );
    }

    #[test]
    fn other_tools_are_named() {
        assert_eq!(describe_call("read", "{\"path\":\"a\"}"), "calling read: {\"path\":\"a\"}");
        assert_eq!(describe_call("web_search", "no json"), "calling web_search: no json");
    }
}
