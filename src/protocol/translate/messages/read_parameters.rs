//! The fields of a messages request beside the conversation.

use super::super::TranslationError;
use super::super::conversation::parameters::{Parameters, ResponseFormat};
use super::super::conversation::thinking::{ThinkingMode, ThinkingSettings};
use super::super::losses::{self, Loss, Losses};
use super::super::node::{JsonNode, ObjectNode, StringLiteral};

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
const LOST_FIELDS: [(&str, Loss); 6] = [
    ("mcp_servers", losses::HOSTED_TOOLS),
    ("container", losses::HOSTED_TOOLS),
    ("cache_control", losses::CACHE_CONTROL),
    ("speed", losses::TIER),
    ("inference_geo", losses::TIER),
    ("provider", losses::ROUTING),
];

/// # Errors
/// When a field has a value that no provider accepts.
pub(super) fn read_parameters<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Parameters<'t>, TranslationError> {
    losses.record_unread_fields(top, &READ_FIELDS, &LOST_FIELDS);
    let raw = |key: &str| top.get(key).map(JsonNode::raw);
    let mut knobs = Parameters::from_shared_fields(top);
    knobs.max_tokens = raw("max_tokens");
    knobs.top_k = raw("top_k");
    knobs.stop_sequences = top.strings("stop_sequences")?;
    knobs.user = top.object("metadata")?.and_then(|metadata| metadata.literal("user_id"));
    knobs.service_tier = match top.string("service_tier").as_deref() {
        Some("standard_only") => Some(StringLiteral::from_text("default")),
        Some("auto") => Some(StringLiteral::from_text("auto")),
        _ => None,
    };
    let config = top.object("output_config")?;
    let format = config.and_then(|config| config.get("format")).or_else(|| top.get("output_format"));
    knobs.response_format =
        format.and_then(|format| ResponseFormat::from_schema_object(&format.object().ok()?));
    Ok(knobs)
}

/// `thinking` and `output_config.effort`.
pub(super) fn read_thinking<'t>(top: &ObjectNode<'t>, losses: &mut Losses) -> ThinkingSettings<'t> {
    let mut wish = ThinkingSettings::default();
    if let Some(thinking) = top.get("thinking").and_then(|node| node.object().ok()) {
        wish.mode = match thinking.string("type").as_deref() {
            Some("disabled") => Some(ThinkingMode::Off),
            Some("enabled") => Some(ThinkingMode::On),
            Some("adaptive") => Some(ThinkingMode::Adaptive),
            _ => None,
        };
        wish.budget_tokens = thinking.get("budget_tokens").and_then(JsonNode::as_u64);
        match thinking.string("display").as_deref() {
            Some("summarized") => wish.summary = Some("auto".into()),
            display => losses.record_if(display.is_some(), losses::THINKING_DETAIL),
        }
    }
    let config = top.get("output_config").and_then(|node| node.object().ok());
    wish.set_effort(config.and_then(|config| config.get("effort")));
    if let Some(management) = top.get("context_management").and_then(|node| node.object().ok()) {
        record_context_edits(&management, losses);
    }
    wish
}

/// Which context edits are requested: of thinking only, or of more.
fn record_context_edits(management: &ObjectNode<'_>, losses: &mut Losses) {
    for edit in management.list("edits").unwrap_or_default() {
        let kind = edit.object().ok().and_then(|edit| edit.string("type").map(|kind| kind.into_owned()));
        let of_thinking = kind.is_some_and(|kind| kind.starts_with("clear_thinking"));
        losses.record(if of_thinking { losses::THINKING_KEEP } else { losses::CONTEXT_MANAGEMENT });
    }
}
