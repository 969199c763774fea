//! The answer to a prompt, tool arguments included. The same request always gets the same answer.

use serde_json::{Map, Value, json};

use crate::engine::fnv1a_hash;
use crate::engine::list;
use crate::engine::prompt::{COMMAND_PARAMETERS, PromptCommand};
use crate::engine::request::EngineRequest;
use crate::engine::{ResponseContext, prompt};
use crate::models::CallIdFormat;

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
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// Composes the answer. If the request contains the beginning of the answer and `goes_on` is set, only the
/// remainder.
pub(crate) fn compose(
    exchange: &ResponseContext,
    request: &EngineRequest,
    continues_prefix: bool,
) -> SimulatedAnswer {
    let order = prompt::parse_prompt(exchange.provider, request);
    let mut reasoning = String::new();
    if request.is_thinking(exchange.model) {
        reasoning = reasoning_text(&order);
    }
    let mut answer = SimulatedAnswer {
        reasoning,
        text: answer_text(exchange, request, &order),
        calls: tool_calls(exchange, request, order),
        finish_reason: "stop",
        stop_sequence: None,
        usage: TokenUsage {
            prompt: request.prompt_tokens() + prompt::result_tokens(request),
            cached: 0,
            completion: 0,
            reasoning: 0,
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
                prompt::search_answer(&truncate(query))
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
            schema.map_or_else(|| "{}".into(), |schema| sample_value(schema).to_string())
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

/// The depth at which a sample starts to omit optional properties; `$ref` cycles end here.
const MAX_DEPTH: usize = 8;

/// Arguments for a tool with these `parameters`: every required property, or the first one when none is required.
pub(crate) fn sample_arguments(parameters: Option<&Value>, command: Option<&str>) -> Value {
    let Some(schema) = parameters else { return json!({}) };
    let sampler = Sampler { root: schema, command };
    let mut sample = sampler.sample(schema, "", MAX_DEPTH);
    let first = schema.get("properties").and_then(Value::as_object).and_then(|all| all.iter().next());
    match (&mut sample, first) {
        (Value::Object(members), Some((name, property))) if members.is_empty() => {
            members.insert(name.clone(), sampler.sample(property, name, MAX_DEPTH));
            sample
        }
        (Value::Object(_), _) => sample,
        _ => json!({}),
    }
}

/// A value for any schema.
pub(crate) fn sample_value(schema: &Value) -> Value {
    Sampler { root: schema, command: None }.sample(schema, "", MAX_DEPTH)
}

struct Sampler<'a> {
    root: &'a Value,
    command: Option<&'a str>,
}

impl Sampler<'_> {
    fn sample(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth == 0 {
            return Value::Null;
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.sample(target, name, depth - 1));
        }
        if let Some(command) = self.command
            && COMMAND_PARAMETERS.contains(&name)
            && schema.get("type") != Some(&json!("array"))
        {
            return command.into();
        }
        if let Some(fixed) =
            schema.get("const").or_else(|| schema.get("default")).or_else(|| schema.pointer("/enum/0"))
        {
            return fixed.clone();
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let Some(options) = schema.get(keyword).and_then(Value::as_array) else { continue };
            let best = options.iter().find(|option| option.get("type") != Some(&json!("null")));
            return best.map_or(Value::Null, |option| self.sample(option, name, depth - 1));
        }
        self.sample_of_type(schema, name, depth)
    }

    fn sample_of_type(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let word = match schema.get("type") {
            Some(Value::String(word)) => word.as_str(),
            Some(Value::Array(words)) => {
                words.iter().filter_map(Value::as_str).find(|word| *word != "null").unwrap_or("null")
            }
            _ if schema.get("properties").is_some() => "object",
            _ => "string",
        };
        match word {
            "object" => self.sample_object(schema, depth),
            "array" => {
                let item = schema.get("items").map(|items| self.sample(items, name, depth - 1));
                Value::Array(item.into_iter().collect())
            }
            "integer" => {
                schema.get("minimum").and_then(Value::as_i64).map_or(json!(1), |least| json!(least.max(1)))
            }
            "number" => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => json!(sample_text(name)),
        }
    }

    fn sample_object(&self, schema: &Value, depth: usize) -> Value {
        let mut members = Map::new();
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for name in required.iter().filter_map(Value::as_str) {
            let property = schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
            members.insert(name.to_owned(), self.sample(property, name, depth - 1));
        }
        Value::Object(members)
    }
}

fn sample_text(name: &str) -> &'static str {
    match name {
        name if COMMAND_PARAMETERS.contains(&name) => "echo simulated",
        "path" | "file_path" | "filePath" | "filename" => "README.md",
        "city" | "location" => "Paris",
        "url" => "https://example.com/",
        "pattern" | "query" => "moon",
        _ => "text",
    }
}
