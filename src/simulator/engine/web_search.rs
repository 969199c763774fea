//! Moonshot's builtin `$web_search`: the model calls it, the caller returns the arguments unchanged, and the
//! answer is based on the results.
//!
//! Sources: Moonshot's guide to web search (<https://platform.kimi.ai/docs/guide/use-web-search>: the
//! declaration, the echo, thinking switched off) and its prices (<https://platform.kimi.ai/docs/pricing/tools>:
//! `usage.total_tokens` of the arguments is what the results add to the next prompt), 2026-09. The id of a
//! search replaces its results.

use serde_json::Value;

use super::answer::fnv1a_hash;
use super::prompt_command::PromptCommand;
use super::request::{EngineRequest, content_text, list};
use crate::simulator::error_response::ErrorResponse;
use crate::simulator::provider::Provider;

/// Its name.
pub(in crate::simulator) const WEB_SEARCH: &str = "$web_search";
/// What the results of one search weigh, in tokens.
const RESULT_TOKENS: u64 = 1200;
/// The beginning of every id of a search here.
const SEARCH_ID_PREFIX: &str = "sim-";

/// The command of a request whose only tool is this one: a search, and then the answer. `from memory` in the
/// question keeps the model from searching, `without end` from ever answering.
pub(in crate::simulator) fn search_command(
    provider: Provider,
    request: &EngineRequest,
) -> Option<PromptCommand> {
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
pub(in crate::simulator) fn search_arguments(request: &EngineRequest, number: usize) -> String {
    let id = search_id(&last_question(request), number);
    format!(
        "{{\"search_result\": {{\"search_id\": \"{id}\"}}, \"usage\": {{\"total_tokens\": {RESULT_TOKENS}}}}}"
    )
}

/// The answer to a question, with its source pages.
pub(in crate::simulator) fn search_answer(query: &str) -> String {
    let page = fnv1a_hash(query) % 10_000;
    format!(
        "the web says of {query:?}: it is so [1], and has been for long [2].\n\n[1] https://news.example/{page}\n[2] \
         https://wiki.example/moon_(relay)"
    )
}

/// What the results that the conversation refers to add to its prompt.
pub(in crate::simulator) fn result_tokens(request: &EngineRequest) -> u64 {
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
pub(in crate::simulator) fn check_results(
    provider: Provider,
    request: &EngineRequest,
) -> Result<(), ErrorResponse> {
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
