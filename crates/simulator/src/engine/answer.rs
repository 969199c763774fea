//! The answer to a prompt, tool arguments included. The same request always gets the same answer.

use serde_json::{Value, json};

use crate::engine::prompt::{self, PromptCommand};
use crate::engine::request::EngineRequest;
use crate::engine::sample::{sample_arguments, sample_value};
use crate::models::{CallIdFormat, SimulatedModel};
use crate::provider::{Api, Provider};
use crate::value::{fnv1a_hash, list};

/// What every object of one answer repeats.
#[derive(Clone, Debug)]
pub(crate) struct ResponseContext {
    pub(crate) provider: Provider,
    pub(crate) api: Api,
    pub(crate) model: &'static SimulatedModel,
    /// The model id of the answer: the requested one, which Kimi Code echoes even when it is an alias.
    pub(crate) echoed_model: String,
    /// `chatcmpl-…`, `msg_…`, `resp_…`, or `gen-…` on all APIs of OpenRouter.
    pub(crate) id: String,
    /// Unix time, seconds.
    pub(crate) created: u64,
}

impl ResponseContext {
    pub(crate) fn is_openrouter(&self) -> bool {
        self.provider == Provider::OpenRouter
    }

    /// What the prompt and the completion cost, in millionths of millionths of a US dollar: tokens times the price
    /// of a million of them in millionths.
    pub(crate) fn cost(&self, usage: &TokenUsage) -> (u64, u64) {
        let [cached, uncached, output] = self.model.price;
        let prompt = usage.cached * cached + (usage.prompt - usage.cached) * uncached;
        (prompt, usage.completion * output)
    }
}

/// How much of the prompt an answer repeats, in characters.
const MAX_ECHO_CHARS: usize = 200;

/// What long answers are made of. Not only ASCII, so that cuts at any byte also fall inside a character.
const WORDS: [&str; 12] =
    ["the", "moon", "relays", "every", "word", "naïvely", "in", "order", "月光", "and", "never", "twice🌒"];

/// One tool call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON text.
    pub(crate) arguments: String,
}

/// Tokens, about four bytes each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct TokenUsage {
    pub(crate) prompt: u64,
    /// Of those, read from the cache.
    pub(crate) cached: u64,
    /// Output, reasoning included.
    pub(crate) completion: u64,
    /// Of those, reasoning.
    pub(crate) reasoning: u64,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SimulatedAnswer {
    /// Empty when the model does not think.
    pub(crate) reasoning: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
    /// `stop`, `length` or `tool_calls`.
    pub(crate) finish_reason: &'static str,
    /// The stop sequence that ended it, if one did.
    pub(crate) stop_sequence: Option<String>,
    pub(crate) usage: TokenUsage,
}

/// Composes the answer. If the request contains the beginning of the answer and `continues_prefix` is set, only
/// the remainder.
pub(crate) fn compose(
    exchange: &ResponseContext,
    request: &EngineRequest,
    continues_prefix: bool,
) -> SimulatedAnswer {
    let order = prompt::parse_prompt(exchange.provider, request);
    let thinks = request.is_thinking(exchange.model);
    let mut answer = SimulatedAnswer {
        reasoning: if thinks { reasoning_text(&order) } else { String::new() },
        text: answer_text(exchange, request, &order),
        calls: tool_calls(exchange, request, order),
        finish_reason: "stop",
        stop_sequence: None,
        usage: TokenUsage {
            prompt: request.prompt_tokens() + prompt::result_tokens(request),
            ..TokenUsage::default()
        },
    };
    if !answer.calls.is_empty() {
        answer.finish_reason = "tool_calls";
    }
    if let Some(prefix) = prompt::answer_prefix(exchange.provider, request).filter(|_| continues_prefix) {
        continue_answer(&mut answer, &prefix, exchange);
    }
    truncate_at_stop(&mut answer, request);
    truncate_at_limit(&mut answer, request.max_tokens());
    update_usage(&mut answer);
    answer
}

/// Puts the token counts right. Whole blocks of 256 prompt tokens count as read from the cache.
pub(crate) fn update_usage(answer: &mut SimulatedAnswer) {
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
    let text = match order {
        PromptCommand::Call { .. } => return String::new(),
        PromptCommand::Words(count) => return generate_words(*count),
        PromptCommand::Bytes(count) => return generate_bytes(*count),
        PromptCommand::Exactly(words) => return words.clone(),
        PromptCommand::ToolResults(results) => format!("the tool answered: {}", truncate(results)),
        PromptCommand::SearchAnswer(query) => prompt::search_answer(&truncate(query)),
        PromptCommand::Echo(text) => truncate(text),
    };
    let text = format!("{} via {}: {text}", exchange.echoed_model, exchange.provider);
    let format = &request.body["response_format"];
    match format["type"].as_str() {
        Some("json_object") => json!({ "answer": text }).to_string(),
        Some("json_schema") => match format["json_schema"].get("schema") {
            Some(schema) => sample_value(schema).to_string(),
            None => "{}".into(),
        },
        _ => text,
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
    WORDS.iter().copied().cycle().take(count).collect::<Vec<_>>().join(" ")
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
        let tool = request.tools().iter().find(|tool| tool["function"]["name"] == name)?;
        tool["function"].get("parameters")
    };
    let call = |(index, name): (usize, String)| {
        let arguments = if name == prompt::WEB_SEARCH {
            prompt::search_arguments(request, before + index)
        } else {
            sample_arguments(parameters(&name), command.as_deref()).to_string()
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
fn continue_answer(answer: &mut SimulatedAnswer, prefix: &str, exchange: &ResponseContext) {
    answer.text = match answer.text.strip_prefix(prefix) {
        Some(rest) => rest.to_owned(),
        None => format!(" (continued: {} via {})", exchange.echoed_model, exchange.provider),
    };
}

fn truncate_at_stop(answer: &mut SimulatedAnswer, request: &EngineRequest) {
    let stop = &request.body["stop"];
    let stops = list(stop).iter().chain([stop]).filter_map(Value::as_str);
    let found = stops.filter_map(|stop| Some((answer.text.find(stop)?, stop))).min();
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
