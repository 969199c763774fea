//! Parts shared by OpenAI's Chat Completions and Responses.

use super::conversation::parameters::{Parameters, ResponseFormat};
use super::conversation::tools::ToolChoice;
use super::losses::{self, Losses};
use super::node::StringLiteral;
use super::writer::ObjectWriter;

/// The longest end user's id, in characters (API reference, 2026-11).
const MAX_USER_CHARS: usize = 64;

/// A string value of `tool_choice`.
pub(super) fn parse_tool_choice<'t>(word: &str, losses: &mut Losses) -> Option<ToolChoice<'t>> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" | "any" => Some(ToolChoice::Required),
        _ => {
            losses.record(losses::TOOL_CHOICE);
            None
        }
    }
}

/// The arguments of a call with free text, as those of a function.
pub(super) fn wrap_free_text(input: &StringLiteral<'_>) -> Vec<u8> {
    [b"{\"input\":".as_slice(), input.as_bytes(), b"}"].concat()
}

/// Writes the fields for user, service tier and prompt cache.
pub(super) fn write_shared_fields(body: &mut ObjectWriter<'_>, knobs: &Parameters<'_>, losses: &mut Losses) {
    let fits = |user: &&StringLiteral<'_>| user.text().chars().count() <= MAX_USER_CHARS;
    let user = knobs.user.as_ref().filter(fits);
    losses.record_if(user.is_none() && knobs.user.is_some(), losses::USER);
    body.literal_if("user", user);
    body.literal_if("safety_identifier", knobs.safety_identifier.as_ref());
    body.raw_if("metadata", knobs.metadata);
    body.literal_if("service_tier", knobs.service_tier.as_ref());
    for (key, value) in &knobs.cache_fields {
        body.raw(key, value);
    }
}

/// Writes name, description, schema and strictness of a response format.
pub(super) fn write_schema(body: &mut ObjectWriter<'_>, format: &ResponseFormat<'_>) {
    let ResponseFormat::JsonSchema { name, description, schema, is_strict: strict } = format else { return };
    match name {
        Some(name) => body.literal("name", name),
        None => body.text("name", "answer"),
    }
    body.literal_if("description", description.as_ref());
    body.raw("schema", schema);
    if let Some(strict) = strict {
        body.flag("strict", *strict);
    }
}
