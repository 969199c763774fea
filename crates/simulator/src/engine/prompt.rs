//! The command in a prompt: a tool call, an answer of some length, or nothing special.
//!
//! Moonshot's builtin `$web_search`: the model calls it, the caller returns the arguments unchanged, and the
//! answer is based on the results.
//!
//! Sources: Moonshot's guide to web search (<https://platform.kimi.ai/docs/guide/use-web-search>: the
//! declaration, the echo, thinking switched off) and its prices (<https://platform.kimi.ai/docs/pricing/tools>:
//! `usage.total_tokens` of the arguments is what the results add to the next prompt), 2026-09. The id of a
//! search replaces its results.

use serde_json::Value;

use crate::engine::fnv1a_hash;
use crate::engine::list;
use crate::engine::request::{EngineRequest, content_text, content_texts};
use crate::error_response::ErrorResponse;
use crate::provider::Provider;

/// What shell tools call the command that they run, alone or as a list of them (Claude Code, opencode, Kimi Code:
/// `command`; Codex: `cmd`; Cline: `commands`; their requests of 2026-11).
pub(super) const COMMAND_PARAMETERS: [&str; 3] = ["command", "cmd", "commands"];

/// What the last turn requests.
#[derive(Debug, PartialEq)]
pub(crate) enum PromptCommand {
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
pub(crate) fn parse_prompt(provider: Provider, request: &EngineRequest) -> PromptCommand {
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

    if let Some(order) = search_command(provider, request) {
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
pub(crate) fn answer_prefix(provider: Provider, request: &EngineRequest) -> Option<String> {
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

/// Its name.
pub(crate) const WEB_SEARCH: &str = "$web_search";
/// What the results of one search weigh, in tokens.
const RESULT_TOKENS: u64 = 1200;
/// The beginning of every id of a search here.
const SEARCH_ID_PREFIX: &str = "sim-";

/// The command of a request whose only tool is this one: a search, and then the answer. `from memory` in the
/// question keeps the model from searching, `without end` from ever answering.
pub(crate) fn search_command(provider: Provider, request: &EngineRequest) -> Option<PromptCommand> {
    let [tool] = request.tools() else { return None };
    let is_search = provider == Provider::Moonshot && function_name(tool) == Some(WEB_SEARCH);
    let forbidden = request.non_null("tool_choice").and_then(Value::as_str) == Some("none");
    let query = last_question(request);
    if !is_search || forbidden || query.contains("from memory") {
        return None;
    }
    let behind = request.messages().iter().rev().take_while(|message| !has_role(message, "user"));
    let has_found = behind.into_iter().any(|message| has_role(message, "tool"));
    if has_found && !query.contains("without end") {
        return Some(PromptCommand::SearchAnswer(query));
    }
    Some(PromptCommand::Call { names: vec![WEB_SEARCH.to_owned()], command: None })
}

/// The arguments of the search of this number in a conversation, with the spaces that Moonshot writes.
pub(crate) fn search_arguments(request: &EngineRequest, number: usize) -> String {
    let id = search_id(&last_question(request), number);
    format!(
        "{{\"search_result\": {{\"search_id\": \"{id}\"}}, \"usage\": {{\"total_tokens\": {RESULT_TOKENS}}}}}"
    )
}

/// The answer to a question, with its source pages.
pub(crate) fn search_answer(query: &str) -> String {
    let page = fnv1a_hash(query) % 10_000;
    format!(
        "the web says of {query:?}: it is so [1], and has been for long [2].\n\n[1] https://news.example/{page}\n[2] \
         https://wiki.example/moon_(relay)"
    )
}

/// What the results that the conversation refers to add to its prompt.
pub(crate) fn result_tokens(request: &EngineRequest) -> u64 {
    let weight = |message: &Value| {
        let is_search = message.get("name").and_then(Value::as_str) == Some(WEB_SEARCH);
        let arguments: Value = serde_json::from_str(&content_text(message)).ok().filter(|_| is_search)?;
        arguments.pointer("/usage/total_tokens")?.as_u64()
    };
    request.messages().iter().filter_map(weight).sum()
}

/// The arguments come back byte for byte, or the search that they name is not found. The text of the refusal is ours.
///
/// # Errors
/// When a result holds anything else.
pub(crate) fn check_results(provider: Provider, request: &EngineRequest) -> Result<(), ErrorResponse> {
    let messages = request.messages();
    let calls = messages.iter().flat_map(|message| list(message.get("tool_calls")));
    let searches = calls.filter(|call| function_name(call) == Some(WEB_SEARCH));
    for call in searches {
        let id = call.get("id");
        let reply =
            messages.iter().find(|message| has_role(message, "tool") && message.get("tool_call_id") == id);
        let said = reply.map(content_text);
        let arguments = call.pointer("/function/arguments").and_then(Value::as_str);
        if said.is_some() && said.as_deref() != arguments {
            let text = "the tool message of $web_search must hold the arguments of its call";
            return Err(ErrorResponse::invalid_request(provider, text));
        }
        if let Some(unknown) = arguments
            .filter(|text| text.contains(SEARCH_ID_PREFIX))
            .filter(|text| !is_known_arguments(request, text))
        {
            return Err(ErrorResponse::invalid_request(provider, format!("search not found: {unknown}")));
        }
    }
    Ok(())
}

/// Whether these are arguments that a search of this conversation had.
fn is_known_arguments(request: &EngineRequest, text: &str) -> bool {
    (0..=request.past_tool_calls()).any(|number| search_arguments(request, number) == text)
}

fn search_id(query: &str, number: usize) -> String {
    format!("{SEARCH_ID_PREFIX}{:016x}", fnv1a_hash(&format!("{query}{number}")))
}

fn function_name(holder: &Value) -> Option<&str> {
    holder.pointer("/function/name").and_then(Value::as_str)
}

fn has_role(message: &Value, role: &str) -> bool {
    message.get("role").and_then(Value::as_str) == Some(role)
}

/// The question: the user's last text.
fn last_question(request: &EngineRequest) -> String {
    request
        .messages()
        .iter()
        .rev()
        .find(|message| has_role(message, "user"))
        .map(content_text)
        .unwrap_or_default()
}
