//! The model, written as a messages request.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::protocol::codec::content;
use crate::protocol::json;
use crate::protocol::model::conversation::{
    ContentBlock, Conversation, ConversationTurn, MediaSource, Role, ToolCall, ToolResult,
};
use crate::protocol::model::losses::{self, Losses};
use crate::protocol::model::node::{JsonNode, StringLiteral};
use crate::protocol::model::parameters::{Parameters, ResponseFormat};
use crate::protocol::model::thinking::{MIN_BUDGET_TOKENS, ThinkingMode, ThinkingSettings};
use crate::protocol::model::tools::{RAW_ARGUMENTS_KEY, ToolChoice, ToolDefinition, to_messages_id};
use crate::protocol::writer::{ObjectWriter, write_array, write_object};

/// The output limit if neither client nor catalog specifies one: the value that Claude Code and opencode
/// request.
const DEFAULT_MAX_TOKENS: u64 = 32_000;

/// The user's message before a conversation that begins with the assistant's. The API takes the user's first (unconfirmed for
/// the newer models).
const BEGINNING: &str = "(The assistant begins.)";

/// What stands for a JSON answer without a schema.
const JSON_INSTRUCTION: &str =
    "Answer with one valid JSON object and nothing else: no text around it and no code fence.";

pub(crate) fn write(
    conversation: &Conversation<'_>,
    default_max_tokens: Option<u64>,
    losses: &mut Losses,
) -> Vec<u8> {
    let (system, turns) = split_system(&conversation.turns, losses);
    let parameters = &conversation.parameters;
    let mut system = system;
    if matches!(parameters.response_format, Some(ResponseFormat::JsonObject)) {
        losses.record(losses::FORMAT);
        let mut instruction = Vec::new();
        write_text(&mut instruction, &StringLiteral::from_text(JSON_INSTRUCTION));
        system.push(instruction);
    }
    let default = default_max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let limit = parameters.max_tokens.and_then(|raw| JsonNode::new(raw).as_u64()).unwrap_or(default);
    let mut out = Vec::new();
    let mut body = ObjectWriter::new(&mut out);
    body.raw_if("model", parameters.model);
    match parameters.max_tokens {
        Some(raw) => body.raw("max_tokens", raw),
        None => body.raw("max_tokens", default.to_string()),
    }
    body.flag_if("stream", parameters.stream);
    write_thinking(&mut body, &conversation.thinking, parameters.response_format.as_ref(), limit);
    write_parameters(&mut body, parameters, losses);
    if !system.is_empty() {
        body.array("system", &system, |out, block| out.extend_from_slice(block));
    }
    if !conversation.tools.is_empty() {
        body.array("tools", &conversation.tools, write_tool);
        write_tool_choice(&mut body, conversation, losses);
    }
    let beginning =
        ConversationTurn::new(Role::User, vec![ContentBlock::Text(StringLiteral::from_text(BEGINNING))]);
    let first = turns.iter().find(|turn| !turn.blocks.iter().all(is_empty_text));
    let is_missing = first.is_some_and(|turn| turn.role == Role::Assistant);
    let turns = is_missing.then_some(&beginning).into_iter().chain(turns);
    body.array("messages", turns, |out, turn| write_message(out, turn, losses));
    out.push(b'}');
    out
}

/// Leading texts become the system prompt. A conversation of only system texts keeps the last one as a message,
/// because the API requires one.
fn split_system<'l, 't>(
    turns: &'l [ConversationTurn<'t>],
    losses: &mut Losses,
) -> (Vec<Vec<u8>>, &'l [ConversationTurn<'t>]) {
    let leading = turns.iter().take_while(|turn| turn.role.is_system()).count();
    let leading = if leading == turns.len() { leading.saturating_sub(1) } else { leading };
    let (system, rest) = turns.split_at_checked(leading).unwrap_or((&[], turns));
    losses.record_if(rest.iter().any(|turn| turn.role.is_system()), losses::SYSTEM_IN_PLACE);
    losses.record_if(turns.iter().any(|turn| turn.name.is_some()), losses::NAMES);
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for block in system.iter().flat_map(|turn| &turn.blocks) {
        match block {
            ContentBlock::Text(text) if text.is_empty() => {}
            ContentBlock::Text(text) => {
                let mut out = Vec::new();
                write_text(&mut out, text);
                texts.push(out);
            }
            ContentBlock::CacheMark(mark) => content::write_cache_mark(texts.last_mut(), mark),
            _ => losses.record(losses::UNKNOWN_BLOCKS),
        }
    }
    (texts, rest)
}

/// Whether nothing is written of a block.
fn is_empty_text(block: &ContentBlock<'_>) -> bool {
    match block {
        ContentBlock::Text(text) | ContentBlock::Refusal(text) => text.is_empty(),
        ContentBlock::CacheMark(_) => true,
        _ => false,
    }
}

fn write_message(out: &mut Vec<u8>, turn: &ConversationTurn<'_>, losses: &mut Losses) {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let is_system = turn.role.is_system();
    for block in &turn.blocks {
        let mut block_out = Vec::new();
        match block {
            ContentBlock::CacheMark(mark) => content::write_cache_mark(blocks.last_mut(), mark),
            ContentBlock::Text(text) if is_system => {
                let text = text.wrap("<system-reminder>\n", "\n</system-reminder>");
                write_text(&mut block_out, &text);
            }
            block => write_block(&mut block_out, block, losses),
        }
        if !block_out.is_empty() {
            blocks.push(block_out);
        }
    }
    if blocks.is_empty() {
        return;
    }
    write_object(out, |message| {
        message.text("role", if turn.role == Role::Assistant { "assistant" } else { "user" });
        message.array("content", &blocks, |out, block| out.extend_from_slice(block));
    });
}

fn write_parameters(body: &mut ObjectWriter<'_>, parameters: &Parameters<'_>, losses: &mut Losses) {
    body.raw_if("temperature", parameters.temperature);
    body.raw_if("top_p", parameters.top_p);
    body.raw_if("top_k", parameters.top_k);
    if !parameters.stop_sequences.is_empty() {
        body.array("stop_sequences", &parameters.stop_sequences, |out, stop| {
            out.extend_from_slice(stop.as_bytes())
        });
    }
    if let Some(user) = parameters.user.as_ref().or(parameters.safety_identifier.as_ref()) {
        body.object("metadata", |metadata| metadata.raw("user_id", user));
    }
    body.raw_if("cache_control", parameters.cache_control);
    for (key, value) in &parameters.routing {
        body.raw(key, value);
    }
    match parameters.service_tier.as_ref().map(|tier| tier.text().into_owned()).as_deref() {
        Some("auto") => body.text("service_tier", "auto"),
        Some("default") => body.text("service_tier", "standard_only"),
        tier => losses.record_if(tier.is_some(), losses::TIER),
    }
    losses.record_if(parameters.metadata.is_some_and(|pairs| pairs != b"{}"), losses::METADATA);
    losses.record_if(!parameters.cache_fields.is_empty(), losses::CACHE_KEY);
    losses.record_if(parameters.verbosity.is_some(), losses::VERBOSITY);
}

/// A budget accompanies the effort, because older servers support only budgets; the provider adapter of the
/// target keeps one of them.
fn write_thinking(
    body: &mut ObjectWriter<'_>,
    thinking: &ThinkingSettings<'_>,
    format: Option<&ResponseFormat<'_>>,
    limit: u64,
) {
    // The budget must be less than the limit, and no less than the least.
    let budget =
        thinking.resolve_budget().map(|tokens| tokens.max(MIN_BUDGET_TOKENS).min(limit.saturating_sub(1)));
    match (thinking.mode, budget.filter(|budget| *budget >= MIN_BUDGET_TOKENS)) {
        (Some(ThinkingMode::Off), _) => body.raw("thinking", r#"{"type":"disabled"}"#),
        (Some(ThinkingMode::Adaptive), _) => body.raw("thinking", r#"{"type":"adaptive"}"#),
        (_, Some(budget)) => {
            body.raw("thinking", format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#))
        }
        (Some(ThinkingMode::On), None) => body.raw("thinking", r#"{"type":"adaptive"}"#),
        (None, None) => {}
    }
    let effort = thinking.effort.as_deref().filter(|_| thinking.mode != Some(ThinkingMode::Off));
    let schema = match format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema),
        _ => None,
    };
    if effort.is_none() && schema.is_none() {
        return;
    }
    body.object("output_config", |config| {
        if let Some(effort) = effort {
            config.text("effort", effort);
        }
        if let Some(schema) = schema {
            config.object("format", |format| {
                format.escaped("type", "json_schema");
                format.raw("schema", schema);
            });
        }
    });
}

fn write_tool(out: &mut Vec<u8>, tool: &ToolDefinition<'_>) {
    write_object(out, |body| {
        body.raw("name", &tool.name);
        body.raw_if("description", tool.description.as_ref());
        body.raw("input_schema", tool.object_schema());
        if tool.is_strict == Some(true) {
            body.flag("strict", true);
        }
        body.raw_if("cache_control", tool.cache_control);
    });
}

fn write_tool_choice(body: &mut ObjectWriter<'_>, conversation: &Conversation<'_>, losses: &mut Losses) {
    let one_at_a_time = conversation.parallel_tool_calls == Some(false);
    let choice = match &conversation.tool_choice {
        None if one_at_a_time => &ToolChoice::Auto,
        None => return,
        Some(choice) => choice,
    };
    losses.record_if(one_at_a_time && *choice == ToolChoice::None, losses::PARALLEL);
    body.object("tool_choice", |body| {
        match choice {
            ToolChoice::Auto => body.escaped("type", "auto"),
            ToolChoice::None => body.escaped("type", "none"),
            ToolChoice::Required => body.escaped("type", "any"),
            ToolChoice::Named(name) => {
                body.escaped("type", "tool");
                body.raw("name", name);
            }
        }
        if one_at_a_time && *choice != ToolChoice::None {
            body.flag("disable_parallel_tool_use", true);
        }
    });
}

/// Writes a block. Skips an empty text, which the API rejects.
fn write_block(out: &mut Vec<u8>, block: &ContentBlock<'_>, losses: &mut Losses) {
    match block {
        ContentBlock::CacheMark(_) => {}
        ContentBlock::Text(text) | ContentBlock::Refusal(text) if text.is_empty() => {}
        ContentBlock::Text(text) | ContentBlock::Refusal(text) => write_text(out, text),
        ContentBlock::Image(image) => {
            let is_special = |detail: &StringLiteral<'_>| detail.text() != "auto";
            losses.record_if(image.detail.as_ref().is_some_and(is_special), losses::IMAGE_DETAIL);
            write_object(out, |block| {
                block.escaped("type", "image");
                block.object("source", |body| write_source(body, &image.source));
            });
        }
        ContentBlock::File(file) => write_object(out, |block| {
            block.escaped("type", "document");
            block.object("source", |body| write_document_source(body, &file.source));
            block.raw_if("title", file.name.as_ref());
        }),
        ContentBlock::Video(_) => {
            losses.record(losses::VIDEOS);
            write_text(out, &StringLiteral::from_text("[video removed]"));
        }
        ContentBlock::Reasoning { text, signature } => write_object(out, |block| {
            block.escaped("type", "thinking");
            block.raw("thinking", text);
            // Kimi accepts unsigned thinking with an empty signature.
            match signature {
                Some(seal) => block.raw("signature", &seal.value),
                None => block.text("signature", ""),
            }
        }),
        ContentBlock::RedactedReasoning(seal) => write_object(out, |block| {
            block.escaped("type", "redacted_thinking");
            block.raw("data", &seal.value);
        }),
        ContentBlock::ToolCall(call) => write_tool_call(out, call, losses),
        ContentBlock::ToolResult(outcome) => write_tool_result(out, outcome, losses),
    }
}

fn write_text(out: &mut Vec<u8>, text: &StringLiteral<'_>) {
    write_object(out, |block| {
        block.escaped("type", "text");
        block.raw("text", text);
    });
}

/// How a PDF begins (`%PDF-`).
const PDF_IN_BASE64: &str = "JVBERi0";

/// Also with line breaks and without padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let plain: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    GeneralPurpose::new(&STANDARD, config).decode(plain).ok()
}

/// Base64 is for PDF only; other documents are text (Anthropic's reference: Messages, `document`, 2026-11).
fn write_document_source(body: &mut ObjectWriter<'_>, source: &MediaSource<'_>) {
    let text = match source {
        MediaSource::Data { media_type, data }
            if !media_type.eq_ignore_ascii_case("application/pdf")
                && !data.text().starts_with(PDF_IN_BASE64) =>
        {
            decode_base64(&data.text()).and_then(|bytes| String::from_utf8(bytes).ok())
        }
        _ => None,
    };
    match text {
        Some(text) => {
            body.escaped("type", "text");
            body.escaped("media_type", "text/plain");
            body.text("data", &text);
        }
        None => write_source(body, source),
    }
}

fn write_source(body: &mut ObjectWriter<'_>, source: &MediaSource<'_>) {
    match source {
        MediaSource::Data { media_type, data } => {
            body.escaped("type", "base64");
            body.text("media_type", media_type);
            body.raw("data", data);
        }
        MediaSource::Url(url) => {
            body.escaped("type", "url");
            body.raw("url", url);
        }
        MediaSource::FileId(id) => {
            body.escaped("type", "file");
            body.raw("file_id", id);
        }
    }
}

fn write_tool_call(out: &mut Vec<u8>, call: &ToolCall<'_>, losses: &mut Losses) {
    write_object(out, |block| {
        block.escaped("type", "tool_use");
        block.text("id", &to_messages_id(&call.id));
        block.raw("name", &call.name);
        let arguments = call.arguments.trim_ascii();
        if arguments.is_empty() {
            block.raw("input", "{}");
        } else if JsonNode::new(arguments).is_object() && json::is_valid(arguments) {
            block.raw("input", arguments);
        } else {
            losses.record(losses::ARGUMENTS);
            block.object("input", |input| {
                input.text(RAW_ARGUMENTS_KEY, &String::from_utf8_lossy(&call.arguments))
            });
        }
    });
}

fn write_tool_result(out: &mut Vec<u8>, outcome: &ToolResult<'_>, losses: &mut Losses) {
    write_object(out, |body| {
        body.escaped("type", "tool_result");
        body.text("tool_use_id", &to_messages_id(&outcome.call_id));
        match outcome.content.as_slice() {
            [] => body.text("content", ""),
            [ContentBlock::Text(text)] => body.raw("content", text),
            blocks => {
                write_array(body.value("content"), blocks, |out, inner| write_block(out, inner, losses))
            }
        }
        if outcome.is_error {
            body.flag("is_error", true);
        }
    });
}
