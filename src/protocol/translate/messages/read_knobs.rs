//! The fields of a messages request beside the conversation.

use super::super::Untranslatable;
use super::super::conversation::knobs::{Format, Knobs};
use super::super::conversation::thinking::{Switch, Thinking};
use super::super::losses::{self, Loss, Losses};
use super::super::node::{Literal, Node, Object};

/// Fields that are read, here or elsewhere.
const READ: [&str; 17] = [
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

/// Fields that are not, and what that loses.
const LOST: [(&str, Loss); 6] = [
    ("mcp_servers", losses::HOSTED_TOOLS),
    ("container", losses::HOSTED_TOOLS),
    ("cache_control", losses::CACHE_CONTROL),
    ("speed", losses::TIER),
    ("inference_geo", losses::TIER),
    ("provider", losses::ROUTING),
];

/// # Errors
/// When a field holds what no provider could take.
pub(super) fn knobs<'t>(top: &Object<'t>, losses: &mut Losses) -> Result<Knobs<'t>, Untranslatable> {
    losses.note_unread(top, &READ, &LOST);
    let raw = |key: &str| top.get(key).map(Node::raw);
    let mut knobs = Knobs::shared(top);
    knobs.max_tokens = raw("max_tokens");
    knobs.top_k = raw("top_k");
    knobs.stops = top.strings("stop_sequences")?;
    knobs.user = top.object("metadata")?.and_then(|metadata| metadata.literal("user_id"));
    knobs.tier = match top.string("service_tier").as_deref() {
        Some("standard_only") => Some(Literal::of("default")),
        Some("auto") => Some(Literal::of("auto")),
        _ => None,
    };
    let config = top.object("output_config")?;
    let format = config.and_then(|config| config.get("format")).or_else(|| top.get("output_format"));
    knobs.format = format.and_then(|format| Format::of_schema(&format.object().ok()?));
    Ok(knobs)
}

/// `thinking` and `output_config.effort`.
pub(super) fn thinking<'t>(top: &Object<'t>, losses: &mut Losses) -> Thinking<'t> {
    let mut wish = Thinking::default();
    if let Some(thinking) = top.get("thinking").and_then(|node| node.object().ok()) {
        wish.switch = match thinking.string("type").as_deref() {
            Some("disabled") => Some(Switch::Off),
            Some("enabled") => Some(Switch::On),
            Some("adaptive") => Some(Switch::Adaptive),
            _ => None,
        };
        wish.budget = thinking.get("budget_tokens").and_then(Node::count);
        match thinking.string("display").as_deref() {
            Some("summarized") => wish.summary = Some("auto".into()),
            display => losses.note_if(display.is_some(), losses::THINKING_DETAIL),
        }
    }
    let config = top.get("output_config").and_then(|node| node.object().ok());
    wish.set_word(config.and_then(|config| config.get("effort")));
    if let Some(management) = top.get("context_management").and_then(|node| node.object().ok()) {
        context(&management, losses);
    }
    wish
}

/// Which edits of the context are asked for: of the thinking alone, or of more.
fn context(management: &Object<'_>, losses: &mut Losses) {
    for edit in management.list("edits").unwrap_or_default() {
        let kind = edit.object().ok().and_then(|edit| edit.string("type").map(|kind| kind.into_owned()));
        let of_thinking = kind.is_some_and(|kind| kind.starts_with("clear_thinking"));
        losses.note(if of_thinking { losses::THINKING_KEEP } else { losses::CONTEXT_MANAGEMENT });
    }
}
