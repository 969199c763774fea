//! Tool names, as the client knows them.

use crate::protocol::edit::Edits;
use crate::protocol::json::{self, Span};
use crate::provider::rewrite::AnswerPlan;

/// The literal that the client knows for a name's literal, where that is another one.
pub(super) fn find_original_name(plan: &AnswerPlan, literal: &[u8]) -> Option<Vec<u8>> {
    let renamed = plan.tool_names.iter().find(|(sent, _)| json::literal_equals(literal, sent));
    let namespaced = || plan.namespaced_tools.iter().find(|(sent, _)| json::literal_equals(literal, sent));
    let original = renamed.map(|(_, own)| own).or_else(|| namespaced().map(|(_, (_, own))| own))?;
    Some(json::to_string_literal(original))
}

/// The namespace of the tool with this name's literal, as the client knows it.
pub(super) fn find_namespace(plan: &AnswerPlan, literal: &[u8]) -> Option<Vec<u8>> {
    let (_, (namespace, _)) =
        plan.namespaced_tools.iter().find(|(sent, _)| json::literal_equals(literal, sent))?;
    Some(json::to_string_literal(namespace))
}

/// Gives a name, where there is one, the client's own.
pub(super) fn restore_name(text: &[u8], name: Option<&Span>, plan: &AnswerPlan, edits: &mut Edits) {
    if let Some(span) = name
        && let Some(original) = find_original_name(plan, text.get(span.clone()).unwrap_or_default())
    {
        edits.replace(span.clone(), original);
    }
}
