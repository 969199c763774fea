//! A messages request, read into the model.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::protocol::codec::content;
use crate::protocol::model::TranslationError;
use crate::protocol::model::conversation::{
    ContentBlock, Conversation, ConversationTurn, FileBlock, ImageBlock, MediaSource, Role, ToolCall,
    ToolResult,
};
use crate::protocol::model::losses::{self, Loss, Losses};
use crate::protocol::model::node::{JsonNode, ObjectNode, StringLiteral};
use crate::protocol::model::parameters::{Parameters, ResponseFormat};
use crate::protocol::model::seal::Seal;
use crate::protocol::model::thinking::{ThinkingMode, ThinkingSettings};
use crate::protocol::model::tools::{RAW_ARGUMENTS_KEY, ToolChoice, ToolDefinition, ToolForm, restore_id};
use crate::protocol::request::RequestBody;

/// # Errors
/// When a value has the wrong type for the format, or cannot be omitted.
pub(crate) fn read<'t>(
    body: &'t RequestBody,
    losses: &mut Losses,
) -> Result<Conversation<'t>, TranslationError> {
    let top = ObjectNode::from_members(&body.text, body.members.clone());
    let mut conversation = Conversation::default();
    let system = top.try_read("system", |system| read_content(system, losses))?;
    conversation.turns.push(ConversationTurn::new(Role::System, system));
    let mut fetched = HashSet::new();
    top.try_each("messages", |message| {
        let message = message.object()?;
        read_turns(&message, &mut conversation.turns, losses)?;
        collect_fetched_tools(&message, &mut fetched);
        Ok(())
    })?;
    if let Some(last) = conversation.turns.last_mut() {
        // A last assistant message is the start of the response.
        last.is_partial = last.role == Role::Assistant && !last.has_calls();
    }
    let tools = top.try_each("tools", |tool| read_tool(tool, &fetched, losses))?;
    conversation.tools.extend(tools.into_iter().flatten());
    read_tool_choice(&top, &mut conversation, losses)?;
    conversation.thinking = read_thinking(&top, losses);
    conversation.parameters = read_parameters(&top, losses)?;
    Ok(conversation)
}

/// A user message with results becomes two turns: the results come first.
fn read_turns<'t>(
    message: &ObjectNode<'t>,
    turns: &mut Vec<ConversationTurn<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let role = match &*message.require_string("role")?.text() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            let why = format!("{other:?} is not a role; use user, assistant or system");
            return Err(TranslationError::new(why).within("role"));
        }
    };
    let blocks = message.try_read("content", |content| read_content(content, losses))?;
    // A cache mark follows its block.
    let mut is_result = false;
    let (results, rest): (Vec<_>, Vec<_>) = blocks.into_iter().partition(|block| {
        is_result = match block {
            ContentBlock::ToolResult(_) => true,
            ContentBlock::CacheMark(_) => is_result,
            _ => false,
        };
        is_result
    });
    let new_turns = [ConversationTurn::new(Role::Tools, results), ConversationTurn::new(role, rest)];
    turns.extend(new_turns.into_iter().filter(|turn| !turn.blocks.is_empty()));
    Ok(())
}

/// Members of a tool that other formats do not have.
const EXTRA_TOOL_FIELDS: [&str; 3] = ["input_examples", "allowed_callers", "eager_input_streaming"];

fn read_tool<'t>(
    tool: JsonNode<'t>,
    fetched: &HashSet<String>,
    losses: &mut Losses,
) -> Result<Option<ToolDefinition<'t>>, TranslationError> {
    let tool = tool.object()?;
    // Tools that Anthropic knows have a dated type (`web_search_20250305`), those of the client none or `custom`.
    if tool.string("type").is_some_and(|kind| kind != "custom") {
        let known = ToolDefinition::from_claude_tool(&tool);
        losses.record(if known.is_some() { losses::CUSTOM_TOOLS } else { losses::HOSTED_TOOLS });
        return Ok(known);
    }
    let name = tool.require_string("name")?;
    if tool.get("defer_loading").is_some_and(JsonNode::is_true) && !fetched.contains(&*name.text()) {
        losses.record(losses::DEFERRED_TOOLS);
        return Ok(None);
    }
    losses.record_if(EXTRA_TOOL_FIELDS.iter().any(|key| tool.get(key).is_some()), losses::TOOL_EXTRAS);
    Ok(Some(ToolDefinition {
        name,
        description: tool.literal("description"),
        schema: tool.get("input_schema").map(|schema| Cow::Borrowed(schema.raw())),
        is_strict: tool.get("strict").and_then(JsonNode::as_bool),
        namespace: None,
        form: ToolForm::Function,
        cache_control: tool.get("cache_control").map(JsonNode::raw),
    }))
}

fn read_tool_choice<'t>(
    top: &ObjectNode<'t>,
    conversation: &mut Conversation<'t>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let Some(choice) = top.object("tool_choice")? else { return Ok(()) };
    conversation.tool_choice = match choice.string("type").as_deref() {
        Some("auto") => Some(ToolChoice::Auto),
        Some("any") => Some(ToolChoice::Required),
        Some("none") => Some(ToolChoice::None),
        Some("tool") => Some(ToolChoice::Named(
            choice.require_string("name").map_err(|error| error.within("tool_choice"))?,
        )),
        _ => {
            losses.record(losses::TOOL_CHOICE);
            None
        }
    };
    conversation.parallel_tool_calls =
        choice.get("disable_parallel_tool_use").and_then(JsonNode::as_bool).map(|flag| !flag);
    Ok(())
}

/// # Errors
/// When it is neither a string nor an array of blocks.
fn read_content<'t>(
    content: JsonNode<'t>,
    losses: &mut Losses,
) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    content::read_parts(content, "blocks", |node, blocks| {
        let (block, before) = (node.object()?, blocks.len());
        read_block(&block, blocks, losses)?;
        let mark = block.get("cache_control").filter(|_| blocks.len() > before);
        blocks.extend(mark.map(|mark| ContentBlock::CacheMark(mark.raw())));
        Ok(())
    })
}

fn read_block<'t>(
    block: &ObjectNode<'t>,
    blocks: &mut Vec<ContentBlock<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let kind = block.require_string("type")?.text().into_owned();
    let read = match &*kind {
        "text" => {
            let cited = block.get("citations").is_some_and(|list| list.raw() != b"[]");
            losses.record_if(cited, losses::CITATIONS);
            ContentBlock::Text(block.require_string("text")?)
        }
        "image" => ContentBlock::Image(ImageBlock { source: read_source(block)?, detail: None }),
        "document" => return read_document(block, blocks, losses),
        "search_result" => return read_search_result(block, blocks, losses),
        "thinking" => ContentBlock::Reasoning {
            text: block.require_string("thinking")?,
            signature: block.literal("signature").filter(|text| !text.is_empty()).map(Seal::unopened),
        },
        "redacted_thinking" => ContentBlock::RedactedReasoning(Seal::unopened(block.require_string("data")?)),
        "tool_use" => ContentBlock::ToolCall(read_tool_call(block)?),
        "tool_result" => return read_tool_result(block, blocks, losses),
        "tool_reference" => {
            let name = block.require_string("tool_name")?;
            ContentBlock::Text(name.wrap("The tool ", " can be called now."))
        }
        hosted
            if hosted == "server_tool_use"
                || hosted.ends_with("_tool_result")
                || hosted.starts_with("mcp_") =>
        {
            losses.record(losses::HOSTED_CALLS);
            return Ok(());
        }
        _ => content::read_unknown_part(block, "block of a message", losses)?,
    };
    blocks.push(read);
    Ok(())
}

fn read_source<'t>(block: &ObjectNode<'t>) -> Result<MediaSource<'t>, TranslationError> {
    let read = |source: &ObjectNode<'t>| match &*source.require_string("type")?.text() {
        "base64" => Ok(MediaSource::Data {
            media_type: source.string("media_type").unwrap_or(Cow::Borrowed("application/octet-stream")),
            data: source.require_string("data")?,
        }),
        "url" => Ok(MediaSource::from_url(source.require_string("url")?)),
        "file" => source.require_string("file_id").map(MediaSource::FileId),
        other => {
            let why = format!("{other:?} is not a source; use base64, url or file");
            Err(TranslationError::new(why).within("type"))
        }
    };
    read(&block.require_object("source")?).map_err(|error| error.within("source"))
}

/// A document of text or blocks becomes these; others stay documents.
fn read_document<'t>(
    block: &ObjectNode<'t>,
    blocks: &mut Vec<ContentBlock<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let cited =
        block.object("citations")?.is_some_and(|terms| terms.get("enabled").is_some_and(JsonNode::is_true));
    losses.record_if(cited || block.get("context").is_some(), losses::DOCUMENT_TERMS);
    let title = block.literal("title").filter(|title| !title.is_empty());
    let inner = block.object("source")?;
    let kind = inner.as_ref().and_then(|source| source.string("type"));
    match (kind.as_deref(), inner) {
        (Some("text"), Some(source)) => {
            blocks.extend(title.map(ContentBlock::Text));
            blocks.push(ContentBlock::Text(
                source.require_string("data").map_err(|error| error.within("source"))?,
            ));
        }
        (Some("content"), Some(source)) => {
            blocks.extend(title.map(ContentBlock::Text));
            if let Some(parts) = source.get("content") {
                blocks.extend(read_content(parts, losses).map_err(|error| error.within("source.content"))?);
            }
        }
        _ => blocks.push(ContentBlock::File(FileBlock { source: read_source(block)?, name: title })),
    }
    Ok(())
}

/// Title, source and text of something found.
fn read_search_result<'t>(
    block: &ObjectNode<'t>,
    blocks: &mut Vec<ContentBlock<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    blocks
        .extend(["title", "source"].into_iter().filter_map(|key| block.literal(key)).map(ContentBlock::Text));
    blocks.extend(block.try_read("content", |parts| read_content(parts, losses))?);
    Ok(())
}

fn read_tool_call<'t>(block: &ObjectNode<'t>) -> Result<ToolCall<'t>, TranslationError> {
    Ok(ToolCall {
        id: restore_id(block.string("id").unwrap_or_default()),
        name: block.require_string("name")?,
        arguments: match block.get("input") {
            Some(input) => unwrap_arguments(input),
            None => Cow::Borrowed(b"{}"),
        },
    })
}

fn unwrap_arguments(input: JsonNode<'_>) -> Cow<'_, [u8]> {
    let wrapped = || {
        let object = input.object().ok()?;
        let [(key, text)] = <[_; 1]>::try_from(object.entries().collect::<Vec<_>>()).ok()?;
        (key == RAW_ARGUMENTS_KEY).then(|| text.string()).flatten()
    };
    match wrapped() {
        Some(text) => Cow::Owned(text.into_owned().into_bytes()),
        None => Cow::Borrowed(input.raw()),
    }
}

fn read_tool_result<'t>(
    block: &ObjectNode<'t>,
    blocks: &mut Vec<ContentBlock<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let mut content = block.try_read("content", |parts| read_content(parts, losses))?;
    let mark = content::take_cache_mark(&mut content);
    let is_plain = |block: &ContentBlock<'_>| {
        matches!(block, ContentBlock::Text(_) | ContentBlock::Image(_) | ContentBlock::File(_))
    };
    losses.record_if(!content.iter().all(is_plain), losses::UNKNOWN_BLOCKS);
    content.retain(is_plain);
    blocks.push(ContentBlock::ToolResult(ToolResult {
        call_id: restore_id(block.string("tool_use_id").unwrap_or_default()),
        content,
        is_error: block.get("is_error").is_some_and(JsonNode::is_true),
    }));
    // The block's own mark, which follows, is at the same place.
    blocks.extend(mark.filter(|_| block.get("cache_control").is_none()));
    Ok(())
}

/// The tools that a search for tools brought into this message, whether it ran here or at the provider.
fn collect_fetched_tools(message: &ObjectNode<'_>, fetched: &mut HashSet<String>) {
    let mut waiting = message.list("content").unwrap_or_default();
    while let Some(node) = waiting.pop() {
        let Ok(block) = node.object() else { continue };
        if block.string("type").is_some_and(|kind| kind == "tool_reference") {
            fetched.extend(block.string("tool_name").map(Cow::into_owned));
        }
        // Nesting is bounded by that of the body.
        for inner in ["content", "tool_references"].into_iter().filter_map(|key| block.get(key)) {
            waiting.extend(if inner.is_object() {
                vec![inner]
            } else {
                inner.elements().unwrap_or_default()
            });
        }
    }
}

/// Fields that are read, here or elsewhere.
const READ_FIELDS: [&str; 17] = [
    "model",
    "messages",
    "system",
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "service_tier",
    "thinking",
    "output_config",
    "output_format",
    "tools",
    "tool_choice",
    "context_management",
];

/// Fields that are not read, and the loss of each.
const LOST_FIELDS: [(&str, Loss); 4] = [
    ("mcp_servers", losses::HOSTED_TOOLS),
    ("container", losses::HOSTED_TOOLS),
    ("speed", losses::TIER),
    ("inference_geo", losses::TIER),
];

/// # Errors
/// When a field has a value that no provider accepts.
fn read_parameters<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Parameters<'t>, TranslationError> {
    losses.record_unread_fields(top, &READ_FIELDS, &LOST_FIELDS);
    let raw = |key: &str| top.get(key).map(JsonNode::raw);
    let mut parameters = Parameters::from_shared_fields(top);
    parameters.max_tokens = raw("max_tokens");
    parameters.top_k = raw("top_k");
    parameters.stop_sequences = top.strings("stop_sequences")?;
    parameters.user = top.object("metadata")?.and_then(|metadata| metadata.literal("user_id"));
    parameters.service_tier = match top.string("service_tier").as_deref() {
        Some("standard_only") => Some(StringLiteral::from_text("default")),
        Some("auto") => Some(StringLiteral::from_text("auto")),
        _ => None,
    };
    let config = top.object("output_config")?;
    let format = config.and_then(|config| config.get("format")).or_else(|| top.get("output_format"));
    parameters.response_format =
        format.and_then(|format| Some(ResponseFormat::from_schema_object(&format.object().ok()?)));
    Ok(parameters)
}

/// `thinking` and `output_config.effort`.
fn read_thinking<'t>(top: &ObjectNode<'t>, losses: &mut Losses) -> ThinkingSettings<'t> {
    let mut settings = ThinkingSettings::default();
    if let Some(thinking) = top.get("thinking").and_then(|node| node.object().ok()) {
        settings.mode = thinking.string("type").and_then(|word| ThinkingMode::from_type(&word));
        settings.budget_tokens = thinking.get("budget_tokens").and_then(JsonNode::as_u64);
        match thinking.string("display").as_deref() {
            Some("summarized") => settings.summary = Some("auto".into()),
            display => losses.record_if(display.is_some(), losses::THINKING_DETAIL),
        }
    }
    let config = top.get("output_config").and_then(|node| node.object().ok());
    settings.set_effort(config.and_then(|config| config.get("effort")));
    if let Some(management) = top.get("context_management").and_then(|node| node.object().ok()) {
        record_context_edits(&management, losses);
    }
    settings
}

/// Which context edits are requested: of thinking only, or of more.
fn record_context_edits(management: &ObjectNode<'_>, losses: &mut Losses) {
    for edit in management.list("edits").unwrap_or_default() {
        let kind = edit.object().ok().and_then(|edit| edit.string("type").map(|kind| kind.into_owned()));
        let of_thinking = kind.is_some_and(|kind| kind.starts_with("clear_thinking"));
        losses.record(if of_thinking { losses::THINKING_KEEP } else { losses::CONTEXT_MANAGEMENT });
    }
}
