//! A session as Markdown, for reading and sharing.

use super::session_format;
use super::show::{count_turns, hidden_notes, stop_text};
use crate::assistant::session::SessionUsage;
use crate::assistant::transcript::reader::Transcript;
use crate::assistant::transcript::{AssistantMessage, ContentBlock, TranscriptLine, TranscriptMessage};
use crate::cli::usage::output_style::sanitize_line;

/// All of it. Moments are in UTC, as the reader may be elsewhere.
pub(super) fn render_page(id: &str, transcript: &Transcript, thinking: bool) -> String {
    let begun = transcript.header().map_or("", |header| header.timestamp.as_str());
    let summary = session_format::format_summary(
        count_turns(transcript),
        &SessionUsage::from_entries(transcript.entries()),
    );
    let mut parts = vec![format!("# Session {id}"), format!("Begun {}. {summary}.", sanitize_line(begun))];
    for entry in transcript.entries() {
        parts.extend(render_entry(entry, thinking));
    }
    parts.extend(hidden_notes(transcript).iter().map(|note| format!("*{}*", note.trim())));
    parts.join("\n\n") + "\n"
}

fn render_entry(entry: &TranscriptLine, thinking: bool) -> Vec<String> {
    match entry {
        TranscriptLine::Session { .. } => Vec::new(),
        TranscriptLine::ModelChange { provider, model_id, .. } => {
            vec![format!("*Model: {}*", inline_code(&session_format::model_name(provider, model_id)))]
        }
        TranscriptLine::ThinkingLevelChange { thinking_level, .. } => {
            vec![format!("*Thinking: {}*", sanitize_line(thinking_level))]
        }
        TranscriptLine::Compaction { summary, .. } if summary.is_empty() => {
            vec!["*What stands above is forgotten.*".to_owned()]
        }
        TranscriptLine::Compaction { summary, .. } => {
            vec!["## Summary of what stands above".to_owned(), sanitize_lines(summary)]
        }
        TranscriptLine::Message { message: TranscriptMessage::User { content, .. }, .. } => {
            [vec!["## You".to_owned()], render_blocks(content, thinking)].concat()
        }
        TranscriptLine::Message { message: TranscriptMessage::Assistant(said), .. } => {
            render_answer(said, thinking)
        }
        TranscriptLine::Message {
            message: TranscriptMessage::ToolResult { tool_name, content, is_error, .. },
            ..
        } => {
            let failed = if *is_error { ", which failed" } else { "" };
            [
                vec![format!("### Result of {}{failed}", inline_code(tool_name))],
                render_blocks(content, thinking),
            ]
            .concat()
        }
    }
}

fn render_answer(said: &AssistantMessage, thinking: bool) -> Vec<String> {
    let mut parts = vec![format!("## {}", session_format::model_name(&said.provider, &said.model))];
    parts.extend(render_blocks(&said.content, thinking));
    parts.extend(stop_text(said).map(|end| format!("*({})*", sanitize_line(&end))));
    parts.extend(said.usage.as_ref().map(|usage| format!("*{}*", session_format::format_usage(usage))));
    parts
}

fn render_blocks(blocks: &[ContentBlock], thinking: bool) -> Vec<String> {
    let block = |block: &ContentBlock| match block {
        ContentBlock::Text { text } => Some(sanitize_lines(text)),
        ContentBlock::Thinking { thinking: text, .. } if thinking => {
            Some(sanitize_lines(text).lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n"))
        }
        ContentBlock::Thinking { .. } => None,
        ContentBlock::ToolCall { name, arguments, .. } => {
            Some(format!("Calls {} with {}", inline_code(name), inline_code(&arguments.to_string())))
        }
    };
    blocks.iter().filter_map(block).collect()
}

/// In one line, between more backticks than stand in it.
fn inline_code(text: &str) -> String {
    let text = sanitize_line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    let gap = if longest > 0 { " " } else { "" };
    format!("{ticks}{gap}{text}{gap}{ticks}")
}

/// As it was written, but for what a terminal would obey.
fn sanitize_lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(sanitize_line).collect::<Vec<_>>().join("\t");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
