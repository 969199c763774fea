//! A chat request, read into the model.

use std::borrow::Cow;

use crate::protocol::codec::content;
use crate::protocol::model::TranslationError;
use crate::protocol::model::client_tools::wrap_free_text;
use crate::protocol::model::conversation::{
    ContentBlock, Conversation, ConversationTurn, FileBlock, ImageBlock, MediaSource, Role, ToolCall,
    ToolResult,
};
use crate::protocol::model::losses::{self, Loss, Losses};
use crate::protocol::model::node::{JsonNode, ObjectNode, StringLiteral};
use crate::protocol::model::parameters::{Parameters, ResponseFormat};
use crate::protocol::model::seal::Seal;
use crate::protocol::model::thinking::{ThinkingMode, ThinkingSettings};
use crate::protocol::model::tools::{ToolChoice, ToolDefinition};
use crate::protocol::request::RequestBody;

/// # Errors
/// When a value has the wrong type for the format, or cannot be omitted.
pub(crate) fn read<'t>(
    body: &'t RequestBody,
    losses: &mut Losses,
) -> Result<Conversation<'t>, TranslationError> {
    let top = ObjectNode::from_members(&body.text, body.members.clone());
    let mut conversation = Conversation::default();
    let tools = top.try_each("tools", |tool| read_tool(tool, losses))?;
    conversation.tools.extend(tools.into_iter().flatten());
    top.try_each("messages", |message| {
        let message = message.object()?;
        read_dynamic_tools(&message, &mut conversation, losses)?;
        let turn = read_turn(&message, losses)?;
        push_turn(&mut conversation, turn);
        Ok(())
    })?;
    conversation.tool_choice = read_tool_choice(&top, losses)?;
    conversation.parallel_tool_calls = top.get("parallel_tool_calls").and_then(JsonNode::as_bool);
    conversation.thinking = read_thinking(&top, losses);
    conversation.parameters = read_parameters(&top, losses)?;
    Ok(conversation)
}

/// The results of one round of calls form one turn.
fn push_turn<'t>(conversation: &mut Conversation<'t>, turn: ConversationTurn<'t>) {
    match conversation.turns.last_mut() {
        Some(last) if last.role == Role::Tools && turn.role == Role::Tools => last.blocks.extend(turn.blocks),
        _ => conversation.turns.push(turn),
    }
}

fn read_turn<'t>(
    message: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<ConversationTurn<'t>, TranslationError> {
    let named = message.require_string("role")?;
    let role = match &*named.text() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tools,
        other => {
            let why = format!("{other:?} is not a role; use system, developer, user, assistant or tool");
            return Err(TranslationError::new(why).within("role"));
        }
    };
    let mut blocks = Vec::new();
    if role == Role::Assistant {
        blocks.extend(read_reasoning(message)?);
    }
    let mut content = message.try_read("content", |content| read_content(content, losses))?;
    match role {
        Role::Tools => {
            let mark = content::take_cache_mark(&mut content);
            blocks.push(ContentBlock::ToolResult(ToolResult {
                call_id: message.string("tool_call_id").unwrap_or_default(),
                content,
                is_error: false,
            }));
            blocks.extend(mark);
        }
        Role::Assistant => {
            blocks.extend(content);
            blocks.extend(read_assistant_images(message)?);
            blocks.extend(
                message.literal("refusal").filter(|text| !text.is_empty()).map(ContentBlock::Refusal),
            );
            losses.record_if(message.get("audio").is_some(), losses::AUDIO);
            losses.record_if(
                message.get("annotations").is_some_and(|list| list.raw() != b"[]"),
                losses::CITATIONS,
            );
            blocks.extend(read_tool_calls(message, losses)?);
        }
        _ => blocks.extend(content),
    }
    let partial = message.get("partial").is_some_and(JsonNode::is_true);
    Ok(ConversationTurn { role, blocks, name: message.literal("name"), is_partial: partial })
}

fn read_tool_calls<'t>(
    message: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    if message.get("function_call").is_some() {
        let why = "is the old form of a call, which has no id; use `tool_calls` and `tools`";
        return Err(TranslationError::new(why).within("function_call"));
    }
    message.try_each("tool_calls", |call| read_tool_call(&call.object()?, losses).map(ContentBlock::ToolCall))
}

fn read_tool_call<'t>(call: &ObjectNode<'t>, losses: &mut Losses) -> Result<ToolCall<'t>, TranslationError> {
    let id = call.string("id").unwrap_or_default();
    if let Some(custom) = call.object("custom")? {
        losses.record(losses::CUSTOM_TOOLS);
        let name = custom.require_string("name").map_err(|error| error.within("custom"))?;
        let input = custom.literal("input").unwrap_or_else(|| StringLiteral::from_text(""));
        return Ok(ToolCall { id, name, arguments: Cow::Owned(wrap_free_text(&input)) });
    }
    let function = call.require_object("function")?;
    let name = function.require_string("name").map_err(|error| error.within("function"))?;
    Ok(ToolCall { id, name, arguments: content::read_arguments(function.get("arguments")) })
}

/// # Errors
/// When it is not a tool.
fn read_tool<'t>(
    tool: JsonNode<'t>,
    losses: &mut Losses,
) -> Result<Option<ToolDefinition<'t>>, TranslationError> {
    let tool = tool.object()?;
    let cache_control = tool.get("cache_control").map(JsonNode::raw);
    let marked = |definition| ToolDefinition { cache_control, ..definition };
    match tool.string("type").as_deref() {
        Some("function") | None => {
            let function = tool.require_object("function")?;
            let definition = ToolDefinition::from_function(&function);
            definition.map(|definition| Some(marked(definition))).map_err(|error| error.within("function"))
        }
        Some("custom") => {
            losses.record(losses::CUSTOM_TOOLS);
            let custom = tool.require_object("custom")?;
            let definition = ToolDefinition::from_free_text(&custom);
            definition.map(|definition| Some(marked(definition))).map_err(|error| error.within("custom"))
        }
        Some(_) => {
            losses.record(losses::HOSTED_TOOLS);
            Ok(None)
        }
    }
}

/// Moonshot's: a system message that brings tools.
fn read_dynamic_tools<'t>(
    message: &ObjectNode<'t>,
    conversation: &mut Conversation<'t>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    message.try_each("tools", |tool| {
        let tool = read_tool(tool, losses)?;
        losses.record(losses::DYNAMIC_TOOLS);
        if let Some(tool) = tool
            && !conversation.tools.iter().any(|known| known.name.text() == tool.name.text())
        {
            conversation.tools.push(tool);
        }
        Ok(())
    })?;
    Ok(())
}

fn read_tool_choice<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice<'t>>, TranslationError> {
    let Some(node) = top.get("tool_choice") else { return Ok(None) };
    if let Some(word) = node.string() {
        return Ok(content::parse_tool_choice(&word, losses));
    }
    let choice = node.object().map_err(|error| error.within("tool_choice"))?;
    for form in ["function", "custom"] {
        let tool = choice.object(form).map_err(|error| error.within("tool_choice"))?;
        if let Some(name) = tool.and_then(|tool| tool.literal("name")) {
            return Ok(Some(ToolChoice::Named(name)));
        }
    }
    losses.record(losses::TOOL_CHOICE);
    let mode = choice.object("allowed_tools").map_err(|error| error.within("tool_choice"))?;
    let mode = mode.and_then(|allowed| allowed.string("mode"));
    Ok(content::parse_tool_choice(
        mode.or_else(|| choice.string("type")).as_deref().unwrap_or("auto"),
        losses,
    ))
}

/// # Errors
/// When it is neither a string nor an array of parts.
fn read_content<'t>(
    content: JsonNode<'t>,
    losses: &mut Losses,
) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    content::read_parts(content, "parts", |node, blocks| {
        blocks.push(match node.literal() {
            Some(text) => ContentBlock::Text(text),
            None => {
                let part = node.object()?;
                blocks.push(read_part(&part, losses)?);
                blocks.extend(part.get("cache_control").map(|mark| ContentBlock::CacheMark(mark.raw())));
                return Ok(());
            }
        });
        Ok(())
    })
}

fn read_part<'t>(part: &ObjectNode<'t>, losses: &mut Losses) -> Result<ContentBlock<'t>, TranslationError> {
    match &*part.require_string("type")?.text() {
        "text" => part.require_string("text").map(ContentBlock::Text),
        "refusal" => part.require_string("refusal").map(ContentBlock::Refusal),
        "image_url" => read_image(part),
        "video_url" => read_url(part, "video_url").map(ContentBlock::Video),
        "file" => read_file(part),
        "input_audio" => Ok(content::make_audio_placeholder(losses)),
        _ => content::read_unknown_part(part, "part of a chat message", losses),
    }
}

/// The URL under `key`: an object with `url`, or a plain string, which Moonshot also accepts.
fn read_url<'t>(part: &ObjectNode<'t>, key: &str) -> Result<StringLiteral<'t>, TranslationError> {
    match part.get(key) {
        Some(node) if node.is_object() => {
            node.object().and_then(|object| object.require_string("url")).map_err(|error| error.within(key))
        }
        _ => part.require_string(key),
    }
}

fn read_image<'t>(part: &ObjectNode<'t>) -> Result<ContentBlock<'t>, TranslationError> {
    let source = MediaSource::from_url(read_url(part, "image_url")?);
    let detail = part.get("image_url").and_then(|node| node.object().ok()?.literal("detail"));
    Ok(ContentBlock::Image(ImageBlock { source, detail }))
}

fn read_file<'t>(part: &ObjectNode<'t>) -> Result<ContentBlock<'t>, TranslationError> {
    let file = part.require_object("file")?;
    let source = match file.literal("file_id") {
        Some(id) => MediaSource::FileId(id),
        None => {
            let data = file.require_string("file_data").map_err(|error| error.within("file"))?;
            MediaSource::from_file_data(data, file.literal("filename").as_ref())
        }
    };
    Ok(ContentBlock::File(FileBlock { source, name: file.literal("filename") }))
}

/// `images` of an assistant message (OpenRouter).
fn read_assistant_images<'t>(message: &ObjectNode<'t>) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    message.try_each("images", |image| read_image(&image.object()?))
}

/// `reasoning_details` (OpenRouter), else `reasoning_content` (Moonshot), else `reasoning` (OpenRouter).
fn read_reasoning<'t>(message: &ObjectNode<'t>) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    let mut blocks: Vec<ContentBlock<'t>> = Vec::new();
    if message.get("reasoning_details").is_some_and(JsonNode::is_array) {
        message.try_each("reasoning_details", |detail| {
            read_reasoning_detail(&detail.object()?, &mut blocks);
            Ok(())
        })?;
    }
    // Encrypted details may accompany text that is only in the other field.
    let has_text =
        blocks.iter().any(|block| matches!(block, ContentBlock::Reasoning { text, .. } if !text.is_empty()));
    let mut texts = ["reasoning_content", "reasoning"].into_iter().filter_map(|key| message.literal(key));
    let Some(text) = texts.find(|text| !text.is_empty() && !has_text) else { return Ok(blocks) };
    let open_text = blocks.iter_mut().find_map(|block| match block {
        ContentBlock::Reasoning { text, .. } => Some(text),
        _ => None,
    });
    match open_text {
        Some(open) => *open = text,
        None => blocks.insert(0, ContentBlock::Reasoning { text, signature: None }),
    }
    Ok(blocks)
}

/// One of OpenRouter's `reasoning_details`, which may be the separate pieces of a stream.
fn read_reasoning_detail<'t>(detail: &ObjectNode<'t>, blocks: &mut Vec<ContentBlock<'t>>) {
    let filled = |key: &str| detail.literal(key).filter(|text| !text.is_empty());
    if let Some(data) = filled("data") {
        blocks.push(ContentBlock::RedactedReasoning(Seal::unopened(data)));
        return;
    }
    let text = filled("text").or_else(|| filled("summary"));
    let signature = filled("signature").map(Seal::unopened);
    if let Some(ContentBlock::Reasoning { text: before, signature: open @ None }) = blocks.last_mut() {
        if let Some(text) = text {
            *before = StringLiteral::join(&[before.clone(), text], "");
        }
        *open = signature;
    } else if text.is_some() || signature.is_some() {
        blocks.push(ContentBlock::Reasoning {
            text: text.unwrap_or_else(|| StringLiteral::from_text("")),
            signature,
        });
    }
}

/// Fields that are read, here or elsewhere.
const READ_FIELDS: [&str; 26] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "user",
    "safety_identifier",
    "metadata",
    "service_tier",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "verbosity",
    "usage",
];

/// Fields that are not read, and the loss of each.
const LOST_FIELDS: [(&str, Loss); 15] = [
    ("n", losses::CHOICES),
    ("seed", losses::SAMPLING),
    ("logprobs", losses::SAMPLING),
    ("top_logprobs", losses::SAMPLING),
    ("logit_bias", losses::SAMPLING),
    ("presence_penalty", losses::SAMPLING),
    ("frequency_penalty", losses::SAMPLING),
    ("repetition_penalty", losses::SAMPLING),
    ("min_p", losses::SAMPLING),
    ("top_a", losses::SAMPLING),
    ("modalities", losses::MODALITIES),
    ("audio", losses::MODALITIES),
    ("prediction", losses::MODALITIES),
    ("web_search_options", losses::HOSTED_TOOLS),
    ("store", losses::STORAGE),
];

/// # Errors
/// When a field has a value that no provider accepts.
fn read_parameters<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Parameters<'t>, TranslationError> {
    if top.get("functions").is_some() {
        return Err(TranslationError::new("is the old form of `tools`; use `tools`").within("functions"));
    }
    losses.record_unread_fields(top, &READ_FIELDS, &LOST_FIELDS);
    let raw = |key: &str| top.get(key).map(JsonNode::raw);
    let mut parameters = Parameters::from_openai_fields(top);
    // The second is the old name; the first wins (Moonshot API reference, 2026-09-23).
    parameters.max_tokens = raw("max_completion_tokens").or_else(|| raw("max_tokens"));
    parameters.top_k = raw("top_k");
    parameters.verbosity = raw("verbosity");
    parameters.stop_sequences = match top.get("stop") {
        Some(one) if one.literal().is_some() => one.literal().into_iter().collect(),
        _ => top.strings("stop")?,
    };
    let format = top.object("response_format")?;
    parameters.response_format = match format.as_ref().and_then(|format| format.string("type")).as_deref() {
        Some("json_object") => Some(ResponseFormat::JsonObject),
        Some("json_schema") => format
            .and_then(|format| format.get("json_schema")?.object().ok())
            .as_ref()
            .map(ResponseFormat::from_schema_object),
        _ => None,
    };
    Ok(parameters)
}

/// Kimi's `thinking`, OpenAI's `reasoning_effort`, OpenRouter's `reasoning`.
fn read_thinking<'t>(top: &ObjectNode<'t>, losses: &mut Losses) -> ThinkingSettings<'t> {
    let mut settings = ThinkingSettings::default();
    if let Some(thinking) = top.get("thinking").and_then(|node| node.object().ok()) {
        settings.mode = thinking.string("type").and_then(|word| ThinkingMode::from_type(&word));
        settings.set_effort(thinking.get("effort"));
        settings.budget_tokens = thinking.get("budget_tokens").and_then(JsonNode::as_u64);
        losses.record_if(thinking.get("keep").is_some(), losses::THINKING_KEEP);
    }
    settings.set_effort(top.get("reasoning_effort"));
    if let Some(reasoning) = top.get("reasoning").and_then(|node| node.object().ok()) {
        settings.set_effort(reasoning.get("effort"));
        if let Some(flag) = reasoning.get("enabled").and_then(JsonNode::as_bool) {
            settings.mode = settings.mode.or(Some(if flag { ThinkingMode::On } else { ThinkingMode::Off }));
        }
        settings.budget_tokens =
            settings.budget_tokens.or_else(|| reasoning.get("max_tokens").and_then(JsonNode::as_u64));
        settings.summary = reasoning.string("summary");
        losses.record_if(reasoning.get("exclude").is_some_and(JsonNode::is_true), losses::THINKING_DETAIL);
    }
    settings
}
