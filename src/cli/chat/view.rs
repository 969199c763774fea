//! Displays an answer as it arrives: thinking, text, and one line for each tool call.

use std::io;

use serde_json::Value;

use crate::assistant::command::ReasoningDisplay;
use crate::assistant::turn::TurnEvent;
use crate::cli::output::{AnswerWriter, Colour, sanitize};

/// An answer in progress.
pub(super) struct AnswerView<'w> {
    writer: &'w mut AnswerWriter,
    reasoning: ReasoningDisplay,
    /// Thinking that is shown once it is complete.
    buffered_thinking: String,
    last_kind: ContentKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ContentKind {
    Nothing,
    Thinking,
    Text,
}

impl<'w> AnswerView<'w> {
    /// Shows a status until the first event.
    pub(super) fn new(
        writer: &'w mut AnswerWriter,
        reasoning: ReasoningDisplay,
        status: &str,
    ) -> io::Result<Self> {
        writer.show_status(status)?;
        Ok(Self { writer, reasoning, buffered_thinking: String::new(), last_kind: ContentKind::Nothing })
    }

    pub(super) fn show_event(&mut self, event: &TurnEvent) -> io::Result<()> {
        match event {
            TurnEvent::Text(text) => self.show_text(text),
            TurnEvent::Thinking(text) => self.show_thinking(text),
            TurnEvent::ToolCall { tool, arguments } => {
                self.flush_thinking()?;
                self.last_kind = ContentKind::Nothing;
                self.writer.write_line(Colour::Dim, &describe_call(tool, arguments))?;
                self.writer.show_status("waiting…")
            }
            TurnEvent::NextRequest => {
                self.last_kind = ContentKind::Nothing;
                self.writer.show_status("thinking…")
            }
        }
    }

    fn show_text(&mut self, text: &str) -> io::Result<()> {
        // After thinking, models often begin with empty lines.
        let text =
            if self.last_kind == ContentKind::Text { text } else { text.trim_start_matches(['\n', '\r']) };
        if text.is_empty() {
            return Ok(());
        }
        self.flush_thinking()?;
        if self.last_kind == ContentKind::Thinking && self.reasoning != ReasoningDisplay::Off {
            self.writer.end_line()?;
            self.writer.write_piece(Colour::Plain, "\n")?;
        }
        self.last_kind = ContentKind::Text;
        self.writer.write_piece(Colour::Plain, text)
    }

    fn show_thinking(&mut self, text: &str) -> io::Result<()> {
        if self.last_kind == ContentKind::Text {
            self.writer.end_line()?;
        }
        let is_first = self.last_kind != ContentKind::Thinking;
        match self.reasoning {
            ReasoningDisplay::Off => return Ok(()),
            ReasoningDisplay::On => self.buffered_thinking.push_str(text),
            ReasoningDisplay::Stream => {
                let text = if is_first { text.trim_start() } else { text };
                if is_first && text.is_empty() {
                    return Ok(());
                }
                self.write_thinking(is_first, text)?;
            }
        }
        self.last_kind = ContentKind::Thinking;
        Ok(())
    }

    fn flush_thinking(&mut self) -> io::Result<()> {
        let thinking = std::mem::take(&mut self.buffered_thinking);
        match thinking.trim() {
            "" => Ok(()),
            thinking => self.write_thinking(true, thinking),
        }
    }

    /// Without colours, a label distinguishes thinking from the answer.
    fn write_thinking(&mut self, is_first: bool, text: &str) -> io::Result<()> {
        if is_first && !self.writer.use_colour {
            self.writer.write_piece(Colour::Dim, "[thinking] ")?;
        }
        self.writer.write_piece(Colour::Dim, text)
    }

    /// See [`AnswerWriter::record_typed_line`].
    pub(super) const fn record_typed_line(&mut self) {
        self.writer.record_typed_line();
    }

    /// Ends the answer, complete or not.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush_thinking()?;
        self.writer.end_line()
    }
}

/// `searching: weather in Beijing`.
pub(super) fn describe_call(tool: &str, arguments: &str) -> String {
    let single_line = |text: &str| sanitize(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let read = serde_json::from_str::<Value>(arguments).unwrap_or_default();
    match (tool, read.get("query").and_then(Value::as_str)) {
        ("web_search", Some(query)) => format!("searching: {}", single_line(query)),
        _ => format!("calling {}: {}", single_line(tool), single_line(arguments)),
    }
}
