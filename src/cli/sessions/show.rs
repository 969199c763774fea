//! A session as text for a terminal, as Markdown, and as JSON.

use serde_json::{Value, json};

use super::cost_json;
use crate::assistant::session::{SessionStore, SessionUsage};
use crate::assistant::transcript::reader::Transcript;
use crate::assistant::transcript::{
    AnswerUsage, AssistantMessage, ContentBlock, StopReason, TranscriptLine, TranscriptMessage,
};
use crate::cli::output::{
    NO_PRICE, format_costs, format_count, format_session_total, format_time, format_tokens, sanitize,
    sanitize_line,
};

/// JSON with all entries.
pub(super) fn as_json(sessions: &SessionStore, id: &str, transcript: &Transcript) -> Value {
    let header = transcript.header();
    let usage = SessionUsage::from_entries(transcript.entries());
    json!({
        "id": id,
        "path": sessions.path(id),
        "begun": header.map(|header| &header.timestamp),
        "cwd": header.map(|header| &header.cwd),
        "turns": count_turns(transcript),
        "tokens": usage.tokens,
        "cost": cost_json(&usage),
        "unpriced": usage.unpriced_answers,
        "entries": transcript.entries(),
        "brokenLines": transcript.corrupt_lines(),
        "otherLines": transcript.unknown_line_count(),
    })
}

/// Text for a terminal, with local times.
pub(super) fn as_text(id: &str, transcript: &Transcript, thinking: bool) -> String {
    let origin = transcript.header().map_or_else(String::new, |header| {
        let directory = match header.cwd.as_str() {
            "" => String::new(),
            directory => format!(" in {}", sanitize_line(directory)),
        };
        format!(", started {}{directory}", format_time(&header.timestamp))
    });
    let mut parts = vec![format!("Session {id}{origin}\n{}", totals(transcript))];
    parts.extend(transcript.entries().iter().filter_map(|entry| {
        let section = Section::new(entry, thinking, sanitize_line)?;
        let usage = section.usage.map(|usage| format!(" ({})", format_usage(usage))).unwrap_or_default();
        let mut lines = vec![format!("[{}] {}{usage}", format_time(section.time), section.title)];
        for part in section.parts {
            let (label, text) = match part {
                Part::Text(text) => ("", text),
                Part::Thinking(text) => ("  (thinking)\n", text),
                Part::Call(name, arguments) => ("", format!("calls {name} with {arguments}")),
            };
            lines.push(format!("{label}{}", indent(&text.replace('\t', "    "), "  ")));
        }
        lines.extend(section.ending.map(|ending| format!("  ({ending})")));
        Some(lines.join("\n"))
    }));
    parts.extend(hidden_notes(transcript));
    parts.join("\n\n")
}

/// Markdown, for reading and sharing. Times are in UTC, because the reader may be elsewhere.
pub(super) fn as_markdown(id: &str, transcript: &Transcript, thinking: bool) -> String {
    let started = transcript.header().map_or("", |header| header.timestamp.as_str());
    let mut parts = vec![
        format!("# Session {id}"),
        format!("Started {}. {}.", sanitize_line(started), totals(transcript)),
    ];
    for section in transcript.entries().iter().filter_map(|entry| Section::new(entry, thinking, inline_code))
    {
        parts.push(match section.kind {
            SectionKind::Note => format!("*{}*", section.title),
            SectionKind::Message => format!("## {}", section.title),
            SectionKind::ToolResult => format!("### {}", section.title),
        });
        parts.extend(section.parts.into_iter().map(|part| match part {
            Part::Text(text) => text,
            Part::Thinking(text) => indent(&text, "> "),
            Part::Call(name, arguments) => {
                format!("Calls {} with {}", inline_code(&name), inline_code(&arguments))
            }
        }));
        parts.extend(section.ending.map(|ending| format!("*({ending})*")));
        parts.extend(section.usage.map(|usage| format!("*{}*", format_usage(usage))));
    }
    parts.extend(hidden_notes(transcript).iter().map(|note| format!("*{note}*")));
    parts.join("\n\n") + "\n"
}

/// One entry of a transcript. Texts are sanitized.
struct Section<'t> {
    kind: SectionKind,
    time: &'t str,
    title: String,
    parts: Vec<Part>,
    /// How an answer ended, if it is not complete.
    ending: Option<String>,
    usage: Option<&'t AnswerUsage>,
}

enum SectionKind {
    Note,
    Message,
    ToolResult,
}

enum Part {
    Text(String),
    Thinking(String),
    /// A tool and its arguments.
    Call(String, String),
}

impl<'t> Section<'t> {
    /// `name` renders the name of a model or a tool.
    fn new(entry: &'t TranscriptLine, thinking: bool, name: fn(&str) -> String) -> Option<Self> {
        let time = entry.meta()?.timestamp.as_str();
        let section = |kind, title| Self { kind, time, title, parts: Vec::new(), ending: None, usage: None };
        Some(match entry {
            TranscriptLine::Session { .. } => return None,
            TranscriptLine::ModelChange { provider, model_id, .. } => {
                section(SectionKind::Note, format!("Model: {}", name(&model_name(provider, model_id))))
            }
            TranscriptLine::ThinkingLevelChange { thinking_level, .. } => {
                section(SectionKind::Note, format!("Thinking: {}", sanitize_line(thinking_level)))
            }
            TranscriptLine::Compaction { summary, .. } if summary.is_empty() => {
                section(SectionKind::Note, "Context reset".to_owned())
            }
            TranscriptLine::Compaction { summary, tokens_before, .. } => {
                let before = format_count(*tokens_before, "token");
                let title = format!("Summary of the conversation above ({before})");
                Self { parts: vec![Part::Text(sanitize(summary))], ..section(SectionKind::Message, title) }
            }
            TranscriptLine::Message { message, .. } => match message {
                TranscriptMessage::User { content, .. } => Self {
                    parts: read_parts(content, thinking),
                    ..section(SectionKind::Message, "You".to_owned())
                },
                TranscriptMessage::Assistant(answer) => Self {
                    parts: read_parts(&answer.content, thinking),
                    ending: ending(answer),
                    usage: answer.usage.as_ref(),
                    ..section(
                        SectionKind::Message,
                        sanitize_line(&model_name(&answer.provider, &answer.model)),
                    )
                },
                TranscriptMessage::ToolResult { tool_name, content, is_error, .. } => {
                    let failed = if *is_error { " (failed)" } else { "" };
                    let title = format!("Result of {}{failed}", name(tool_name));
                    Self { parts: read_parts(content, thinking), ..section(SectionKind::ToolResult, title) }
                }
            },
        })
    }
}

fn read_parts(content: &[ContentBlock], thinking: bool) -> Vec<Part> {
    let part = |block: &ContentBlock| match block {
        ContentBlock::Text { text } => Some(Part::Text(sanitize(text).trim_end().to_owned())),
        ContentBlock::Thinking { thinking: text, .. } => thinking.then(|| Part::Thinking(sanitize(text))),
        ContentBlock::ToolCall { name, arguments, .. } => {
            Some(Part::Call(sanitize_line(name), sanitize_line(&arguments.to_string())))
        }
    };
    content.iter().filter_map(part).collect()
}

fn ending(answer: &AssistantMessage) -> Option<String> {
    let what = match answer.stop_reason {
        StopReason::Stop | StopReason::ToolUse => return None,
        StopReason::Length => "cut off at the output limit",
        StopReason::Error => "failed",
        StopReason::Aborted => "stopped",
    };
    let why = answer.error_message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Some(sanitize_line(&format!("{what}{why}")))
}

fn count_turns(transcript: &Transcript) -> u64 {
    let is_turn = |entry: &&TranscriptLine| {
        matches!(entry, TranscriptLine::Message { message: TranscriptMessage::User { .. }, .. })
    };
    transcript.entries().iter().filter(is_turn).count() as u64
}

fn totals(transcript: &Transcript) -> String {
    let usage = SessionUsage::from_entries(transcript.entries());
    format!("{}, {}", format_count(count_turns(transcript), "turn"), format_session_total(&usage))
}

/// `600 in, 400 cached, 200 out, 0.001434 USD`.
fn format_usage(usage: &AnswerUsage) -> String {
    let cost = usage.cost.map_or_else(|| NO_PRICE.to_owned(), |cost| format_costs(&[cost]));
    format!("{}, {cost}", format_tokens(usage))
}

/// `moonshot/kimi-k2.6`; without a provider if no model answered, or for `default`.
fn model_name(provider: &str, model: &str) -> String {
    if provider.is_empty() { model.to_owned() } else { format!("{provider}/{model}") }
}

/// What is not shown.
fn hidden_notes(transcript: &Transcript) -> Vec<String> {
    let numbers: Vec<String> = transcript.corrupt_lines().iter().map(ToString::to_string).collect();
    let corrupt = (!numbers.is_empty()).then(|| {
        let lines = format_count(numbers.len() as u64, "unreadable line");
        format!("Not shown: {lines} (number {}).", numbers.join(", "))
    });
    let unknown = transcript.unknown_line_count() as u64;
    let unknown =
        (unknown > 0).then(|| format!("Not shown: {} of an unknown kind.", format_count(unknown, "line")));
    corrupt.into_iter().chain(unknown).collect()
}

/// Markdown code, with more backticks around the text than it contains in sequence.
fn inline_code(text: &str) -> String {
    let text = sanitize_line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    let gap = if longest > 0 { " " } else { "" };
    format!("{ticks}{gap}{text}{gap}{ticks}")
}

fn indent(text: &str, margin: &str) -> String {
    text.lines().map(|line| format!("{margin}{line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
