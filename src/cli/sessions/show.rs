//! `sessions show`.

use serde_json::{Value, json};

use super::session_id::resolve_id;
use super::{session_error, session_format};
use crate::assistant::session::{SessionStore, SessionUsage};
use crate::assistant::transcript::reader::Transcript;
use crate::assistant::transcript::{
    AssistantMessage, ContentBlock, EntryMeta, StopReason, TranscriptLine, TranscriptMessage,
};
use crate::cli::console::Console;
use crate::cli::exit::CommandError;
use crate::cli::usage::number_format::format_count;
use crate::cli::usage::output_style::sanitize_line;

/// Prints the messages with their authors.
pub(super) fn show(
    sessions: &SessionStore,
    text: &str,
    thinking: bool,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let id = resolve_id(sessions, text)?;
    let transcript = sessions.read(&id).map_err(session_error)?.unwrap_or_default();
    if console.json {
        return console.print_json(&as_json(sessions, &id, &transcript));
    }
    console.print_line(as_text(&id, &transcript, thinking))
}

/// How often the person said something.
pub(super) fn count_turns(transcript: &Transcript) -> u64 {
    let is_turn = |entry: &&TranscriptLine| {
        matches!(entry, TranscriptLine::Message { message: TranscriptMessage::User { .. }, .. })
    };
    transcript.entries().iter().filter(is_turn).count() as u64
}

fn as_json(sessions: &SessionStore, id: &str, transcript: &Transcript) -> Value {
    let header = transcript.header();
    let mut value = json!({
        "id": id,
        "path": sessions.path(id),
        "begun": header.map(|header| &header.timestamp),
        "cwd": header.map(|header| &header.cwd),
        "turns": count_turns(transcript),
    });
    if let Some(members) = value.as_object_mut() {
        members.extend(session_format::total_json(&SessionUsage::from_entries(transcript.entries())));
        members.insert("entries".to_owned(), json!(transcript.entries()));
        members.insert("brokenLines".to_owned(), json!(transcript.corrupt_lines()));
        members.insert("otherLines".to_owned(), json!(transcript.unknown_line_count()));
    }
    value
}

fn as_text(id: &str, transcript: &Transcript, thinking: bool) -> String {
    let mut parts = vec![format!("Session {id}{}", origin_text(transcript))];
    parts.push(session_format::format_summary(
        count_turns(transcript),
        &SessionUsage::from_entries(transcript.entries()),
    ));
    for entry in transcript.entries() {
        parts.extend(entry_text(entry, thinking));
    }
    parts.extend(hidden_notes(transcript));
    parts.join("\n")
}

/// `, begun 2026-11-22 00:21:51 in /home/x`.
fn origin_text(transcript: &Transcript) -> String {
    let Some(header) = transcript.header() else { return String::new() };
    let place =
        if header.cwd.is_empty() { String::new() } else { format!(" in {}", sanitize_line(&header.cwd)) };
    format!(", begun {}{place}", session_format::format_time(&header.timestamp))
}

/// What is not shown.
pub(super) fn hidden_notes(transcript: &Transcript) -> Vec<String> {
    let mut notes = Vec::new();
    let numbers: Vec<String> = transcript.corrupt_lines().iter().map(ToString::to_string).collect();
    if !numbers.is_empty() {
        let lines = format_count(numbers.len() as u64, "line");
        notes.push(format!("\nNot shown: {lines} that cannot be read (number {}).", numbers.join(", ")));
    }
    if transcript.unknown_line_count() > 0 {
        let lines = format_count(transcript.unknown_line_count() as u64, "line");
        notes.push(format!("\nNot shown: {lines} of kinds that are not known here."));
    }
    notes
}

fn entry_text(entry: &TranscriptLine, thinking: bool) -> Option<String> {
    let (at, text) = match entry {
        TranscriptLine::Session { .. } => return None,
        TranscriptLine::ModelChange { meta: at, provider, model_id } => {
            (at, format!("model: {}", session_format::model_name(provider, model_id)))
        }
        TranscriptLine::ThinkingLevelChange { meta: at, thinking_level } => {
            (at, format!("thinking: {}", sanitize_line(thinking_level)))
        }
        TranscriptLine::Compaction { meta: at, summary, .. } if summary.is_empty() => {
            (at, "what stands above is forgotten".to_owned())
        }
        TranscriptLine::Compaction { meta: at, summary, tokens_before } => {
            let before = format_count(*tokens_before, "token");
            (at, format!("what stands above ({before}) is told again as\n{}", indent(summary)))
        }
        TranscriptLine::Message { meta: at, message } => (at, message_text(message, thinking)),
    };
    Some(format!("\n[{}] {text}", entry_time(at)))
}

fn entry_time(at: &EntryMeta) -> String {
    session_format::format_time(&at.timestamp)
}

fn message_text(message: &TranscriptMessage, thinking: bool) -> String {
    match message {
        TranscriptMessage::User { content, .. } => render_message("you".to_owned(), content, thinking),
        TranscriptMessage::Assistant(said) => {
            render_message(answer_title(said), &said.content, thinking) + &ending_text(said)
        }
        TranscriptMessage::ToolResult { tool_name, content, is_error, .. } => {
            let failed = if *is_error { ", which failed" } else { "" };
            render_message(format!("result of {}{failed}", sanitize_line(tool_name)), content, thinking)
        }
    }
}

fn answer_title(said: &AssistantMessage) -> String {
    let who = session_format::model_name(&said.provider, &said.model);
    match &said.usage {
        Some(usage) => format!("{who} ({})", session_format::format_usage(usage)),
        None => who,
    }
}

fn ending_text(said: &AssistantMessage) -> String {
    match stop_text(said) {
        Some(end) => format!("\n  ({})", sanitize_line(&end)),
        None => String::new(),
    }
}

/// How an answer ended, where that was not well.
pub(super) fn stop_text(said: &AssistantMessage) -> Option<String> {
    let why = said.error_message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    match said.stop_reason {
        StopReason::Stop | StopReason::ToolUse => None,
        StopReason::Length => Some(format!("cut at the limit of its length{why}")),
        StopReason::Error => Some(format!("failed{why}")),
        StopReason::Aborted => Some(format!("stopped{why}")),
    }
}

fn render_message(title: String, blocks: &[ContentBlock], thinking: bool) -> String {
    let block = |block: &ContentBlock| match block {
        ContentBlock::Text { text } => Some(indent(text)),
        ContentBlock::Thinking { thinking: text, .. } if thinking => {
            Some(format!("  (thinking)\n{}", indent(text)))
        }
        ContentBlock::Thinking { .. } => None,
        ContentBlock::ToolCall { name, arguments, .. } => {
            Some(format!("  calls {} with {}", sanitize_line(name), sanitize_line(&arguments.to_string())))
        }
    };
    std::iter::once(title).chain(blocks.iter().filter_map(block)).collect::<Vec<_>>().join("\n")
}

/// Text of others in its lines, without what a terminal would obey.
fn indent(text: &str) -> String {
    let line = |line: &str| format!("  {}", sanitize_line(&line.replace('\t', "    "))).trim_end().to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
