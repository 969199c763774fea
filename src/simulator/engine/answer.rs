//! The answer to a prompt: the same request always gets the same one.

use serde_json::{Value, json};

use super::order::{self, Order};
use super::request::{Request, list};
use super::{Exchange, sample, web};
use crate::simulator::roster::CallIds;
use crate::simulator::rules;

/// How much of the prompt an answer repeats, in characters.
const ECHO: usize = 200;

/// What long answers are made of. Not only ASCII, so that cuts at any byte also fall inside a character.
const WORDS: [&str; 12] =
    ["the", "moon", "relays", "every", "word", "naïvely", "in", "order", "月光", "and", "never", "twice🌒"];

/// One tool call.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct Call {
    pub(in crate::simulator) id: String,
    pub(in crate::simulator) name: String,
    /// JSON text.
    pub(in crate::simulator) arguments: String,
}

/// Tokens, about four bytes each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::simulator) struct Usage {
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
pub(in crate::simulator) struct Answer {
    /// Empty when the model does not think.
    pub(in crate::simulator) reasoning: String,
    pub(in crate::simulator) text: String,
    pub(in crate::simulator) calls: Vec<Call>,
    /// `stop`, `length` or `tool_calls`.
    pub(in crate::simulator) finish: &'static str,
    /// The stop sequence that ended it, if one did.
    pub(in crate::simulator) stopped_at: Option<String>,
    pub(in crate::simulator) usage: Usage,
}

/// Composes the answer; where the request brings its beginning, the rest of it if it `goes_on`.
pub(in crate::simulator) fn compose(exchange: &Exchange, request: &Request, goes_on: bool) -> Answer {
    let order = order::read(exchange.provider, request);
    let mut reasoning = String::new();
    if rules::thinks(exchange.model, request) {
        reasoning = reflection(&order);
    }
    let mut answer = Answer {
        reasoning,
        text: text(exchange, request, &order),
        calls: calls(exchange, request, order),
        finish: "stop",
        stopped_at: None,
        usage: Usage {
            prompt: request.prompt_tokens() + web::prompt_tokens(request),
            cached: 0,
            completion: 0,
            reasoning: 0,
        },
    };
    if !answer.calls.is_empty() {
        answer.finish = "tool_calls";
    }
    if let Some(begun) = order::begun(exchange.provider, request).filter(|_| goes_on) {
        go_on(&mut answer, &begun, exchange);
    }
    cut_at_stop(&mut answer, request);
    cut_at_limit(&mut answer, request.max_tokens());
    count(&mut answer);
    answer
}

/// Puts the token counts right. Whole blocks of 256 prompt tokens count as read from the cache.
pub(in crate::simulator) fn count(answer: &mut Answer) {
    let calls: usize = answer.calls.iter().map(|call| call.name.len() + call.arguments.len()).sum();
    let usage = &mut answer.usage;
    usage.cached = usage.prompt / 256 * 256;
    usage.reasoning = tokens(answer.reasoning.len());
    usage.completion = usage.reasoning + tokens(answer.text.len()) + tokens(calls);
}

fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

fn reflection(order: &Order) -> String {
    match order {
        Order::Call { names, .. } => format!("The user wants me to call {}. I do that.", names.join(" and ")),
        Order::Results(_) => "The tool has answered. I report what it said.".into(),
        Order::Words(count) => format!("The user wants {count} words. I write them."),
        Order::Bytes(count) => format!("The user wants {count} bytes. I write them."),
        Order::Searched(_) => "The search has found something. I answer from it.".into(),
        Order::Exactly(_) => "The user wants these words and no others.".into(),
        Order::Echo(_) => "The user said something short. I repeat it in one line.".into(),
    }
}

fn text(exchange: &Exchange, request: &Request, order: &Order) -> String {
    let whole = match order {
        Order::Call { .. } => return String::new(),
        Order::Words(count) => return words(*count),
        Order::Bytes(count) => return bytes(*count),
        Order::Exactly(words) => return words.clone(),
        Order::Results(results) => {
            format!("{} via {}: the tool answered: {}", exchange.shown, exchange.provider, short(results))
        }
        Order::Searched(query) => {
            format!("{} via {}: {}", exchange.shown, exchange.provider, web::found(&short(query)))
        }
        Order::Echo(said) => format!("{} via {}: {}", exchange.shown, exchange.provider, short(said)),
    };
    match request.body.pointer("/response_format/type").and_then(Value::as_str) {
        Some("json_object") => json!({ "answer": whole }).to_string(),
        Some("json_schema") => {
            let schema = request.body.pointer("/response_format/json_schema/schema");
            schema.map_or_else(|| "{}".into(), |schema| sample::value(schema).to_string())
        }
        _ => whole,
    }
}

fn short(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(ECHO) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn words(count: usize) -> String {
    let mut text = String::with_capacity(count * 6);
    for word in WORDS.iter().cycle().take(count) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// Exactly so many bytes, the last ones dots where a word does not fit.
fn bytes(count: usize) -> String {
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

fn calls(exchange: &Exchange, request: &Request, order: Order) -> Vec<Call> {
    let Order::Call { names, command } = order else { return Vec::new() };
    let before = request.calls_so_far();
    let parameters = |name: &str| {
        let named = |tool: &&Value| tool.pointer("/function/name").and_then(Value::as_str) == Some(name);
        request.tools().iter().find(named)?.pointer("/function/parameters")
    };
    let call = |(index, name): (usize, String)| {
        let arguments = if name == web::WEB_SEARCH {
            web::arguments(request, before + index)
        } else {
            sample::arguments(parameters(&name), command.as_deref()).to_string()
        };
        let id = match exchange.model.ids {
            CallIds::Underscore => format!("{name}_{index}"),
            CallIds::Functions => format!("functions.{name}:{index}"),
            CallIds::Counter => format!("{name}:{}", before + index),
            CallIds::Opaque => format!("call_{:024x}", fnv(&format!("{}{index}", exchange.id))),
        };
        Call { id, name, arguments }
    };
    names.into_iter().enumerate().map(call).collect()
}

/// Leaves only what follows the given beginning, or says who goes on where it is the beginning of another answer.
fn go_on(answer: &mut Answer, begun: &str, exchange: &Exchange) {
    answer.text = match answer.text.strip_prefix(begun) {
        Some(rest) => rest.to_owned(),
        None => format!(" (continued: {} via {})", exchange.shown, exchange.provider),
    };
}

fn cut_at_stop(answer: &mut Answer, request: &Request) {
    let stop = request.given("stop");
    let single = stop.and_then(Value::as_str);
    let several = list(stop).iter().filter_map(Value::as_str);
    let found =
        single.into_iter().chain(several).filter_map(|stop| Some((answer.text.find(stop)?, stop))).min();
    if let Some((cut, stop)) = found {
        answer.text.truncate(cut);
        answer.stopped_at = Some(stop.to_owned());
    }
}

/// Reasoning uses up the limit first; what is left may be nothing at all (the answer is then empty, and that is no error).
fn cut_at_limit(answer: &mut Answer, limit: Option<u64>) {
    let Some(limit) = limit else { return };
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX).saturating_mul(4);
    for part in [&mut answer.reasoning, &mut answer.text] {
        if part.len() > left {
            part.truncate(part.floor_char_boundary(left));
            answer.finish = "length";
        }
        left -= part.len();
    }
    let wanted: usize = answer.calls.iter().map(|call| call.arguments.len()).sum();
    if wanted > left {
        answer.calls.clear();
        answer.finish = "length";
    }
}

/// FNV-1a: ids need to differ, not to be secret.
pub(in crate::simulator) fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
