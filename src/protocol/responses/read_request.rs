//! A responses request, read into the model.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::protocol::codec::content;
use crate::protocol::model::TranslationError;
use crate::protocol::model::client_tools::{LOCAL_SHELL, read_shell_action, wrap_free_text};
use crate::protocol::model::conversation::{
    ContentBlock, Conversation, ConversationTurn, FileBlock, ImageBlock, MediaSource, Role, ToolCall,
    ToolResult,
};
use crate::protocol::model::losses::{self, Loss, Losses};
use crate::protocol::model::node::{JsonNode, ObjectNode, StringLiteral};
use crate::protocol::model::parameters::{Parameters, ResponseFormat};
use crate::protocol::model::seal::Seal;
use crate::protocol::model::thinking::ThinkingSettings;
use crate::protocol::model::tools::{ToolChoice, ToolDefinition, flatten_name, restore_id};
use crate::protocol::request::RequestBody;

/// Data stored at the provider, which a request may reference instead of sending it.
const STORED_REFERENCES: [(&str, &str); 3] = [
    (
        "previous_response_id",
        "refers to a response that another provider stores; send the whole conversation in `input`",
    ),
    ("conversation", "refers to a conversation that another provider stores; send all of it in `input`"),
    ("prompt", "refers to a prompt that another provider stores; send its text in `instructions`"),
];

/// # Errors
/// When a value has the wrong type for the format, or cannot be omitted.
pub(crate) fn read<'t>(
    body: &'t RequestBody,
    losses: &mut Losses,
) -> Result<Conversation<'t>, TranslationError> {
    let top = ObjectNode::from_members(&body.text, body.members.clone());
    if let Some((key, why)) = STORED_REFERENCES.into_iter().find(|(key, _)| top.get(key).is_some()) {
        return Err(TranslationError::new(why).within(key));
    }
    let mut conversation = Conversation::default();
    if top.get("instructions").is_some() {
        let instructions = top.require_string("instructions")?;
        let blocks =
            if instructions.is_empty() { Vec::new() } else { vec![ContentBlock::Text(instructions)] };
        conversation.turns.push(ConversationTurn::new(Role::System, blocks));
    }
    if let Some(input) = top.get("input") {
        read_input(input, &mut conversation, losses)?;
    }
    top.try_each("tools", |tool| read_tool(tool, &mut conversation.tools, losses))?;
    conversation.tool_choice = read_tool_choice(&top, losses)?;
    conversation.parallel_tool_calls = top.get("parallel_tool_calls").and_then(JsonNode::as_bool);
    conversation.thinking = read_thinking(&top, losses);
    conversation.parameters = read_parameters(&top, losses)?;
    Ok(conversation)
}

fn read_input<'t>(
    input: JsonNode<'t>,
    conversation: &mut Conversation<'t>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    if let Some(text) = input.literal() {
        let blocks = if text.is_empty() { Vec::new() } else { vec![ContentBlock::Text(text)] };
        conversation.turns.push(ConversationTurn::new(Role::User, blocks));
        return Ok(());
    }
    if !input.is_array() {
        let why = format!("must be a string or an array of items, not {}", input.type_name());
        return Err(TranslationError::new(why).within("input"));
    }
    let items = input.elements()?;
    let shell_calls = collect_shell_calls(&items);
    for (index, item) in items.into_iter().enumerate() {
        let turn = item.object().and_then(|item| read_item(&item, &shell_calls, losses));
        let turn = turn.map_err(|error| error.within(&format!("input[{index}]")))?;
        turn.into_iter().for_each(|turn| push_turn(&mut conversation.turns, turn));
    }
    losses.record_if(conversation.turns.iter().any(|turn| turn.name.is_some()), losses::NAMES);
    Ok(())
}

/// Items of one response form one turn: reasoning, text, calls. A repeated start before any call begins the
/// next turn. Calls stay together, because their results must follow them.
fn push_turn<'t>(turns: &mut Vec<ConversationTurn<'t>>, turn: ConversationTurn<'t>) {
    let Some(last) = turns.last_mut().filter(|last| last.role == turn.role) else {
        turns.push(turn);
        return;
    };
    let is_text =
        |block: &ContentBlock<'_>| matches!(block, ContentBlock::Text(_) | ContentBlock::Refusal(_));
    let joins = match turn.role {
        Role::Tools => true,
        Role::Assistant => last.has_calls() || turn.has_calls() || !last.blocks.iter().any(is_text),
        _ => false,
    };
    if joins {
        last.blocks.extend(turn.blocks);
    } else {
        turns.push(turn);
    }
}

/// # Errors
/// When the item has the wrong shape for the format, or refers to data that only its provider has.
fn read_item<'t>(
    item: &ObjectNode<'t>,
    shell_calls: &ShellCalls<'t>,
    losses: &mut Losses,
) -> Result<Option<ConversationTurn<'t>>, TranslationError> {
    let kind = item.string("type").unwrap_or(Cow::Borrowed("message"));
    let (role, block) = match &*kind {
        "message" => return read_message(item, losses).map(Some),
        "reasoning" => {
            return Ok(Some(ConversationTurn::new(Role::Assistant, read_reasoning(item)?)));
        }
        "function_call" => (Role::Assistant, ContentBlock::ToolCall(read_function_call(item)?)),
        "custom_tool_call" => (Role::Assistant, ContentBlock::ToolCall(read_custom_call(item, losses)?)),
        "local_shell_call" => {
            losses.record(losses::CUSTOM_TOOLS);
            (Role::Assistant, ContentBlock::ToolCall(read_shell_call(item)?))
        }
        "function_call_output" | "custom_tool_call_output" => {
            (Role::Tools, ContentBlock::ToolResult(read_tool_result(item, read_call_id(item), losses)?))
        }
        "local_shell_call_output" => {
            // Its `id` is that of the call's item; some clients send the id that joins them elsewhere.
            let id = item.string("call_id").or_else(|| item.string("id")).unwrap_or_default();
            let call_id = shell_calls.get(&*id).cloned().unwrap_or_else(|| restore_id(id));
            (Role::Tools, ContentBlock::ToolResult(read_tool_result(item, call_id, losses)?))
        }
        "item_reference" => {
            let why = "refers to an item that another provider stores; send the item itself";
            return Err(TranslationError::new(why));
        }
        "compaction" | "compaction_summary" | "context_compaction" => {
            let why = "is the conversation in a form that only its provider can read; \
                       send the conversation, or use that provider's own API";
            return Err(TranslationError::new(why));
        }
        hosted if hosted.ends_with("_call") || hosted.contains("_call_") || hosted.starts_with("mcp_") => {
            losses.record(losses::HOSTED_CALLS);
            return Ok(None);
        }
        // Codex adds item types from time to time; content that the model must see is in messages.
        _ => {
            losses.record(losses::UNKNOWN_BLOCKS);
            return Ok(None);
        }
    };
    Ok(Some(ConversationTurn::new(role, vec![block])))
}

fn read_message<'t>(
    item: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<ConversationTurn<'t>, TranslationError> {
    let role = match &*item.require_string("role")?.text() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let why = format!("{other:?} is not a role; use system, developer, user or assistant");
            return Err(TranslationError::new(why).within("role"));
        }
    };
    Ok(ConversationTurn::new(role, item.try_read("content", |content| read_content(content, losses))?))
}

/// The id shared by call and result; the item's own id is different.
fn read_call_id<'t>(item: &ObjectNode<'t>) -> Cow<'t, str> {
    restore_id(item.string("call_id").unwrap_or_default())
}

fn read_name<'t>(item: &ObjectNode<'t>) -> Result<StringLiteral<'t>, TranslationError> {
    let name = item.require_string("name")?;
    Ok(match item.string("namespace") {
        Some(namespace) => StringLiteral::from_text(&flatten_name(&namespace, &name.text())),
        None => name,
    })
}

fn read_function_call<'t>(item: &ObjectNode<'t>) -> Result<ToolCall<'t>, TranslationError> {
    let arguments = content::read_arguments(item.get("arguments"));
    Ok(ToolCall { id: read_call_id(item), name: read_name(item)?, arguments })
}

fn read_custom_call<'t>(
    item: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<ToolCall<'t>, TranslationError> {
    losses.record(losses::CUSTOM_TOOLS);
    let input = item.literal("input").unwrap_or_else(|| StringLiteral::from_text(""));
    Ok(ToolCall {
        id: read_call_id(item),
        name: read_name(item)?,
        arguments: Cow::Owned(wrap_free_text(&input)),
    })
}

/// The ids that results have of calls of the local shell, and those that join calls and results elsewhere.
type ShellCalls<'t> = BTreeMap<String, Cow<'t, str>>;

fn collect_shell_calls<'t>(items: &[JsonNode<'t>]) -> ShellCalls<'t> {
    let calls = items.iter().filter_map(|item| item.object().ok());
    let calls = calls.filter(|item| item.string("type").as_deref() == Some("local_shell_call"));
    calls.filter_map(|call| Some((call.string("id")?.into_owned(), read_call_id(&call)))).collect()
}

fn read_shell_call<'t>(item: &ObjectNode<'t>) -> Result<ToolCall<'t>, TranslationError> {
    let action = item.object("action")?;
    Ok(ToolCall {
        id: read_call_id(item),
        name: StringLiteral::from_text(LOCAL_SHELL),
        arguments: Cow::Owned(read_shell_action(action.as_ref())),
    })
}

fn read_tool_result<'t>(
    item: &ObjectNode<'t>,
    call_id: Cow<'t, str>,
    losses: &mut Losses,
) -> Result<ToolResult<'t>, TranslationError> {
    let content = item.try_read("output", |output| {
        if output.is_object() {
            let text = StringLiteral::from_text(&read_output_text(output));
            return Ok(vec![ContentBlock::Text(text)]);
        }
        read_content(output, losses)
    })?;
    Ok(ToolResult {
        call_id,
        content,
        is_error: item.string("status").is_some_and(|status| status == "failed"),
    })
}

/// An object for an output (older Codex: `{content, success}`).
fn read_output_text(output: JsonNode<'_>) -> String {
    let content = output.object().ok().and_then(|object| object.string("content"));
    content.map_or_else(|| String::from_utf8_lossy(output.raw()).into_owned(), Cow::into_owned)
}

/// # Errors
/// When it is neither a string nor an array of parts.
fn read_content<'t>(
    content: JsonNode<'t>,
    losses: &mut Losses,
) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    content::read_parts(content, "parts", |node, blocks| {
        blocks.push(read_part(&node.object()?, losses)?);
        Ok(())
    })
}

fn read_part<'t>(part: &ObjectNode<'t>, losses: &mut Losses) -> Result<ContentBlock<'t>, TranslationError> {
    match &*part.require_string("type")?.text() {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            let cited = part.get("annotations").is_some_and(|list| list.raw() != b"[]");
            losses.record_if(cited, losses::CITATIONS);
            part.require_string("text").map(ContentBlock::Text)
        }
        "refusal" => part.require_string("refusal").map(ContentBlock::Refusal),
        "input_image" => read_image(part),
        "input_file" => read_file(part),
        "input_audio" => Ok(content::make_audio_placeholder(losses)),
        _ => content::read_unknown_part(part, "part of an item", losses),
    }
}

fn read_image<'t>(part: &ObjectNode<'t>) -> Result<ContentBlock<'t>, TranslationError> {
    let source = match (part.get("image_url"), part.literal("file_id")) {
        (None, Some(id)) => MediaSource::FileId(id),
        // Some clients send chat's form.
        (Some(node), _) if node.is_object() => {
            let url = node.object().and_then(|object| object.require_string("url"));
            MediaSource::from_url(url.map_err(|error| error.within("image_url"))?)
        }
        _ => MediaSource::from_url(part.require_string("image_url")?),
    };
    Ok(ContentBlock::Image(ImageBlock { source, detail: part.literal("detail") }))
}

fn read_file<'t>(part: &ObjectNode<'t>) -> Result<ContentBlock<'t>, TranslationError> {
    let source = match (part.literal("file_id"), part.literal("file_url")) {
        (Some(id), _) => MediaSource::FileId(id),
        (_, Some(url)) => MediaSource::from_url(url),
        _ => {
            let name = part.literal("filename");
            MediaSource::from_file_data(part.require_string("file_data")?, name.as_ref())
        }
    };
    Ok(ContentBlock::File(FileBlock { source, name: part.literal("filename") }))
}

/// A reasoning item: its content, else its summary, and its encrypted content. One without a readable part is
/// redacted; an empty part means that the text was not shown.
fn read_reasoning<'t>(item: &ObjectNode<'t>) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    let mut texts: Vec<StringLiteral<'t>> = Vec::new();
    let mut has_parts = false;
    for key in ["content", "summary"] {
        if !texts.is_empty() {
            break;
        }
        item.try_each(key, |part| {
            has_parts = true;
            texts.extend(part.object()?.literal("text").filter(|text| !text.is_empty()));
            Ok(())
        })?;
    }
    let signature = item.literal("encrypted_content").filter(|text| !text.is_empty()).map(Seal::unopened);
    Ok(match signature {
        None if texts.is_empty() => Vec::new(),
        Some(data) if !has_parts => vec![ContentBlock::RedactedReasoning(data)],
        signature => {
            vec![ContentBlock::Reasoning { text: StringLiteral::join(&texts, "\n\n"), signature }]
        }
    })
}

/// # Errors
/// When it is not a tool.
fn read_tool<'t>(
    tool: JsonNode<'t>,
    tools: &mut Vec<ToolDefinition<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let tool = tool.object()?;
    if tool.string("type").as_deref() == Some("namespace") {
        losses.record(losses::NAMESPACES);
        let namespace = tool.require_string("name")?.text().into_owned();
        tool.try_each("tools", |inner| read_namespaced_tool(&namespace, inner, tools, losses))?;
    } else {
        tools.extend(read_plain_tool(&tool, losses)?);
    }
    Ok(())
}

/// `None` for a tool that a provider runs.
fn read_plain_tool<'t>(
    tool: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Option<ToolDefinition<'t>>, TranslationError> {
    let read = match tool.string("type").as_deref() {
        Some("function") | None => return ToolDefinition::from_function(tool).map(Some),
        Some("custom") => ToolDefinition::from_free_text(tool)?,
        Some("local_shell") => ToolDefinition::local_shell(),
        Some(_) => {
            losses.record(losses::HOSTED_TOOLS);
            return Ok(None);
        }
    };
    losses.record(losses::CUSTOM_TOOLS);
    Ok(Some(read))
}

fn read_namespaced_tool<'t>(
    namespace: &str,
    tool: JsonNode<'t>,
    tools: &mut Vec<ToolDefinition<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let Some(mut function) = read_plain_tool(&tool.object()?, losses)? else { return Ok(()) };
    let name = function.name.text().into_owned();
    function.name = StringLiteral::from_text(&flatten_name(namespace, &name));
    function.namespace = Some((Cow::Owned(namespace.to_owned()), Cow::Owned(name)));
    tools.push(function);
    Ok(())
}

/// # Errors
/// When it is neither a string nor an object.
fn read_tool_choice<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice<'t>>, TranslationError> {
    let Some(node) = top.get("tool_choice") else { return Ok(None) };
    if let Some(word) = node.string() {
        return Ok(content::parse_tool_choice(&word, losses));
    }
    let choice = node.object().map_err(|error| error.within("tool_choice"))?;
    let kind = choice.string("type");
    if kind.as_deref() == Some("local_shell") {
        return Ok(Some(ToolChoice::Named(StringLiteral::from_text(LOCAL_SHELL))));
    }
    if matches!(kind.as_deref(), Some("function" | "custom"))
        && let Some(name) = choice.literal("name")
    {
        let name = match choice.string("namespace") {
            Some(namespace) => StringLiteral::from_text(&flatten_name(&namespace, &name.text())),
            None => name,
        };
        return Ok(Some(ToolChoice::Named(name)));
    }
    losses.record(losses::TOOL_CHOICE);
    Ok(content::parse_tool_choice(choice.string("mode").as_deref().unwrap_or("auto"), losses))
}

/// Fields that are read, here or elsewhere. `client_metadata` is for Codex's own server.
const READ_FIELDS: [&str; 23] = [
    "model",
    "input",
    "instructions",
    "max_output_tokens",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "top_k",
    "user",
    "safety_identifier",
    "metadata",
    "service_tier",
    "text",
    "reasoning",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "client_metadata",
    "include",
];

/// Fields that are not read, and the loss of each.
const LOST_FIELDS: [(&str, Loss); 8] = [
    ("store", losses::STORAGE),
    ("background", losses::STORAGE),
    ("truncation", losses::STORAGE),
    ("max_tool_calls", losses::HOSTED_TOOLS),
    ("top_logprobs", losses::SAMPLING),
    ("presence_penalty", losses::SAMPLING),
    ("frequency_penalty", losses::SAMPLING),
    ("context_management", losses::CONTEXT_MANAGEMENT),
];

/// # Errors
/// When a field has a value that no provider accepts.
fn read_parameters<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Parameters<'t>, TranslationError> {
    losses.record_unread_fields(top, &READ_FIELDS, &LOST_FIELDS);
    // Encrypted reasoning is always included.
    let is_carried =
        |item: &JsonNode<'_>| item.string().is_some_and(|item| item == "reasoning.encrypted_content");
    losses.record_if(!top.list("include")?.iter().all(is_carried), losses::STORAGE);
    let mut parameters = Parameters::from_openai_fields(top);
    parameters.max_tokens = top.get("max_output_tokens").map(JsonNode::raw);
    parameters.top_k = top.get("top_k").map(JsonNode::raw);
    if let Some(text) = top.object("text")? {
        parameters.verbosity = text.get("verbosity").map(JsonNode::raw);
        let format = text.object("format").map_err(|error| error.within("text"))?;
        parameters.response_format = match format.as_ref().and_then(|format| format.string("type")).as_deref()
        {
            Some("json_object") => Some(ResponseFormat::JsonObject),
            Some("json_schema") => format.as_ref().map(ResponseFormat::from_schema_object),
            _ => None,
        };
    }
    Ok(parameters)
}

fn read_thinking<'t>(top: &ObjectNode<'t>, losses: &mut Losses) -> ThinkingSettings<'t> {
    let mut settings = ThinkingSettings::default();
    if let Some(reasoning) = top.get("reasoning").and_then(|node| node.object().ok()) {
        settings.set_effort(reasoning.get("effort"));
        settings.budget_tokens = reasoning.get("max_tokens").and_then(JsonNode::as_u64);
        settings.summary = reasoning.string("summary").or_else(|| reasoning.string("generate_summary"));
        losses.record_if(settings.summary.is_some(), losses::THINKING_DETAIL);
    }
    settings
}
