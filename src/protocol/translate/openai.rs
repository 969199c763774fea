//! What chat and responses have in common, both being OpenAI's.

use super::conversation::knobs::{Format, Knobs};
use super::conversation::tools::Choice;
use super::losses::{self, Losses};
use super::node::Literal;
use super::writer::ObjectWriter;

/// The longest end user's id, in characters (API reference, 2026-11).
const LONGEST_USER: usize = 64;

/// A word of `tool_choice`.
pub(super) fn choice<'t>(word: &str, losses: &mut Losses) -> Option<Choice<'t>> {
    match word {
        "auto" => Some(Choice::Auto),
        "none" => Some(Choice::None),
        "required" | "any" => Some(Choice::Any),
        _ => {
            losses.note(losses::TOOL_CHOICE);
            None
        }
    }
}

/// The arguments of a call with free text, as those of a function.
pub(super) fn free_text(input: &Literal<'_>) -> Vec<u8> {
    [b"{\"input\":".as_slice(), input.as_bytes(), b"}"].concat()
}

/// Writes who asks, how it is served and how its prompt is kept.
pub(super) fn write_terms(body: &mut ObjectWriter<'_>, knobs: &Knobs<'_>, losses: &mut Losses) {
    let fits = |user: &&Literal<'_>| user.text().chars().count() <= LONGEST_USER;
    let user = knobs.user.as_ref().filter(fits);
    losses.note_if(user.is_none() && knobs.user.is_some(), losses::USER);
    body.literal_if("user", user);
    body.literal_if("safety_identifier", knobs.safety_identifier.as_ref());
    body.raw_if("metadata", knobs.metadata);
    body.literal_if("service_tier", knobs.tier.as_ref());
    for (key, value) in &knobs.cache {
        body.raw(key, value);
    }
}

/// Writes name, description, schema and strictness of an answer's form.
pub(super) fn write_schema(body: &mut ObjectWriter<'_>, format: &Format<'_>) {
    let Format::Schema { name, description, schema, strict } = format else { return };
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
