//! A session as Markdown, for people who read or pass it on.

use super::figure;
use super::show::{end, notes, turns};
use crate::assistant::session::Total;
use crate::assistant::transcript::reader::Transcript;
use crate::assistant::transcript::{Block, Line, Message, Said};
use crate::cli::usage::screen::harmless;

/// All of it. Moments are in UTC, as the reader may be elsewhere.
pub(super) fn page(id: &str, transcript: &Transcript, thinking: bool) -> String {
    let begun = transcript.header().map_or("", |header| header.timestamp.as_str());
    let summary = figure::summary(turns(transcript), &Total::of(transcript.entries()));
    let mut parts = vec![format!("# Session {id}"), format!("Begun {}. {summary}.", harmless(begun))];
    for entry in transcript.entries() {
        parts.extend(part(entry, thinking));
    }
    parts.extend(notes(transcript).iter().map(|note| format!("*{}*", note.trim())));
    parts.join("\n\n") + "\n"
}

fn part(entry: &Line, thinking: bool) -> Vec<String> {
    match entry {
        Line::Session { .. } => Vec::new(),
        Line::ModelChange { provider, model_id, .. } => {
            vec![format!("*Model: {}*", code(&figure::model(provider, model_id)))]
        }
        Line::ThinkingLevelChange { thinking_level, .. } => {
            vec![format!("*Thinking: {}*", harmless(thinking_level))]
        }
        Line::Compaction { summary, .. } if summary.is_empty() => {
            vec!["*What stands above is forgotten.*".to_owned()]
        }
        Line::Compaction { summary, .. } => {
            vec!["## Summary of what stands above".to_owned(), lines(summary)]
        }
        Line::Message { message: Message::User { content, .. }, .. } => {
            [vec!["## You".to_owned()], blocks(content, thinking)].concat()
        }
        Line::Message { message: Message::Assistant(said), .. } => answer(said, thinking),
        Line::Message { message: Message::ToolResult { tool_name, content, is_error, .. }, .. } => {
            let failed = if *is_error { ", which failed" } else { "" };
            [vec![format!("### Result of {}{failed}", code(tool_name))], blocks(content, thinking)].concat()
        }
    }
}

fn answer(said: &Said, thinking: bool) -> Vec<String> {
    let mut parts = vec![format!("## {}", figure::model(&said.provider, &said.model))];
    parts.extend(blocks(&said.content, thinking));
    parts.extend(end(said).map(|end| format!("*({})*", harmless(&end))));
    parts.extend(said.usage.as_ref().map(|usage| format!("*{}*", figure::spent(usage))));
    parts
}

fn blocks(blocks: &[Block], thinking: bool) -> Vec<String> {
    let block = |block: &Block| match block {
        Block::Text { text } => Some(lines(text)),
        Block::Thinking { thinking: text, .. } if thinking => {
            Some(lines(text).lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n"))
        }
        Block::Thinking { .. } => None,
        Block::ToolCall { name, arguments, .. } => {
            Some(format!("Calls {} with {}", code(name), code(&arguments.to_string())))
        }
    };
    blocks.iter().filter_map(block).collect()
}

/// In one line, between more backticks than stand in it.
fn code(text: &str) -> String {
    let text = harmless(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    let gap = if longest > 0 { " " } else { "" };
    format!("{ticks}{gap}{text}{gap}{ticks}")
}

/// As it was written, but for what a terminal would obey.
fn lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(harmless).collect::<Vec<_>>().join("\t");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
