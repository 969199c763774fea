//! The command in a prompt: a tool call, an answer of some length, or nothing special.

use serde_json::Value;

use super::request::{EngineRequest, content_text, content_texts, list};
use super::schema_sample::COMMAND_PARAMETERS;
use super::web_search;
use crate::simulator::provider::Provider;

/// What the last turn requests.
#[derive(Debug, PartialEq)]
pub(in crate::simulator) enum PromptCommand {
    /// Call these tools, with this command where a tool takes one.
    Call {
        /// Tool names, in order.
        names: Vec<String>,
        /// The command line after `Run`.
        command: Option<String>,
    },
    /// Comment on the tool results.
    ToolResults(String),
    /// So many words.
    Words(usize),
    /// So many bytes.
    Bytes(usize),
    /// Answer from what a search of the web found for this question.
    SearchAnswer(String),
    /// This text, and nothing else.
    Exactly(String),
    /// Repeat this.
    Echo(String),
}

/// The longest answer that a prompt can request.
const MAX_ANSWER_LENGTH: usize = 16 << 20;

/// Reads the command from the messages after the last assistant message. An assistant message to be continued
/// does not count.
pub(in crate::simulator) fn parse_prompt(provider: Provider, request: &EngineRequest) -> PromptCommand {
    let messages = request.messages();
    let messages = if answer_prefix(provider, request).is_some() {
        messages.split_last().map_or(messages, |(_, rest)| rest)
    } else {
        messages
    };
    let role = |message: &Value, role: &str| message.get("role").and_then(Value::as_str) == Some(role);
    let start = messages.iter().rposition(|message| role(message, "assistant")).map_or(0, |at| at + 1);
    let turn = messages.get(start..).unwrap_or_default();
    let last_result = turn.iter().rposition(|message| role(message, "tool"));
    let fresh = turn.get(last_result.map_or(0, |at| at + 1)..).unwrap_or_default();
    let texts: Vec<String> =
        fresh.iter().filter(|message| role(message, "user")).flat_map(content_texts).collect();

    if let Some(order) = web_search::search_command(provider, request) {
        return order;
    }
    if let Some(call) = parse_tool_call(request, &texts) {
        return call;
    }
    if let Some(length) = texts.iter().rev().find_map(|text| parse_length(text)) {
        return length;
    }
    if let Some(words) = texts.iter().rev().find_map(|text| parse_exact_reply(text)) {
        return PromptCommand::Exactly(words);
    }
    if last_result.is_some() {
        let results: Vec<_> = turn.iter().filter(|message| role(message, "tool")).map(content_text).collect();
        return PromptCommand::ToolResults(results.join("; "));
    }
    let said = texts.iter().rev().find(|text| !is_reminder(text)).or(texts.last());
    PromptCommand::Echo(said.cloned().unwrap_or_default())
}

/// Whether a client added this text before or after the user's own: such text is enclosed in tags (Claude Code
/// 2.1, Kimi Code 2.1 and `OpenClaw` 2026.9, seen 2026-11-21).
fn is_reminder(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('<') && text.ends_with('>')
}

/// The text that the answer is to go on from: the conversation ends with the assistant, which Moonshot and Kimi Code
/// take for that only with `partial: true` (Moonshot's API reference, 2026-09-23).
pub(in crate::simulator) fn answer_prefix(provider: Provider, request: &EngineRequest) -> Option<String> {
    let last = request.messages().last()?;
    let marked =
        provider == Provider::OpenRouter || last.get("partial").and_then(Value::as_bool) == Some(true);
    let speaks = marked && last.get("role").and_then(Value::as_str) == Some("assistant");
    (speaks && list(last.get("tool_calls")).is_empty()).then(|| content_text(last))
}

fn parse_tool_call(request: &EngineRequest, texts: &[String]) -> Option<PromptCommand> {
    let choice = request.non_null("tool_choice");
    if choice.and_then(Value::as_str) == Some("none") {
        return None;
    }
    let tools: Vec<(&str, &Value)> = request.tools().iter().filter_map(tool_name).collect();
    let command = texts.iter().find_map(|text| parse_command(text));
    if let Some(pinned) = choice.and_then(|choice| choice.pointer("/function/name")).and_then(Value::as_str) {
        return Some(PromptCommand::Call { names: vec![pinned.to_owned()], command });
    }
    let mut asked: Vec<(usize, usize, &str)> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        for (name, _) in &tools {
            asked.extend(find_mentions(text, name).map(|at| (index, at, *name)));
        }
    }
    asked.sort_unstable();
    if !asked.is_empty() {
        let names = asked.into_iter().map(|(_, _, name)| name.to_owned()).collect();
        return Some(PromptCommand::Call { names, command });
    }
    let shell = tools.iter().find(|(_, tool)| has_command_parameter(tool)).map(|(name, _)| *name);
    let first = tools.first().map(|(name, _)| *name);
    let chosen = match choice.and_then(Value::as_str) {
        Some("required") => shell.filter(|_| command.is_some()).or(first),
        _ => shell.filter(|_| command.is_some()),
    };
    chosen.map(|name| PromptCommand::Call { names: vec![name.to_owned()], command })
}

/// A tool's name, for one that can be called.
fn tool_name(tool: &Value) -> Option<(&str, &Value)> {
    Some((tool.pointer("/function/name")?.as_str()?, tool))
}

fn has_command_parameter(tool: &Value) -> bool {
    list(tool.pointer("/function/parameters/required"))
        .iter()
        .filter_map(Value::as_str)
        .any(|name| COMMAND_PARAMETERS.contains(&name))
}

/// The position of `call NAME` in the text, with NAME a whole word, unless the text says not to call it.
fn find_mentions<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices("call ").filter_map(move |(at, lead)| {
        let rest = text.get(at + lead.len()..)?.strip_prefix(name)?;
        let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        let forbidden = ["not ", "NOT ", "n't ", "never "]
            .iter()
            .any(|no| text.get(..at).is_some_and(|lead| lead.ends_with(no)));
        (ends && !name.is_empty() && !forbidden).then_some(at)
    })
}

/// The command in `Run echo …`, the prompt with which clients were captured: to the end of the line or a quote.
fn parse_command(text: &str) -> Option<String> {
    let at = text.find("Run echo ")?;
    let line = text.get(at + "Run ".len()..)?;
    let line = line.split(['\n', '\r', '"', '`']).next().unwrap_or_default();
    Some(line.trim().chars().take(200).collect())
}

/// Parses `Reply exactly: KIMI_LIVE_OK`, to the end of the line. OpenClaw's smoke test uses it to check that a
/// model follows instructions.
fn parse_exact_reply(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("Reply exactly: ").or_else(|| text.split_once("reply exactly: "))?;
    Some(rest.lines().next().unwrap_or_default().trim().to_owned())
}

/// `reply with 300 words`, `reply with 65536 bytes`.
fn parse_length(text: &str) -> Option<PromptCommand> {
    let rest = text.split_once("reply with ").or_else(|| text.split_once("Reply with "))?.1;
    let (number, rest) = rest.split_once(' ')?;
    let number = number.replace([',', '_'], "").parse::<usize>().ok()?.min(MAX_ANSWER_LENGTH);
    if rest.starts_with("word") {
        Some(PromptCommand::Words(number))
    } else if rest.starts_with("byte") {
        Some(PromptCommand::Bytes(number))
    } else {
        None
    }
}
