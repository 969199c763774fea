//! The answer to a prompt: the same request always gets the same one.

use serde_json::{Value, json};

use super::prompt_command::{self, PromptCommand};
use super::request::{EngineRequest, list};
use super::{ResponseContext, schema_sample, web_search};
use crate::simulator::models::CallIdFormat;
use crate::simulator::rules;

/// How much of the prompt an answer repeats, in characters.
const MAX_ECHO_CHARS: usize = 200;

/// What long answers are made of. Not only ASCII, so that cuts at any byte also fall inside a character.
const WORDS: [&str; 12] =
    ["the", "moon", "relays", "every", "word", "naïvely", "in", "order", "月光", "and", "never", "twice🌒"];

/// One tool call.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct ToolCall {
    pub(in crate::simulator) id: String,
    pub(in crate::simulator) name: String,
    /// JSON text.
    pub(in crate::simulator) arguments: String,
}

/// Tokens, about four bytes each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::simulator) struct TokenUsage {
    pub(in crate::simulator) prompt: u64,
    /// Of those, read from the cache.
    pub(in crate::simulator) cached: u64,
    /// Output, reasoning included.
    pub(in crate::simulator) completion: u64,
    /// Of those, reasoning.
    pub(in crate::simulator) reasoning: u64,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct SimulatedAnswer {
    /// Empty when the model does not think.
    pub(in crate::simulator) reasoning: String,
    pub(in crate::simulator) text: String,
    pub(in crate::simulator) calls: Vec<ToolCall>,
    /// `stop`, `length` or `tool_calls`.
    pub(in crate::simulator) finish_reason: &'static str,
    /// The stop sequence that ended it, if one did.
    pub(in crate::simulator) stop_sequence: Option<String>,
    pub(in crate::simulator) usage: TokenUsage,
}

/// Composes the answer. If the request contains the beginning of the answer and `goes_on` is set, only the
/// remainder.
pub(in crate::simulator) fn compose(
    exchange: &ResponseContext,
    request: &EngineRequest,
    goes_on: bool,
) -> SimulatedAnswer {
    let order = prompt_command::parse_prompt(exchange.provider, request);
    let mut reasoning = String::new();
    if rules::is_thinking(exchange.model, request) {
        reasoning = reasoning_text(&order);
    }
    let mut answer = SimulatedAnswer {
        reasoning,
        text: answer_text(exchange, request, &order),
        calls: tool_calls(exchange, request, order),
        finish_reason: "stop",
        stop_sequence: None,
        usage: TokenUsage {
            prompt: request.prompt_tokens() + web_search::result_tokens(request),
            cached: 0,
            completion: 0,
            reasoning: 0,
        },
    };
    if !answer.calls.is_empty() {
        answer.finish_reason = "tool_calls";
    }
    if let Some(begun) = prompt_command::answer_prefix(exchange.provider, request).filter(|_| goes_on) {
        continue_answer(&mut answer, &begun, exchange);
    }
    truncate_at_stop(&mut answer, request);
    truncate_at_limit(&mut answer, request.max_tokens());
    update_usage(&mut answer);
    answer
}

/// Puts the token counts right. Whole blocks of 256 prompt tokens count as read from the cache.
pub(in crate::simulator) fn update_usage(answer: &mut SimulatedAnswer) {
    let calls: usize = answer.calls.iter().map(|call| call.name.len() + call.arguments.len()).sum();
    let usage = &mut answer.usage;
    usage.cached = usage.prompt / 256 * 256;
    usage.reasoning = tokens_from_bytes(answer.reasoning.len());
    usage.completion = usage.reasoning + tokens_from_bytes(answer.text.len()) + tokens_from_bytes(calls);
}

fn tokens_from_bytes(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

fn reasoning_text(order: &PromptCommand) -> String {
    match order {
        PromptCommand::Call { names, .. } => {
            format!("The user wants me to call {}. I do that.", names.join(" and "))
        }
        PromptCommand::ToolResults(_) => "The tool has answered. I report what it said.".into(),
        PromptCommand::Words(count) => format!("The user wants {count} words. I write them."),
        PromptCommand::Bytes(count) => format!("The user wants {count} bytes. I write them."),
        PromptCommand::SearchAnswer(_) => "The search has found something. I answer from it.".into(),
        PromptCommand::Exactly(_) => "The user wants these words and no others.".into(),
        PromptCommand::Echo(_) => "The user said something short. I repeat it in one line.".into(),
    }
}

fn answer_text(exchange: &ResponseContext, request: &EngineRequest, order: &PromptCommand) -> String {
    let whole = match order {
        PromptCommand::Call { .. } => return String::new(),
        PromptCommand::Words(count) => return generate_words(*count),
        PromptCommand::Bytes(count) => return generate_bytes(*count),
        PromptCommand::Exactly(words) => return words.clone(),
        PromptCommand::ToolResults(results) => {
            format!(
                "{} via {}: the tool answered: {}",
                exchange.echoed_model,
                exchange.provider,
                truncate(results)
            )
        }
        PromptCommand::SearchAnswer(query) => {
            format!(
                "{} via {}: {}",
                exchange.echoed_model,
                exchange.provider,
                web_search::search_answer(&truncate(query))
            )
        }
        PromptCommand::Echo(said) => {
            format!("{} via {}: {}", exchange.echoed_model, exchange.provider, truncate(said))
        }
    };
    match request.body.pointer("/response_format/type").and_then(Value::as_str) {
        Some("json_object") => json!({ "answer": whole }).to_string(),
        Some("json_schema") => {
            let schema = request.body.pointer("/response_format/json_schema/schema");
            schema.map_or_else(|| "{}".into(), |schema| schema_sample::sample_value(schema).to_string())
        }
        _ => whole,
    }
}

fn truncate(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MAX_ECHO_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn generate_words(count: usize) -> String {
    let mut text = String::with_capacity(count * 6);
    for word in WORDS.iter().cycle().take(count) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// Exactly so many bytes, padded with dots where a word does not fit.
fn generate_bytes(count: usize) -> String {
    let mut text = String::with_capacity(count);
    for word in WORDS.iter().cycle() {
        if text.len() + word.len() + 1 > count {
            break;
        }
        text.push_str(word);
        text.push(' ');
    }
    while text.len() < count {
        text.push('.');
    }
    text
}

fn tool_calls(exchange: &ResponseContext, request: &EngineRequest, order: PromptCommand) -> Vec<ToolCall> {
    let PromptCommand::Call { names, command } = order else { return Vec::new() };
    let before = request.past_tool_calls();
    let parameters = |name: &str| {
        let named = |tool: &&Value| tool.pointer("/function/name").and_then(Value::as_str) == Some(name);
        request.tools().iter().find(named)?.pointer("/function/parameters")
    };
    let call = |(index, name): (usize, String)| {
        let arguments = if name == web_search::WEB_SEARCH {
            web_search::search_arguments(request, before + index)
        } else {
            schema_sample::sample_arguments(parameters(&name), command.as_deref()).to_string()
        };
        let id = match exchange.model.call_id_format {
            CallIdFormat::Underscore => format!("{name}_{index}"),
            CallIdFormat::Functions => format!("functions.{name}:{index}"),
            CallIdFormat::Counter => format!("{name}:{}", before + index),
            CallIdFormat::Opaque => format!("call_{:024x}", fnv1a_hash(&format!("{}{index}", exchange.id))),
        };
        ToolCall { id, name, arguments }
    };
    names.into_iter().enumerate().map(call).collect()
}

/// Leaves only what follows the given beginning. If that is the beginning of another answer, the text names the
/// model and the provider that continue it.
fn continue_answer(answer: &mut SimulatedAnswer, begun: &str, exchange: &ResponseContext) {
    answer.text = match answer.text.strip_prefix(begun) {
        Some(rest) => rest.to_owned(),
        None => format!(" (continued: {} via {})", exchange.echoed_model, exchange.provider),
    };
}

fn truncate_at_stop(answer: &mut SimulatedAnswer, request: &EngineRequest) {
    let stop = request.non_null("stop");
    let single = stop.and_then(Value::as_str);
    let several = list(stop).iter().filter_map(Value::as_str);
    let found =
        single.into_iter().chain(several).filter_map(|stop| Some((answer.text.find(stop)?, stop))).min();
    if let Some((cut, stop)) = found {
        answer.text.truncate(cut);
        answer.stop_sequence = Some(stop.to_owned());
    }
}

/// Reasoning uses up the limit first. If nothing is left, the answer is empty, which is not an error.
fn truncate_at_limit(answer: &mut SimulatedAnswer, limit: Option<u64>) {
    let Some(limit) = limit else { return };
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX).saturating_mul(4);
    for part in [&mut answer.reasoning, &mut answer.text] {
        if part.len() > left {
            part.truncate(part.floor_char_boundary(left));
            answer.finish_reason = "length";
        }
        left -= part.len();
    }
    let wanted: usize = answer.calls.iter().map(|call| call.arguments.len()).sum();
    if wanted > left {
        answer.calls.clear();
        answer.finish_reason = "length";
    }
}

/// FNV-1a: ids need to differ, not to be secret.
pub(in crate::simulator) fn fnv1a_hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
