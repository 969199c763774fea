//! Tool names, as the client knows them.

use crate::dialect::rewrite::AnswerPlan;
use crate::wire::edit::Edits;
use crate::wire::json::{self, Span};

/// The literal that the client knows for a name's literal, where that is another one.
pub(super) fn known(plan: &AnswerPlan, literal: &[u8]) -> Option<Vec<u8>> {
    let (_, original) = plan.tool_names.iter().find(|(sent, _)| json::literal_is(literal, sent))?;
    Some(json::string_literal(original))
}

/// Gives a name, where there is one, the client's own.
pub(super) fn restore(text: &[u8], name: Option<&Span>, plan: &AnswerPlan, edits: &mut Edits) {
    if let Some(span) = name
        && let Some(original) = known(plan, text.get(span.clone()).unwrap_or_default())
    {
        edits.replace(span.clone(), original);
    }
}
