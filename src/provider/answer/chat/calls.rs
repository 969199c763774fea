//! Tool calls in answers: names as the client knows them, and calls found in text written as real ones.

use crate::protocol::chunk::{self, ChatChunk};
use crate::protocol::edit::Edits;
use crate::protocol::json::{self, MalformedJson, Span, write_string};
use crate::provider::answer::leak::LeakedCall;
use crate::provider::answer::tool_names;
use crate::provider::rewrite::AnswerPlan;

/// Gives every tool call the name that the client knows.
///
/// # Errors
/// When `tool_calls` is not JSON all through.
pub(super) fn restore_names(
    text: &[u8],
    chunk: &ChatChunk,
    plan: &AnswerPlan,
    edits: &mut Edits,
) -> Result<(), MalformedJson> {
    if plan.tool_names.is_empty() {
        return Ok(());
    }
    for calls in chunk.parsed_choices.iter().filter_map(|choice| choice.tool_calls.as_ref()) {
        for name in chunk::find_tool_names(text, calls)? {
            let literal = text.get(name.clone()).unwrap_or_default();
            if let Some(original) = tool_names::find_original_name(plan, literal) {
                edits.replace(name, original);
            }
        }
    }
    Ok(())
}

/// Real calls that come after `leaked` ones, which took the numbers from `start` on, are numbered behind them. Gives the
/// number after the last.
pub(super) fn renumber(text: &[u8], calls: &Span, start: usize, leaked: usize, edits: &mut Edits) -> usize {
    let Ok((elements, _)) = json::parse_elements(text, calls.start) else { return 0 };
    let mut after = 0;
    for (position, element) in elements.into_iter().enumerate() {
        let index = read_index(text, &element);
        let number = index.as_ref().map_or(position, |(_, number)| *number);
        let shift = if number >= start { leaked } else { 0 };
        if let (Some((place, _)), 1..) = (index, shift) {
            edits.replace(place, number.saturating_add(shift).to_string());
        }
        after = after.max(number.saturating_add(shift).saturating_add(1));
    }
    after
}

fn read_index(text: &[u8], call: &Span) -> Option<(Span, usize)> {
    let (members, _) = json::parse_members(text, call.start).ok()?;
    let place = json::find_member(text, &members, "index")?.value.clone();
    let number = std::str::from_utf8(text.get(place.clone())?).ok()?.parse().ok()?;
    Some((place, number))
}

/// The elements of a `tool_calls` array, without its brackets. `index` numbers them on, as chunks need it.
pub(super) fn render_tool_calls(
    calls: &[LeakedCall],
    plan: &AnswerPlan,
    mut index: Option<usize>,
) -> Vec<u8> {
    let mut out = Vec::new();
    for call in calls {
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'{');
        if let Some(index) = &mut index {
            out.extend_from_slice(format!("\"index\":{index},").as_bytes());
            *index += 1;
        }
        out.extend_from_slice(b"\"id\":");
        write_string(&mut out, &call.id);
        out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
        let known = plan.tool_names.iter().find(|(sent, _)| *sent == call.name);
        write_string(&mut out, known.map_or(&call.name, |(_, original)| original));
        out.extend_from_slice(b",\"arguments\":\"");
        out.extend_from_slice(&call.arguments);
        out.extend_from_slice(b"\"}}");
    }
    out
}
