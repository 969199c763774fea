//! `sessions show`.

use serde_json::{Value, json};

use super::choice::chosen;
use super::{failed, figure};
use crate::assistant::session::{Sessions, Total};
use crate::assistant::transcript::reader::Transcript;
use crate::assistant::transcript::{Block, Line, Message, Place, Said, Stop};
use crate::cli::console::Console;
use crate::cli::exit::Ending;
use crate::cli::usage::figure::counted;
use crate::cli::usage::screen::harmless;

/// Prints who said what.
pub(super) fn show(
    sessions: &Sessions,
    text: &str,
    thinking: bool,
    console: &mut Console<'_>,
) -> Result<(), Ending> {
    let id = chosen(sessions, text)?;
    let transcript = sessions.read(&id).map_err(failed)?.unwrap_or_default();
    if console.json {
        return console.print_json(&as_json(sessions, &id, &transcript));
    }
    console.line(as_text(&id, &transcript, thinking))
}

/// How often the person said something.
pub(super) fn turns(transcript: &Transcript) -> u64 {
    let is_turn = |entry: &&Line| matches!(entry, Line::Message { message: Message::User { .. }, .. });
    transcript.entries().iter().filter(is_turn).count() as u64
}

fn as_json(sessions: &Sessions, id: &str, transcript: &Transcript) -> Value {
    let header = transcript.header();
    let mut value = json!({
        "id": id,
        "path": sessions.path(id),
        "begun": header.map(|header| &header.timestamp),
        "cwd": header.map(|header| &header.cwd),
        "turns": turns(transcript),
    });
    if let Some(members) = value.as_object_mut() {
        members.extend(figure::members(&Total::of(transcript.entries())));
        members.insert("entries".to_owned(), json!(transcript.entries()));
        members.insert("brokenLines".to_owned(), json!(transcript.broken()));
        members.insert("otherLines".to_owned(), json!(transcript.foreign()));
    }
    value
}

fn as_text(id: &str, transcript: &Transcript, thinking: bool) -> String {
    let mut parts = vec![format!("Session {id}{}", origin(transcript))];
    parts.push(figure::summary(turns(transcript), &Total::of(transcript.entries())));
    for entry in transcript.entries() {
        parts.extend(entry_text(entry, thinking));
    }
    parts.extend(notes(transcript));
    parts.join("\n")
}

/// `, begun 2026-11-22 00:21:51 in /home/x`.
fn origin(transcript: &Transcript) -> String {
    let Some(header) = transcript.header() else { return String::new() };
    let place = if header.cwd.is_empty() { String::new() } else { format!(" in {}", harmless(&header.cwd)) };
    format!(", begun {}{place}", figure::moment(&header.timestamp))
}

/// What is not shown.
pub(super) fn notes(transcript: &Transcript) -> Vec<String> {
    let mut notes = Vec::new();
    let numbers: Vec<String> = transcript.broken().iter().map(ToString::to_string).collect();
    if !numbers.is_empty() {
        let lines = counted(numbers.len() as u64, "line");
        notes.push(format!("\nNot shown: {lines} that cannot be read (number {}).", numbers.join(", ")));
    }
    if transcript.foreign() > 0 {
        let lines = counted(transcript.foreign() as u64, "line");
        notes.push(format!("\nNot shown: {lines} of kinds that are not known here."));
    }
    notes
}

fn entry_text(entry: &Line, thinking: bool) -> Option<String> {
    let (at, text) = match entry {
        Line::Session { .. } => return None,
        Line::ModelChange { at, provider, model_id } => {
            (at, format!("model: {}", figure::model(provider, model_id)))
        }
        Line::ThinkingLevelChange { at, thinking_level } => {
            (at, format!("thinking: {}", harmless(thinking_level)))
        }
        Line::Compaction { at, summary, .. } if summary.is_empty() => {
            (at, "what stands above is forgotten".to_owned())
        }
        Line::Compaction { at, summary, tokens_before } => {
            let before = counted(*tokens_before, "token");
            (at, format!("what stands above ({before}) is told again as\n{}", indented(summary)))
        }
        Line::Message { at, message } => (at, message_text(message, thinking)),
    };
    Some(format!("\n[{}] {text}", clock(at)))
}

fn clock(at: &Place) -> String {
    figure::moment(&at.timestamp)
}

fn message_text(message: &Message, thinking: bool) -> String {
    match message {
        Message::User { content, .. } => with_blocks("you".to_owned(), content, thinking),
        Message::Assistant(said) => with_blocks(title(said), &said.content, thinking) + &ending(said),
        Message::ToolResult { tool_name, content, is_error, .. } => {
            let failed = if *is_error { ", which failed" } else { "" };
            with_blocks(format!("result of {}{failed}", harmless(tool_name)), content, thinking)
        }
    }
}

fn title(said: &Said) -> String {
    let who = figure::model(&said.provider, &said.model);
    match &said.usage {
        Some(usage) => format!("{who} ({})", figure::spent(usage)),
        None => who,
    }
}

fn ending(said: &Said) -> String {
    match end(said) {
        Some(end) => format!("\n  ({})", harmless(&end)),
        None => String::new(),
    }
}

/// How an answer ended, where that was not well.
pub(super) fn end(said: &Said) -> Option<String> {
    let why = said.error_message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    match said.stop_reason {
        Stop::Stop | Stop::ToolUse => None,
        Stop::Length => Some(format!("cut at the limit of its length{why}")),
        Stop::Error => Some(format!("failed{why}")),
        Stop::Aborted => Some(format!("stopped{why}")),
    }
}

fn with_blocks(title: String, blocks: &[Block], thinking: bool) -> String {
    let block = |block: &Block| match block {
        Block::Text { text } => Some(indented(text)),
        Block::Thinking { thinking: text, .. } if thinking => {
            Some(format!("  (thinking)\n{}", indented(text)))
        }
        Block::Thinking { .. } => None,
        Block::ToolCall { name, arguments, .. } => {
            Some(format!("  calls {} with {}", harmless(name), harmless(&arguments.to_string())))
        }
    };
    std::iter::once(title).chain(blocks.iter().filter_map(block)).collect::<Vec<_>>().join("\n")
}

/// Text of others in its lines, without what a terminal would obey.
fn indented(text: &str) -> String {
    let line = |line: &str| format!("  {}", harmless(&line.replace('\t', "    "))).trim_end().to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
