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

use crate::engine::request::{EngineRequest, content_text, content_texts};
use crate::provider::Provider;
use crate::value::{fnv1a_hash, list, text};

/// What shell tools call the command that they run, alone or as a list of them (Claude Code, opencode, Kimi Code:
/// `command`; Codex: `cmd`; Cline: `commands`; their requests of 2026-11).
pub(super) const COMMAND_PARAMETERS: [&str; 3] = ["command", "cmd", "commands"];

/// What the last turn requests.
#[derive(Debug, PartialEq)]
pub(crate) enum PromptCommand {
    /// Call these tools in order, with this command where a tool takes one.
    Call {
        names: Vec<String>,
        command: Option<String>,
    },
    /// Comment on the tool results.
    ToolResults(String),
    Words(usize),
    Bytes(usize),
    /// Answer from the results of a web search for this question.
    SearchAnswer(String),
    /// This text, and nothing else.
    Exactly(String),
    Echo(String),
}

/// The longest answer that a prompt can request.
const MAX_ANSWER_LENGTH: usize = 16 << 20;

/// Reads the command from the messages after the last assistant message. An assistant message to be continued
/// does not count.
pub(crate) fn parse_prompt(provider: Provider, request: &EngineRequest) -> PromptCommand {
    let mut messages = request.messages();
    if let (Some(_), Some((_, rest))) = (answer_prefix(provider, request), messages.split_last()) {
        messages = rest;
    }
    let start = messages.iter().rposition(|message| message["role"] == "assistant").map_or(0, |at| at + 1);
    let turn = messages.get(start..).unwrap_or_default();
    let last_result = turn.iter().rposition(|message| message["role"] == "tool");
    let fresh = turn.get(last_result.map_or(0, |at| at + 1)..).unwrap_or_default();
    let texts: Vec<&str> =
        fresh.iter().filter(|message| message["role"] == "user").flat_map(content_texts).collect();
    let results: Vec<&str> =
        turn.iter().filter(|message| message["role"] == "tool").flat_map(content_texts).collect();
    // A result with a command asks for the next call, so that a loop has more than one.
    let continues_loop = texts.is_empty() && results.iter().any(|text| parse_command(text).is_some());

    let command = search_command(provider, request)
        .or_else(|| parse_tool_call(request, if continues_loop { &results } else { &texts }))
        .or_else(|| texts.iter().rev().find_map(|text| parse_length(text)))
        .or_else(|| texts.iter().rev().find_map(|text| parse_exact_reply(text)));
    command.unwrap_or_else(|| {
        if last_result.is_some() {
            let results = turn.iter().filter(|message| message["role"] == "tool").map(content_text);
            return PromptCommand::ToolResults(results.collect::<Vec<_>>().join("; "));
        }
        let own_text = texts.iter().rev().find(|text| !is_reminder(text)).or(texts.last());
        PromptCommand::Echo(own_text.copied().unwrap_or_default().to_owned())
    })
}

/// Whether a client added this text before or after the user's own: such text is enclosed in tags (Claude Code
/// 2.1, Kimi Code 2.1 and `OpenClaw` 2026.9, seen 2026-11-21).
fn is_reminder(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('<') && text.ends_with('>')
}

/// The beginning of the answer that the request contains: the conversation ends with the assistant, which Moonshot
/// and Kimi Code continue only with `partial: true` (Moonshot's API reference, 2026-09-23).
pub(crate) fn answer_prefix(provider: Provider, request: &EngineRequest) -> Option<String> {
    let last = request.messages().last()?;
    let is_marked = provider == Provider::OpenRouter || last["partial"] == true;
    let is_prefix = is_marked && last["role"] == "assistant" && list(&last["tool_calls"]).is_empty();
    is_prefix.then(|| content_text(last))
}

fn parse_tool_call(request: &EngineRequest, texts: &[&str]) -> Option<PromptCommand> {
    let choice = &request.body["tool_choice"];
    if choice == "none" {
        return None;
    }
    let name = |tool: &'_ Value| tool["function"]["name"].as_str().map(str::to_owned);
    let command = texts.iter().find_map(|text| parse_command(text));
    if let Some(pinned) = name(choice) {
        return Some(PromptCommand::Call { names: vec![pinned], command });
    }
    let mut mentions: Vec<(usize, usize, String)> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        for name in request.tools().iter().filter_map(name) {
            mentions.extend(find_mentions(text, &name).map(|at| (index, at, name.clone())));
        }
    }
    mentions.sort_unstable();
    if !mentions.is_empty() {
        return Some(PromptCommand::Call {
            names: mentions.into_iter().map(|(.., name)| name).collect(),
            command,
        });
    }
    let takes_command = |tool: &&Value| {
        let required = list(&tool["function"]["parameters"]["required"]);
        name(tool).is_some() && required.iter().any(|name| COMMAND_PARAMETERS.contains(&text(name)))
    };
    let shell = request.tools().iter().find(takes_command).filter(|_| command.is_some()).and_then(name);
    let first = || request.tools().iter().find_map(name).filter(|_| choice == "required");
    let chosen = shell.or_else(first)?;
    Some(PromptCommand::Call { names: vec![chosen], command })
}

/// The positions of `call NAME` in the text, with NAME a whole word, unless the text says not to call it.
fn find_mentions<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices("call ").filter_map(move |(at, lead)| {
        let rest = text.get(at + lead.len()..)?.strip_prefix(name)?;
        let is_whole = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        let before = text.get(..at)?;
        let is_forbidden = ["not ", "NOT ", "n't ", "never "].iter().any(|no| before.ends_with(no));
        (is_whole && !name.is_empty() && !is_forbidden).then_some(at)
    })
}

/// The command in `Run echo …`, the prompt with which clients were captured: to the end of the line or a quote.
fn parse_command(text: &str) -> Option<String> {
    let at = text.find("Run echo ")?;
    let line = text.get(at + "Run ".len()..)?.split(['\n', '\r', '"', '`']).next()?;
    Some(line.trim().chars().take(200).collect())
}

/// Parses `Reply exactly: KIMI_LIVE_OK`, to the end of the line. OpenClaw's smoke test uses it to check that a
/// model follows instructions.
fn parse_exact_reply(text: &str) -> Option<PromptCommand> {
    let (_, rest) = text.split_once("Reply exactly: ").or_else(|| text.split_once("reply exactly: "))?;
    Some(PromptCommand::Exactly(rest.lines().next().unwrap_or_default().trim().to_owned()))
}

/// `reply with 300 words`, `reply with 65536 bytes`.
fn parse_length(text: &str) -> Option<PromptCommand> {
    let rest = text.split_once("reply with ").or_else(|| text.split_once("Reply with "))?.1;
    let (number, unit) = rest.split_once(' ')?;
    let number = number.replace([',', '_'], "").parse::<usize>().ok()?.min(MAX_ANSWER_LENGTH);
    match unit {
        unit if unit.starts_with("word") => Some(PromptCommand::Words(number)),
        unit if unit.starts_with("byte") => Some(PromptCommand::Bytes(number)),
        _ => None,
    }
}

/// The name of Moonshot's builtin.
pub(crate) const WEB_SEARCH: &str = "$web_search";
/// Tokens of the results of one search.
const RESULT_TOKENS: u64 = 1200;
/// The beginning of every id of a simulated search.
pub(crate) const SEARCH_ID_PREFIX: &str = "sim-";

/// The command of a request whose only tool is this one: a search, and then the answer. `from memory` in the
/// question keeps the model from searching, `without end` from ever answering.
fn search_command(provider: Provider, request: &EngineRequest) -> Option<PromptCommand> {
    let [tool] = request.tools() else { return None };
    let is_search = provider == Provider::Moonshot && tool["function"]["name"] == WEB_SEARCH;
    let query = last_question(request);
    if !is_search || request.body["tool_choice"] == "none" || query.contains("from memory") {
        return None;
    }
    let mut turn = request.messages().iter().rev().take_while(|message| message["role"] != "user");
    if turn.any(|message| message["role"] == "tool") && !query.contains("without end") {
        return Some(PromptCommand::SearchAnswer(query));
    }
    Some(PromptCommand::Call { names: vec![WEB_SEARCH.to_owned()], command: None })
}

/// The arguments of the search of this number in a conversation, with the spaces that Moonshot writes.
pub(crate) fn search_arguments(request: &EngineRequest, number: usize) -> String {
    let hash = fnv1a_hash(&format!("{}{number}", last_question(request)));
    format!(
        "{{\"search_result\": {{\"search_id\": \"{SEARCH_ID_PREFIX}{hash:016x}\"}}, \"usage\": {{\"total_tokens\": \
         {RESULT_TOKENS}}}}}"
    )
}

/// The answer to a question, with its source pages.
pub(super) fn search_answer(query: &str) -> String {
    let page = fnv1a_hash(query) % 10_000;
    format!(
        "the web says of {query:?}: it is so [1], and has been for long [2].\n\n[1] https://news.example/{page}\n[2] \
         https://wiki.example/moon_(relay)"
    )
}

/// The tokens that the search results in the conversation add to its prompt.
pub(super) fn result_tokens(request: &EngineRequest) -> u64 {
    let results = request.messages().iter().filter(|message| message["name"] == WEB_SEARCH);
    results
        .filter_map(|message| {
            let arguments: Value = serde_json::from_str(&content_text(message)).ok()?;
            arguments["usage"]["total_tokens"].as_u64()
        })
        .sum()
}

/// The user's last text.
fn last_question(request: &EngineRequest) -> String {
    let mut messages = request.messages().iter().rev();
    messages.find(|message| message["role"] == "user").map(content_text).unwrap_or_default()
}
